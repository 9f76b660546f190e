use ottla_client::{
    Client, ClientOptions, Consumer, ConsumerOptions, Isolation, OffsetReset, Producer, ProducerOptions, ProducerRecord,
};
use ottla_node::EmbeddedNode;
use ottla_runtime::Runtime;
use std::time::Duration;

/// Reads orders and writes receipts: each order has its receipt exactly once, whatever ends in between.
#[tokio::test]
async fn every_order_has_one_receipt() -> Result<(), Box<dyn std::error::Error>> {
    let node = EmbeddedNode::start().await?;
    let client = Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default())?;
    let orders = Producer::new(&client, ProducerOptions::default())?;
    orders.send_and_wait(ProducerRecord::new("orders", "two coffees")).await?;

    let transactional_id = Some("till-1".to_string());
    let receipts = Producer::new(&client, ProducerOptions { transactional_id, ..ProducerOptions::default() })?;
    receipts.init_transactions().await?;
    let options = ConsumerOptions {
        offset_reset: OffsetReset::Earliest,
        isolation: Isolation::ReadCommitted,
        auto_commit: false,
        ..ConsumerOptions::group("till")
    };
    let mut till = Consumer::new(&client, options.clone())?;
    till.subscribe(&["orders"])?;

    let taken = till.poll(Duration::from_secs(10)).await?;
    receipts.begin_transaction()?;
    for order in &taken {
        let text = format!("paid: {}", String::from_utf8_lossy(order.value.as_deref().unwrap_or_default()));
        receipts.send(ProducerRecord::new("receipts", text)).await?;
    }
    receipts.send_offsets_to_transaction(&till.positions(), &till.group_metadata()?).await?;
    match receipts.commit_transaction().await {
        Ok(()) => {}
        Err(error) if error.needs_abort() => receipts.abort_transaction().await?,
        Err(error) => return Err(error.into()),
    }

    let mut auditor = Consumer::new(&client, ConsumerOptions { group_id: Some("audit".to_string()), ..options })?;
    auditor.subscribe(&["receipts"])?;
    let seen = auditor.poll(Duration::from_secs(10)).await?;
    assert_eq!(seen[0].value.as_deref(), Some(&b"paid: two coffees"[..]));
    let source = taken[0].topic_partition();
    assert_eq!(till.committed(std::slice::from_ref(&source)).await?[&source].offset, 1);
    node.shutdown().await?;
    Ok(())
}
