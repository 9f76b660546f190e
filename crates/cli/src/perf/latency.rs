//! `ottla perf latency`: from handing a record to a producer until a consumer has it.

use super::meter::Meter;
use super::produce::{Values, joined};
use super::tracker::Pacer;
use super::{Common, Setup};
use crate::failure::Failure;
use crate::output::OutputArgs;
use bytes::{BufMut, Bytes, BytesMut};
use ottla_client::{Consumer, ConsumerOptions, OffsetReset, Producer, ProducerOptions, ProducerRecord};
use ottla_types::TopicPartition;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a record may take before the measurement gives up.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(60);

/// What `ottla perf latency` accepts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// Records to send. [default: 1000, or without end with --duration]
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// Bytes of a value; at least 16.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    record_size: usize,
    /// Records per second, over all connections. [default: each when the one before is back]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// all or 1. [default: all]
    #[arg(long, value_name = "ACKS")]
    acks: Option<String>,
}

impl Args {
    pub(super) async fn run(&self, setup: &Setup, output: OutputArgs) -> Result<(), Failure> {
        let mut properties = setup.properties.clone();
        if let Some(acks) = &self.acks {
            properties.set("acks", acks);
        }
        let defaults = ProducerOptions { linger: Duration::ZERO, ..ProducerOptions::default() };
        let producer_options = properties.producer_options(defaults)?;
        let defaults =
            ConsumerOptions { offset_reset: OffsetReset::Latest, auto_commit: false, ..ConsumerOptions::default() };
        let consumer_options = properties.consumer_options(defaults)?;
        let endless = if self.common.duration.is_some() { u64::MAX } else { 1000 };
        let records_max = self.records.unwrap_or(endless);
        let kinds = ["acknowledgement", "end-to-end"];
        let meter = Arc::new(Meter::new(records_max, self.common.duration, self.common.warm_up, &kinds));
        let partitions = setup.partitions();
        let mut workers = JoinSet::new();
        for index in 0..self.common.connections {
            let partition = partitions[index as usize % partitions.len()];
            let partition = TopicPartition::new(self.common.topic.as_str(), partition);
            let client = setup.another_client()?;
            let producer = Producer::new(&client, producer_options.clone())?;
            let mut consumer = Consumer::new(&client, consumer_options.clone())?;
            consumer.assign([partition.clone()])?;
            consumer.seek_to_end(std::slice::from_ref(&partition))?;
            let pair = Pair {
                meter: meter.clone(),
                producer,
                consumer,
                partition,
                values: Values::new(self.record_size.max(16), None, u64::from(index)),
                pacer: Pacer::new(self.rate.map(|rate| rate / f64::from(self.common.connections))),
                id: u64::from(std::process::id()) << 32 | u64::from(index),
            };
            workers.spawn(pair.run());
        }
        meter.watch(joined(workers)).await?;
        meter.report()?.print("sent and read back", output)
    }
}

/// A producer and a consumer that reads its partition.
struct Pair {
    meter: Arc<Meter>,
    producer: Producer,
    consumer: Consumer,
    partition: TopicPartition,
    values: Values,
    pacer: Pacer,
    /// Marks its records: others may write to the partition too.
    id: u64,
}

impl Pair {
    async fn run(mut self) -> Result<(), Failure> {
        // Found before the first record is sent, so that none is missed.
        self.consumer.position(&self.partition).await?;
        let mut number = 0;
        while self.meter.take() {
            let due = self.pacer.next().await;
            let value = self.marked(number);
            let bytes = value.len() as u64;
            let record = ProducerRecord::new(&*self.partition.topic, value.clone()).partition(self.partition.partition);
            let delivery = self.producer.send(record).await?;
            let acknowledged = async { delivery.wait().await.map(|_| due.elapsed()) };
            let read = read_back(&mut self.consumer, &value, due);
            let (acknowledged, read) = tokio::join!(acknowledged, read);
            self.meter.count(1, bytes, &[acknowledged?, read?]);
            number += 1;
        }
        self.producer.close(Duration::from_secs(10)).await?;
        Ok(self.consumer.close().await?)
    }

    fn marked(&mut self, number: u64) -> Bytes {
        let (_, letters) = self.values.next();
        let mut value = BytesMut::with_capacity(letters.len());
        value.put_u64(self.id);
        value.put_u64(number);
        value.put_slice(&letters[16..]);
        value.freeze()
    }
}

/// Waits until this value comes.
async fn read_back(consumer: &mut Consumer, value: &Bytes, due: Instant) -> Result<Duration, Failure> {
    let begun = Instant::now();
    while begun.elapsed() < ROUND_TRIP_MAX {
        let records = consumer.poll(Duration::from_secs(1)).await?;
        if records.iter().any(|record| record.value.as_ref() == Some(value)) {
            return Ok(due.elapsed());
        }
    }
    Err(Failure::new(format!("a record did not come back within {} s", ROUND_TRIP_MAX.as_secs())))
}
