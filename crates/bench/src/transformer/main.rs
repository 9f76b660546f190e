//! A transformer with our own client: copies one partition into others in transactions, and writes down what it does. For the
//! suite `kill9-transactions`; `compat/java/Transformer.java` and `compat/kill9/transformer.py` do the same with other clients.
//!
//! Called with: bootstrap, history file, name, group, source topic, its partition, copied topic, audited topic. Ends when its
//! input is closed.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use ottla_client::{
    Client, ClientError, ClientOptions, Consumer, ConsumerOptions, ConsumerRecord, Isolation, OffsetAndMetadata,
    OffsetReset, Offsets, Producer, ProducerOptions, ProducerRecord,
};
use ottla_runtime::{RealOptions, Runtime};
use ottla_types::TopicPartition;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(100);
const RECORDS_MAX: usize = 20;
/// Of so many transactions one is aborted.
const ABORTED_ONE_OF: u64 = 5;

type Failure = Box<dyn std::error::Error>;

struct Transformer {
    client: Client,
    history: File,
    name: String,
    group: String,
    source: TopicPartition,
    copied: String,
    audited: String,
    transactions: u64,
    is_over: Arc<AtomicBool>,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, history, name, group, source, partition, copied, audited] = arguments.as_slice() else {
        return Err("expected: BOOTSTRAP HISTORY NAME GROUP SOURCE PARTITION COPIED AUDITED".into());
    };
    let runtime = Runtime::real(RealOptions::default())?;
    let options = ClientOptions { request_timeout: Duration::from_secs(5), ..ClientOptions::default() };
    let transformer = Transformer {
        client: Client::new(&runtime, bootstrap, options)?,
        history: File::options().create(true).append(true).open(history)?,
        name: name.clone(),
        group: group.clone(),
        source: TopicPartition::new(source.as_str(), partition.parse()?),
        copied: copied.clone(),
        audited: audited.clone(),
        transactions: 0,
        is_over: await_end(),
    };
    transformer.run().await
}

/// Becomes true when the input is closed.
fn await_end() -> Arc<AtomicBool> {
    let is_over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_over);
    std::thread::spawn(move || {
        // An error ends it as well.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Ordering::Relaxed);
    });
    is_over
}

impl Transformer {
    async fn run(mut self) -> Result<(), Failure> {
        let options = ConsumerOptions {
            auto_commit: false,
            isolation: Isolation::ReadCommitted,
            offset_reset: OffsetReset::None,
            max_poll_records: RECORDS_MAX,
            ..ConsumerOptions::group(self.group.as_str())
        };
        let mut consumer = Consumer::new(&self.client, options)?;
        consumer.assign([self.source.clone()])?;
        while !self.is_over() {
            if let Err(error) = self.transform(&mut consumer).await {
                // Fenced, or lost for another reason: the next one takes the transactional id.
                println!("{} begins anew: {error}", self.name);
            }
        }
        Ok(consumer.close().await?)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Transactions until the end, or until the producer is lost.
    async fn transform(&mut self, consumer: &mut Consumer) -> Result<(), Failure> {
        let options = ProducerOptions {
            transactional_id: Some(format!("rust-{}", self.source.partition)),
            transaction_timeout: Duration::from_secs(30),
            max_block: Duration::from_secs(20),
            linger: Duration::from_millis(1),
            ..ProducerOptions::default()
        };
        let producer = Producer::new(&self.client, options)?;
        patiently(|| producer.init_transactions()).await?;
        let mut position = self.go_to_position(consumer).await?;
        while !self.is_over() {
            let records = consumer.poll(Duration::from_millis(200)).await?;
            let Some(last) = records.last() else { continue };
            let to = last.offset + 1;
            match self.transact(consumer, &producer, &records, position, to).await? {
                true => position = to,
                // Not asked for again: Apache Kafka may tell the former position for a moment after a commit.
                false => consumer.seek(&self.source, position)?,
            }
        }
        Ok(producer.close(PATIENCE).await?)
    }

    /// Goes on where the last transaction that counts left the group.
    async fn go_to_position(&self, consumer: &Consumer) -> Result<i64, ClientError> {
        let partitions = [self.source.clone()];
        let found = patiently(|| consumer.committed(&partitions)).await?;
        let position = found.get(&self.source).map_or(0, |found| found.offset);
        consumer.seek(&self.source, position)?;
        Ok(position)
    }

    /// One transaction; whether it counts.
    async fn transact(
        &mut self,
        consumer: &Consumer,
        producer: &Producer,
        records: &[ConsumerRecord],
        from: i64,
        to: i64,
    ) -> Result<bool, Failure> {
        self.transactions += 1;
        let id = format!("{}-{}-{}", self.name, std::process::id(), self.transactions);
        producer.begin_transaction()?;
        let attempted = self.attempt(consumer, producer, &id, records, from, to).await;
        match attempted.err().map(|error| error.downcast::<ClientError>()) {
            None if self.transactions.is_multiple_of(ABORTED_ONE_OF) => {}
            None => {
                self.tell(&["unknown", &id])?;
                match patiently(|| producer.commit_transaction()).await {
                    Ok(()) => return self.tell(&["committed", &id]).map(|()| true),
                    Err(error) if error.needs_abort() => println!("{id}: {error}"),
                    Err(error) => return Err(error.into()),
                }
            }
            Some(Ok(error)) if error.needs_abort() => println!("{id}: {error}"),
            Some(Ok(error)) => return Err(error),
            Some(Err(error)) => return Err(error),
        }
        // Had it committed, this would be refused.
        patiently(|| producer.abort_transaction()).await?;
        self.tell(&["aborted", &id]).map(|()| false)
    }

    /// Everything of a transaction but its end.
    async fn attempt(
        &mut self,
        consumer: &Consumer,
        producer: &Producer,
        id: &str,
        records: &[ConsumerRecord],
        from: i64,
        to: i64,
    ) -> Result<(), Failure> {
        let (copied, audited) = (self.copied.clone(), self.audited.clone());
        for (index, record) in records.iter().enumerate() {
            let value = format!("{id}/{}", record.offset);
            self.write(producer, id, &TopicPartition::new(copied.as_str(), index as i32 % 2), &value).await?;
        }
        self.write(producer, id, &TopicPartition::new(audited.as_str(), 0), id).await?;
        let (group, source) = (self.group.clone(), self.source.clone());
        self.tell(&["moved", id, &group, &source.to_string(), &from.to_string(), &to.to_string()])?;
        let offsets: Offsets = [(source, OffsetAndMetadata::new(to))].into();
        let member = consumer.group_metadata()?;
        Ok(patiently(|| producer.send_offsets_to_transaction(&offsets, &member)).await?)
    }

    async fn write(&mut self, producer: &Producer, id: &str, to: &TopicPartition, value: &str) -> Result<(), Failure> {
        self.tell(&["wrote", id, &to.to_string(), value])?;
        // How it fares decides the fate of the whole transaction.
        producer.send(ProducerRecord::new(&*to.topic, value.to_string()).partition(to.partition)).await?;
        Ok(())
    }

    /// One line, written before what it says is done.
    fn tell(&mut self, fields: &[&str]) -> Result<(), Failure> {
        Ok(self.history.write_all((fields.join("\t") + "\n").as_bytes())?)
    }
}

/// Asks again while the broker comes and goes.
async fn patiently<T>(what: impl AsyncFn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match what().await {
            Err(error) if error.is_retriable() && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            done => return done,
        }
    }
}
