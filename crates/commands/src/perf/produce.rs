//! `ottla perf produce`.

use super::meter::Meter;
use super::{Common, Setup};
use bytes::Bytes;
use ottla_client::{Producer, ProducerOptions, ProducerRecord};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::tracker::{Pacer, Tracker};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What `ottla perf produce` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub(super) common: Common,
    /// Records to write. [default: 1000000, or without end with --duration]
    #[arg(long, short = 'n', value_name = "N")]
    records: Option<u64>,
    /// Bytes of a value.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    record_size: usize,
    /// Give records keys, this many different ones. [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keys: Option<u64>,
    /// Records per second, over all connections; latency then counts from when a record was due. [default: as fast as possible]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// none, gzip, snappy, lz4 or zstd. [default: none]
    #[arg(long, short = 'z', value_name = "CODEC")]
    compression: Option<String>,
    /// all, 1 or 0. [default: all]
    #[arg(long, value_name = "ACKS")]
    acks: Option<String>,
    /// Bytes of a batch. [default: 16384]
    #[arg(long, value_name = "BYTES")]
    batch_size: Option<String>,
    /// How long a batch waits for more records, in milliseconds. [default: 5]
    #[arg(long, value_name = "MS")]
    linger: Option<String>,
}

impl Args {
    pub(super) async fn run(&self, setup: &Setup, output: OutputArgs) -> Result<(), Failure> {
        let mut properties = setup.properties.clone();
        let named = [
            ("compression.type", &self.compression),
            ("acks", &self.acks),
            ("batch.size", &self.batch_size),
            ("linger.ms", &self.linger),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                properties.set(name, value);
            }
        }
        let options = properties.producer_options(ProducerOptions::default())?;
        let endless = if self.common.duration.is_some() { u64::MAX } else { 1_000_000 };
        let records_max = self.records.unwrap_or(endless);
        let meter = Meter::new(records_max, self.common.duration, self.common.warm_up, &["acknowledgement"]);
        let meter = Arc::new(meter);
        let mut workers = JoinSet::new();
        for index in 0..self.common.connections {
            let producer = Producer::new(&setup.another_client()?, options.clone())?;
            let rate = self.rate.map(|rate| rate / f64::from(self.common.connections));
            let worker = Worker {
                meter: meter.clone(),
                producer,
                topic: self.common.topic.clone(),
                values: Values::new(self.record_size, self.keys, u64::from(index)),
                rate,
            };
            workers.spawn(worker.run());
        }
        meter.watch(joined(workers)).await?;
        meter.report()?.print("written", output)
    }
}

/// Waits for all; the first failure counts.
pub(super) async fn joined(mut workers: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    let mut first = Ok(());
    while let Some(done) = workers.join_next().await {
        first = first.and(done.unwrap_or_else(|error| Err(Failure::new(error.to_string()))));
    }
    first
}

/// One producer and what it sends.
struct Worker {
    meter: Arc<Meter>,
    producer: Producer,
    topic: String,
    values: Values,
    rate: Option<f64>,
}

impl Worker {
    async fn run(mut self) -> Result<(), Failure> {
        let meter = self.meter.clone();
        let mut tracker: Tracker<(Instant, u64)> = Tracker::new(Arc::new(move |(due, bytes), result| match result {
            Ok(_) => meter.count(1, bytes, &[due.elapsed()]),
            Err(error) => meter.count_error(error.to_string()),
        }));
        let mut pacer = Pacer::new(self.rate);
        while self.meter.take() {
            let due = pacer.next().await;
            let (key, value) = self.values.next();
            let bytes = (value.len() + key.as_ref().map_or(0, Bytes::len)) as u64;
            let record =
                ProducerRecord { topic: self.topic.clone(), key, value: Some(value), ..ProducerRecord::default() };
            match self.producer.send(record).await {
                Ok(delivery) => tracker.track((due, bytes), delivery),
                Err(error) => {
                    self.meter.count_error(error.to_string());
                    self.meter.stop();
                }
            }
        }
        self.producer.flush().await;
        tracker.finish().await;
        Ok(self.producer.close(Duration::from_secs(10)).await?)
    }
}

/// Values and keys to send: slices of one block of random letters, so that making them costs nothing and they compress no
/// better than letters do.
pub(super) struct Values {
    block: Bytes,
    size: usize,
    keys: Option<u64>,
    random: fastrand::Rng,
}

impl Values {
    pub(super) fn new(size: usize, keys: Option<u64>, seed: u64) -> Values {
        /// Different values begin within this many bytes.
        const VARIETY: usize = 64 * 1024;
        let mut random = fastrand::Rng::with_seed(seed);
        let block: Vec<u8> = (0..size + VARIETY).map(|_| random.u8(b'A'..=b'Z')).collect();
        Values { block: block.into(), size, keys, random }
    }

    pub(super) fn next(&mut self) -> (Option<Bytes>, Bytes) {
        let at = self.random.usize(0..=self.block.len() - self.size);
        let key = self.keys.map(|keys| Bytes::from(format!("key-{}", self.random.u64(0..keys))));
        (key, self.block.slice(at..at + self.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_size_and_keys_their_number() {
        let mut values = Values::new(100, Some(3), 7);
        let mut keys = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let (key, value) = values.next();
            assert_eq!(value.len(), 100);
            keys.extend(key);
        }
        assert_eq!(keys.len(), 3);
        assert!(Values::new(0, None, 1).next().1.is_empty());
    }
}
