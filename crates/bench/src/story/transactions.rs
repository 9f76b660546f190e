//! Transactions.

use crate::broker::Broker;
use crate::groups::MODERN;
use crate::stage::{Outcome, PATIENCE, Stage, equal, poll_until};
use ottla_client::{Consumer, Isolation, Producer, ProducerOptions, ProducerRecord, TransactionFilter};
use std::time::Instant;

async fn transactional(stage: &Stage, id: &str) -> Result<Producer, ottla_client::ClientError> {
    let options = ProducerOptions { transactional_id: Some(id.to_string()), ..ProducerOptions::default() };
    let producer = Producer::new(&stage.client, options)?;
    producer.init_transactions().await?;
    Ok(producer)
}

fn record(topic: &str, value: &str) -> ProducerRecord {
    ProducerRecord::new(topic, value.to_string()).partition(0)
}

pub(crate) async fn commit_and_abort(stage: &Stage) -> Outcome {
    let topic = stage.topic(1).await?;
    let producer = transactional(stage, &stage.fresh("txn")).await?;
    for (value, commits) in [("one", true), ("two", false), ("three", true)] {
        producer.begin_transaction()?;
        producer.send(record(&topic, value)).await?;
        producer.flush().await;
        match commits {
            true => producer.commit_transaction().await?,
            false => producer.abort_transaction().await?,
        }
    }
    let seen = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    equal("committed", stage.read(&topic, Isolation::ReadCommitted).await?, seen(&["one", "three"]))?;
    equal("all", stage.read(&topic, Isolation::ReadUncommitted).await?, seen(&["one", "two", "three"]))
}

pub(crate) async fn zombie(stage: &Stage) -> Outcome {
    let (topic, id) = (stage.topic(1).await?, stage.fresh("txn"));
    let zombie = transactional(stage, &id).await?;
    zombie.begin_transaction()?;
    zombie.send(record(&topic, "zombie")).await?.wait().await?;
    let heir = transactional(stage, &id).await?;
    heir.begin_transaction()?;
    heir.send(record(&topic, "heir")).await?;
    heir.commit_transaction().await?;
    let fenced = zombie.commit_transaction().await;
    equal("the zombie is fenced", fenced.err().map(|error| error.is_fenced()), Some(true))?;
    equal("committed", stage.read(&topic, Isolation::ReadCommitted).await?, vec!["heir".to_string()])
}

pub(crate) async fn offsets(stage: &Stage) -> Outcome {
    let (source, target) = (stage.topic(1).await?, stage.topic(1).await?);
    let group = stage.fresh("group");
    stage.send(&source, &["one", "two"]).await?;
    let producer = transactional(stage, &stage.fresh("txn")).await?;
    let mut consumers = vec![Consumer::new(&stage.client, stage.member(&group, &MODERN.protocol()))?];
    consumers[0].subscribe(&[source.as_str()])?;
    let read = poll_until(&mut consumers, |_, records| records.len() >= 2).await?;
    for commits in [false, true] {
        producer.begin_transaction()?;
        for taken in &read {
            producer.send(record(&target, &format!("copy of {}", crate::stage::text(taken)))).await?;
        }
        let (positions, member) = (consumers[0].positions(), consumers[0].group_metadata()?);
        producer.send_offsets_to_transaction(&positions, &member).await?;
        match commits {
            true => producer.commit_transaction().await?,
            false => producer.abort_transaction().await?,
        }
        let committed = stage.admin.list_group_offsets(&group).await?;
        let found = committed.get(&read[0].topic_partition()).map(|found| found.offset);
        equal("committed offset", found, commits.then_some(2))?;
    }
    consumers.remove(0).close().await?;
    let expected = vec!["copy of one".to_string(), "copy of two".to_string()];
    equal("copies", stage.read(&target, Isolation::ReadCommitted).await?, expected)
}

pub(crate) async fn stuck(stage: &Stage) -> Outcome {
    let (topic, id) = (stage.topic(1).await?, stage.fresh("txn"));
    let stuck = transactional(stage, &id).await?;
    stuck.begin_transaction()?;
    stuck.send(record(&topic, "stuck")).await?.wait().await?;
    let filter = TransactionFilter { pattern: Some(format!("{id}.*")), ..TransactionFilter::default() };
    let listed = stage.admin.list_transactions(&filter).await?;
    equal("listed", listed.iter().map(|row| row.state.as_str()).collect::<Vec<_>>(), vec!["Ongoing"])?;
    let described = stage.admin.describe_transaction(&id).await?;
    let identity = stuck.identity().ok_or("no identity")?;
    equal("who holds it", described.producer_id, identity.producer_id.0)?;
    equal(
        "where",
        described.partitions.iter().map(ToString::to_string).collect::<Vec<_>>(),
        vec![format!("{topic}-0")],
    )?;
    stage.admin.terminate_transaction(&id).await?;
    let deadline = Instant::now() + PATIENCE;
    while stage.admin.describe_transaction(&id).await?.start_time_ms.is_some() {
        equal("ended in time", Instant::now() < deadline, true)?;
    }
    let fenced = stuck.commit_transaction().await;
    equal("its producer is fenced", fenced.err().map(|error| error.is_fenced()), Some(true))
}

/// A transaction that is open while the broker restarts can still be committed.
pub(crate) async fn restart(stage: &Stage, broker: &mut Broker) -> Outcome {
    let topic = stage.topic(1).await?;
    let producer = transactional(stage, &stage.fresh("txn")).await?;
    producer.begin_transaction()?;
    producer.send(record(&topic, "before")).await?.wait().await?;
    broker.restart()?;
    producer.send(record(&topic, "after")).await?;
    producer.commit_transaction().await?;
    let expected = vec!["before".to_string(), "after".to_string()];
    equal("committed", stage.read(&topic, Isolation::ReadCommitted).await?, expected)
}
