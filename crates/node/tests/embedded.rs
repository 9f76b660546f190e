use ottla_client::{
    Client, ClientOptions, Consumer, ConsumerOptions, OffsetReset, Producer, ProducerOptions, ProducerRecord,
};
use ottla_node::EmbeddedNode;
use ottla_runtime::Runtime;
use std::time::Duration;

#[tokio::test]
async fn an_order_reaches_the_kitchen() -> Result<(), Box<dyn std::error::Error>> {
    let node = EmbeddedNode::builder().config("num.partitions", 3).start().await?;
    let client = Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default())?;

    let producer = Producer::new(&client, ProducerOptions::default())?;
    producer.send_and_wait(ProducerRecord::new("orders", "two coffees")).await?;

    let options = ConsumerOptions { offset_reset: OffsetReset::Earliest, ..ConsumerOptions::group("kitchen") };
    let mut consumer = Consumer::new(&client, options)?;
    consumer.subscribe(&["orders"])?;
    let records = consumer.poll(Duration::from_secs(10)).await?;
    assert_eq!(records[0].value.as_deref(), Some(&b"two coffees"[..]));

    consumer.close().await?;
    node.shutdown().await?;
    Ok(())
}
