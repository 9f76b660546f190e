//! `kafka-producer-perf-test`.

mod metrics;
mod stats;

use super::shared::{Cluster, usage};
use super::{KafkaTool, WithoutWords};
use bytes::Bytes;
use metrics::Metrics;
use ottla_client::{Client, Producer, ProducerOptions, ProducerRecord};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_terminal::tracker::{Pacer, Tracker};
use stats::Stats;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Verify the performance of producers.
#[derive(Debug, clap::Parser)]
pub(super) struct ProducerPerf {
    /// The server(s) to connect to; over `bootstrap.servers` of properties.
    #[arg(long)]
    bootstrap_server: Option<String>,
    /// REQUIRED: Produce records to this topic.
    #[arg(long)]
    topic: Option<String>,
    /// REQUIRED: Number of records to produce.
    #[arg(long)]
    num_records: Option<i64>,
    /// Record size in bytes; one of --record-size, --payload-file and --payload-monotonic.
    #[arg(long)]
    record_size: Option<i64>,
    /// File to read payloads from; they are drawn at random.
    #[arg(long)]
    payload_file: Option<PathBuf>,
    /// Payload is an increasing number.
    #[arg(long)]
    payload_monotonic: bool,
    /// What separates payloads in --payload-file.
    #[arg(long, default_value = "\\n")]
    payload_delimiter: String,
    /// REQUIRED: At most about so many records per second; -1 for no limit.
    #[arg(long)]
    throughput: Option<f64>,
    /// Deprecated: use --command-property.
    #[arg(long, num_args = 1.., value_name = "PROP-NAME=PROP-VALUE")]
    producer_props: Vec<String>,
    /// Producer configs.
    #[arg(long, num_args = 1.., value_name = "PROP-NAME=PROP-VALUE")]
    command_property: Vec<String>,
    /// Deprecated: use --command-config.
    #[arg(long = "producer.config", value_name = "CONFIG-FILE")]
    producer_config: Option<PathBuf>,
    /// A file of producer configs.
    #[arg(long, value_name = "CONFIG-FILE")]
    command_config: Option<PathBuf>,
    /// Print what the producer counted, at the end.
    #[arg(long)]
    print_metrics: bool,
    /// The transactional id.
    #[arg(long)]
    transactional_id: Option<String>,
    /// How long each transaction lasts.
    #[arg(long)]
    transaction_duration_ms: Option<i64>,
    /// So many records at the beginning are left out of a second summary.
    #[arg(long, default_value_t = 0)]
    warmup_records: i64,
    /// How often progress is printed.
    #[arg(long, default_value_t = 5000, value_name = "INTERVAL-MS")]
    reporting_interval: i64,
}

/// How long a transaction lasts when nothing is said.
const TRANSACTION_DURATION_MS: i64 = 3000;

/// Where payloads come from.
enum Payloads {
    Random(usize),
    File(Vec<Bytes>),
    Monotonic,
}

impl KafkaTool for ProducerPerf {
    const NAME: &'static str = "kafka-producer-perf-test";
    const WITHOUT_WORDS: WithoutWords = WithoutWords::Helps;

    fn run(&self) -> Result<(), Failure> {
        let (topic, records, throughput) = self.check()?;
        let payloads = self.payloads()?;
        let cluster = self.cluster()?;
        let mut options = cluster.properties.producer_options(ProducerOptions::default())?;
        let metrics = Arc::new(Metrics::default());
        if self.print_metrics {
            options.interceptors.push(metrics.clone());
        }
        let transaction = options.transactional_id.is_some().then(|| {
            let lasts_ms = self.transaction_duration_ms.unwrap_or(TRANSACTION_DURATION_MS);
            Duration::from_millis(u64::try_from(lasts_ms).unwrap_or(0))
        });
        let warm_up = u64::try_from(self.warmup_records).unwrap_or(0);
        if warm_up > 0 {
            write_out(&format!(
                "Warmup first {warm_up} records. Steady state results will print after the complete test summary.\n"
            ))?;
        }
        cluster.run(Threads::Many, async |client: Client| {
            let producer = Producer::new(&client, options)?;
            let interval = Duration::from_millis(u64::try_from(self.reporting_interval).unwrap_or(5000));
            let load = Load { topic, records, warm_up, throughput, payloads: &payloads, interval, transaction };
            let (all, steady) = load.send(&producer).await?;
            producer.close(Duration::from_secs(120)).await?;
            write_out(&all.total())?;
            steady.map_or(Ok(()), |steady| write_out(&steady.total()))?;
            match self.print_metrics {
                true => write_out(&metrics.render(cluster.properties.get("client.id").unwrap_or_default())),
                false => Ok(()),
            }
        })
    }
}

impl ProducerPerf {
    fn check(&self) -> Result<(&str, u64, f64), Failure> {
        let missing = |name: &str| usage(format!("{}: error: argument {name} is required", Self::NAME));
        let wrong = |why: &str| usage(format!("{}: error: {why}", Self::NAME));
        let topic = self.topic.as_deref().ok_or_else(|| missing("--topic"))?;
        let records = self.num_records.ok_or_else(|| missing("--num-records"))?;
        let throughput = self.throughput.ok_or_else(|| missing("--throughput"))?;
        let payloads = [self.record_size.is_some(), self.payload_file.is_some(), self.payload_monotonic];
        if payloads.iter().filter(|is_set| **is_set).count() != 1 {
            return Err(wrong("exactly one of --record-size, --payload-file and --payload-monotonic is required"));
        }
        let Some(records) = u64::try_from(records).ok().filter(|records| *records > 0) else {
            return Err(wrong("--num-records should be greater than zero."));
        };
        if self.warmup_records.max(0).unsigned_abs() >= records {
            return Err(wrong(
                "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
            ));
        }
        if self.record_size.is_some_and(|size| size <= 0) {
            return Err(wrong("--record-size should be greater than zero."));
        }
        let has_properties = !self.command_property.is_empty() || !self.producer_props.is_empty();
        let has_file = self.command_config.is_some() || self.producer_config.is_some();
        if self.bootstrap_server.is_none() && !has_properties && !has_file {
            return Err(wrong(
                "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or \
                 --command-config must be specified.",
            ));
        }
        if !self.command_property.is_empty() && !self.producer_props.is_empty() {
            return Err(wrong("--command-property and --producer-props cannot be specified together."));
        }
        if self.command_config.is_some() && self.producer_config.is_some() {
            return Err(wrong("--command-config and --producer.config cannot be specified together."));
        }
        if self.transaction_duration_ms.is_some_and(|duration| duration <= 0) {
            return Err(wrong("--transaction-duration-ms should be greater than zero."));
        }
        if self.reporting_interval <= 0 {
            return Err(wrong("--reporting-interval should be greater than zero."));
        }
        Ok((topic, records, throughput))
    }

    fn cluster(&self) -> Result<Cluster, Failure> {
        let old = [
            (!self.producer_props.is_empty(), "--producer-props", "--command-property"),
            (self.producer_config.is_some(), "--producer.config", "--command-config"),
        ];
        for (_, old, new) in old.into_iter().filter(|(is_used, ..)| *is_used) {
            write_out(&format!(
                "Option {old} has been deprecated and will be removed in a future version. Use {new} instead.\n"
            ))?;
        }
        let pairs = if self.producer_props.is_empty() { &self.command_property } else { &self.producer_props };
        let file = self.command_config.as_deref().or(self.producer_config.as_deref());
        let mut cluster = Cluster::new("", file, pairs, "perf-producer-client")?;
        let named = self.bootstrap_server.as_deref().or(cluster.properties.get("bootstrap.servers"));
        cluster.bootstrap = named.unwrap_or_default().to_string();
        if let Some(id) = &self.transactional_id {
            cluster.properties.set("transactional.id", id);
        } else if self.transaction_duration_ms.is_some() {
            cluster
                .properties
                .set_default("transactional.id", format!("performance-producer-{:016x}", fastrand::u64(..)));
        }
        Ok(cluster)
    }

    fn payloads(&self) -> Result<Payloads, Failure> {
        match (&self.payload_file, self.record_size) {
            (Some(file), _) => Ok(Payloads::File(self.read_payloads(file)?)),
            (None, Some(size)) => Ok(Payloads::Random(usize::try_from(size).unwrap_or(1))),
            (None, None) => Ok(Payloads::Monotonic),
        }
    }

    fn read_payloads(&self, file: &Path) -> Result<Vec<Bytes>, Failure> {
        let shown = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        write_out(&format!("Reading payloads from: {}\n", shown.display()))?;
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if text.is_empty() {
            return Err(Failure::new("File does not exist or empty file provided."));
        }
        let delimiter = if self.payload_delimiter == "\\n" { "\n" } else { &self.payload_delimiter };
        let mut payloads: Vec<Bytes> = text.split(delimiter).map(|part| Bytes::from(part.to_string())).collect();
        if payloads.last().is_some_and(Bytes::is_empty) {
            payloads.pop();
        }
        write_out(&format!("Number of records read: {}\n", payloads.len()))?;
        Ok(payloads)
    }
}

/// What is sent.
struct Load<'a> {
    topic: &'a str,
    records: u64,
    warm_up: u64,
    throughput: f64,
    payloads: &'a Payloads,
    interval: Duration,
    /// How long each transaction lasts; `None` without transactions.
    transaction: Option<Duration>,
}

impl Load<'_> {
    /// Sends everything; returns the counts of all records, and of those behind the warm-up.
    async fn send(&self, producer: &Producer) -> Result<(Stats, Option<Stats>), Failure> {
        let Load { topic, records, warm_up, throughput, payloads, interval, transaction } = *self;
        if transaction.is_some() {
            producer.init_transactions().await?;
        }
        let mut opened: Option<Instant> = None;
        let stats = Arc::new(Mutex::new((Stats::new(records, interval, false), None::<Stats>)));
        let shared = stats.clone();
        let mut tracker: Tracker<(Instant, usize, bool)> =
            Tracker::new(Arc::new(move |(sent, bytes, is_steady), result| {
                let mut stats = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let text = match result {
                    Ok(_) => {
                        let latency = sent.elapsed();
                        let first = stats.0.record(latency, bytes);
                        let second =
                            stats.1.as_mut().filter(|_| is_steady).and_then(|steady| steady.record(latency, bytes));
                        first.or(second)
                    }
                    Err(error) => {
                        eprintln!("{error}");
                        None
                    }
                };
                if let Some(text) = text {
                    // A reader that is gone is seen at the end.
                    let _ = write_out(&text);
                }
            }));
        let mut random = fastrand::Rng::with_seed(0);
        let mut pacer = Pacer::new(Some(throughput));
        for number in 0..records {
            pacer.next().await;
            if warm_up > 0 && number == warm_up {
                let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
                stats.0.suppress();
                stats.1 = Some(Stats::new(records - warm_up, interval, true));
            }
            let payload = match payloads {
                Payloads::Random(size) => (0..*size).map(|_| random.u8(b'A'..=b'Z')).collect::<Vec<u8>>().into(),
                Payloads::File(all) => all[random.usize(0..all.len())].clone(),
                Payloads::Monotonic => number.to_string().into(),
            };
            if transaction.is_some() && opened.is_none() {
                producer.begin_transaction()?;
                opened = Some(Instant::now());
            }
            let (sent, bytes) = (Instant::now(), payload.len());
            match producer.send(ProducerRecord::new(topic, payload)).await {
                Ok(delivery) => tracker.track((sent, bytes, number >= warm_up), delivery),
                Err(error) => eprintln!("{error}"),
            }
            if opened.zip(transaction).is_some_and(|(opened, lasts)| opened.elapsed() >= lasts) {
                producer.commit_transaction().await?;
                opened = None;
            }
        }
        if opened.is_some() {
            producer.commit_transaction().await?;
        }
        producer.flush().await;
        tracker.finish().await;
        let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = Stats::new(1, interval, false);
        Ok((std::mem::replace(&mut stats.0, empty), stats.1.take()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn wrong_command_lines_are_refused() {
        let refusal = |line: &str| {
            let tool = ProducerPerf::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap();
            tool.check().err().map(|failure| failure.cause).unwrap_or_default()
        };
        let good = "--topic t --num-records 5 --throughput=-1 --record-size 3 --command-property a=b c=d";
        assert_eq!(refusal(good), "");
        assert!(refusal("--num-records 5").ends_with("argument --topic is required"));
        assert!(refusal(&format!("{good} --payload-monotonic")).contains("exactly one of"));
        assert!(refusal(&format!("{good} --warmup-records 5")).contains("strictly fewer"));
        assert!(refusal(&format!("{good} --producer-props e=f")).contains("cannot be specified together"));
    }
}
