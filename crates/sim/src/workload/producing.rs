//! Idempotent producers: several batches in flight, each exactly once in the log.

use super::Actor;
use crate::oracle::{Backing, Check, PartitionKey, Sent, broken};
use ottla_client::{ClientError, Produced, ProducerIdentity, SimpleProducer};
use ottla_types::ErrorCode;
use std::time::Duration;

/// `delivery.timeout.ms`: longer than most outages.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);
/// Batches of one go.
const BATCHES_MAX: u64 = 9;
/// Records of one batch.
const RECORDS_MAX: u64 = 5;

/// Sends until the run is over.
pub(super) async fn run(actor: Actor) -> Check {
    let mut sending = Producing::new(&actor);
    while actor.pause(150).await {
        let partitions = actor.oracle.partitions(true);
        let Some(key) = actor.one_of(&partitions) else { continue };
        let batches = 1 + actor.below(BATCHES_MAX);
        sending.send(&actor, key, batches).await?;
        if actor.chance(3) {
            sending = Producing::new(&actor);
        }
    }
    Ok(())
}

/// A producer and what it was last.
pub(super) struct Producing {
    producer: SimpleProducer,
    identity: Option<ProducerIdentity>,
}

impl Producing {
    pub(super) fn new(actor: &Actor) -> Producing {
        let producer = SimpleProducer::new(&actor.client);
        let producer = producer.compression(actor.compression()).delivery_timeout(DELIVERY_TIMEOUT);
        Producing { producer, identity: None }
    }

    /// Sends batches to a partition; what is acknowledged is told.
    pub(super) async fn send(&mut self, actor: &Actor, key: &PartitionKey, batches: u64) -> Check {
        let Some(sent) = actor.oracle.sending(key) else { return Ok(()) };
        let timestamp = actor.runtime.wall_clock_ms();
        let (mut numbers, mut contents) = (Vec::new(), Vec::new());
        for _ in 0..batches {
            let records = actor.oracle.new_records(key, 1 + actor.below(RECORDS_MAX) as usize, timestamp);
            let (of_batch, records): (Vec<_>, Vec<_>) = records.into_iter().unzip();
            numbers.push(of_batch);
            contents.push(records);
        }
        let results = self.producer.send_all(&key.topic, key.partition, &contents).await;
        self.note_identity(actor)?;
        for (numbers, result) in numbers.iter().zip(results) {
            judge(actor, &sent, numbers, result)?;
        }
        Ok(())
    }

    fn note_identity(&mut self, actor: &Actor) -> Check {
        let identity = self.producer.identity();
        if let Some(new) = identity.filter(|_| identity != self.identity) {
            actor.oracle.producer_id(new.producer_id.0)?;
        }
        self.identity = identity;
        Ok(())
    }
}

fn judge(actor: &Actor, sent: &Sent, numbers: &[u64], result: Result<Produced, ClientError>) -> Check {
    let error = match result {
        Ok(produced) => {
            return actor.oracle.acknowledged(sent, numbers, produced.base_offset, Backing::Acknowledged, actor.now());
        }
        Err(error) => error,
    };
    let is_lost_sequence = error.code() == Some(ErrorCode::OutOfOrderSequenceNumber);
    if is_lost_sequence && actor.oracle.keeps_sequences(&sent.key) {
        return broken(format!("{} lost the sequence of a producer: {error}", sent.key));
    }
    // A topic that may be deleted meanwhile is not written to by this producer.
    actor.expect(&format!("Produce to {}", sent.key), &error, &[ErrorCode::OutOfOrderSequenceNumber])
}
