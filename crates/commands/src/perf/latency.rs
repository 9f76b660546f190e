//! `ottla perf latency`: from handing a record to a producer until a consumer has it.

use super::meter::Meter;
use super::paced;
use super::produce::{Values, joined};
use super::{Common, Setup};
use bytes::{BufMut, Bytes, BytesMut};
use ottla_client::{Consumer, ConsumerOptions, OffsetReset, Producer, ProducerOptions, ProducerRecord};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_types::TopicPartition;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a record may take before the measurement gives up.
pub(super) const ROUND_TRIP_MAX: Duration = Duration::from_secs(60);
/// The beginning of a value: whose it is, and which one.
const MARK_BYTES: usize = 16;

/// What `ottla perf latency` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// Records to send. [default: 1000, or without end with --duration]
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// Bytes of a value; at least 16.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    record_size: usize,
    /// Give records keys, this many different ones. [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keys: Option<u64>,
    /// Records per second, over all connections, whether those before are back or not; latency then counts from when a record
    /// was due. [default: each when the one before is back]
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
            let sender = Sender {
                meter: meter.clone(),
                producer,
                partition,
                values: Values::new(self.record_size.max(MARK_BYTES), self.keys, u64::from(index)),
                id: fastrand::u64(..),
            };
            match self.rate.filter(|rate| *rate > 0.0) {
                Some(rate) => workers.spawn(paced::run(sender, consumer, rate / f64::from(self.common.connections))),
                None => workers.spawn(one_by_one(sender, consumer)),
            };
        }
        meter.watch(joined(workers)).await?;
        meter.report()?.print("sent and read back", output)
    }
}

/// A producer of marked records into one partition.
pub(super) struct Sender {
    pub(super) meter: Arc<Meter>,
    pub(super) producer: Producer,
    pub(super) partition: TopicPartition,
    values: Values,
    /// Marks its records: others may write to the partition too.
    pub(super) id: u64,
}

/// Each record when the one before is back.
async fn one_by_one(mut sender: Sender, mut consumer: Consumer) -> Result<(), Failure> {
    // Found before the first record is sent, so that none is missed.
    consumer.position(&sender.partition).await?;
    let mut number = 0;
    while sender.meter.take() {
        let begun = Instant::now();
        let record = sender.marked(number);
        let bytes = record.value.as_ref().map_or(0, Bytes::len) as u64;
        let delivery = sender.producer.send(record).await?;
        let acknowledged = async { delivery.wait().await.map(|_| begun.elapsed()) };
        let read = read_back(&mut consumer, sender.id, number, begun);
        let (acknowledged, read) = tokio::join!(acknowledged, read);
        sender.meter.count(1, bytes, &[acknowledged?, read?]);
        number += 1;
    }
    sender.producer.close(Duration::from_secs(10)).await?;
    Ok(consumer.close().await?)
}

impl Sender {
    /// The next record; its value begins with the mark.
    pub(super) fn marked(&mut self, number: u64) -> ProducerRecord {
        let (key, letters) = self.values.next();
        let mut value = BytesMut::with_capacity(letters.len());
        value.put_u64(self.id);
        value.put_u64(number);
        value.put_slice(&letters[MARK_BYTES..]);
        let record = ProducerRecord::new(&*self.partition.topic, value.freeze()).partition(self.partition.partition);
        ProducerRecord { key, ..record }
    }
}

/// The number of a record that was marked with this `id`.
pub(super) fn number_of(value: Option<&Bytes>, id: u64) -> Option<u64> {
    let (mark, _) = value?.split_first_chunk::<MARK_BYTES>()?;
    let mark = u128::from_be_bytes(*mark);
    ((mark >> 64) as u64 == id).then_some(mark as u64)
}

/// Waits until this record comes.
async fn read_back(consumer: &mut Consumer, id: u64, number: u64, begun: Instant) -> Result<Duration, Failure> {
    while begun.elapsed() < ROUND_TRIP_MAX {
        let records = consumer.poll(Duration::from_secs(1)).await?;
        if records.iter().any(|record| number_of(record.value.as_ref(), id) == Some(number)) {
            return Ok(begun.elapsed());
        }
    }
    Err(lost())
}

/// What is said when a record does not come back.
pub(super) fn lost() -> Failure {
    Failure::new(format!("a record did not come back within {} s", ROUND_TRIP_MAX.as_secs()))
}
