//! `kafka-consumer-perf-test`.

use super::KafkaTool;
use super::java_text::{date, fixed};
use super::perf_reading::{MEGABYTE, PerfReadingArgs};
use super::shared::usage;
use ottla_client::{Client, ConsumerOptions, Offsets, RebalanceListener};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_terminal::reading::{Next, Reading, Topics};
use ottla_terminal::times::now_ms;
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Verify the performance of consumers.
#[derive(Debug, clap::Parser)]
pub(super) struct ConsumerPerf {
    /// The topic to consume from.
    #[arg(long)]
    topic: Option<String>,
    /// Regular expression for the topics to consume from.
    #[arg(long)]
    include: Option<String>,
    /// The group id. [default: one of its own]
    #[arg(long, value_name = "gid")]
    group: Option<String>,
    /// Start with new records where the group has committed no offset.
    #[arg(long)]
    from_latest: bool,
    #[command(flatten)]
    perf: PerfReadingArgs,
}

/// What was read so far.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    records: i64,
    bytes: u64,
}

/// How long the group took to give partitions.
#[derive(Debug)]
struct JoinTime {
    begun_ms: i64,
    total_ms: i64,
    since_report_ms: i64,
    owned: BTreeSet<TopicPartition>,
}

struct Listener(Arc<Mutex<JoinTime>>);

impl KafkaTool for ConsumerPerf {
    const NAME: &'static str = "kafka-consumer-perf-test";

    fn run(&self) -> Result<(), Failure> {
        let records = self.check()?;
        let mut cluster = self.perf.cluster("perf-consumer-client")?;
        let group = self.group.clone().unwrap_or_else(|| format!("perf-consumer-{}", std::process::id()));
        cluster.properties.set("group.id", group);
        cluster.properties.set("max.partition.fetch.bytes", self.perf.fetch_size.to_string());
        cluster.properties.set("auto.offset.reset", if self.from_latest { "latest" } else { "earliest" });
        let options = cluster.properties.consumer_options(ConsumerOptions::default())?;
        if !self.perf.hide_header {
            let first = if self.perf.show_detailed_stats { "time, threadId" } else { "start.time, end.time" };
            write_out(&format!(
                "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, \
                 fetch.MB.sec, fetch.nMsg.sec\n"
            ))?;
        }
        cluster.run(Threads::Many, async |client: Client| self.measure(&client, options, records).await)
    }
}

impl ConsumerPerf {
    fn check(&self) -> Result<i64, Failure> {
        self.perf.bootstrap()?;
        if self.topic.is_some() == self.include.is_some() {
            return Err(usage("Exactly one of the following arguments is required: [topic], [include]"));
        }
        let records = self.perf.records()?;
        self.perf.warn()?;
        Ok(records)
    }

    async fn measure(&self, client: &Client, options: ConsumerOptions, records: i64) -> Result<(), Failure> {
        let begun = now_ms();
        let join = JoinTime { begun_ms: begun, total_ms: 0, since_report_ms: 0, owned: BTreeSet::new() };
        let join = Arc::new(Mutex::new(join));
        let topics = match (&self.topic, &self.include) {
            (Some(topic), _) => Topics::Named(vec![topic.clone()]),
            (None, pattern) => Topics::pattern(pattern.as_deref().unwrap_or_default())?,
        };
        let mut reading = Reading::new(client, topics.options(options))?;
        reading.consumer().set_rebalance_listener(Listener(join.clone()));
        reading.subscribe(&topics).await?;
        let read = self.read(&mut reading, records, &join).await?;
        let ended = now_ms();
        if !self.perf.show_detailed_stats {
            let join_ms = join.lock().unwrap_or_else(PoisonError::into_inner).total_ms;
            write_out(&self.total(read, begun, ended, join_ms))?;
        }
        reading.close().await
    }

    async fn read(&self, reading: &mut Reading, records: i64, join: &Mutex<JoinTime>) -> Result<Read, Failure> {
        let timeout = Duration::from_millis(u64::try_from(self.perf.timeout).unwrap_or(0));
        let (mut read, mut reported, mut reported_ms) = (Read::default(), Read::default(), now_ms());
        // What came with the last record that is wanted counts too, as in Kafka.
        while read.records < records || reading.has_more() {
            let record = match reading.next(Some(timeout)).await? {
                Next::Record(record) => record,
                Next::Nothing | Next::Stopped => break,
            };
            read.records += 1;
            let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len) as u64;
            read.bytes += length(&record.key) + length(&record.value);
            if reading.has_more() {
                continue;
            }
            let now = now_ms();
            if now - reported_ms >= self.perf.reporting_interval {
                let mut join = join.lock().unwrap_or_else(PoisonError::into_inner);
                if self.perf.show_detailed_stats {
                    write_out(&self.progress(read, reported, reported_ms, now, join.since_report_ms))?;
                }
                join.since_report_ms = 0;
                (reported, reported_ms) = (read, now);
            }
        }
        if read.records < records {
            self.perf.tell_timeout()?;
        }
        Ok(read)
    }

    fn total(&self, read: Read, begun: i64, ended: i64, join_ms: i64) -> String {
        let (seconds, fetch_ms) = ((ended - begun) as f64 / 1000.0, ended - begun - join_ms);
        let (megabytes, records) = (read.bytes as f64 / MEGABYTE, read.records as f64);
        let fetch_seconds = fetch_ms as f64 / 1000.0;
        [
            date(begun, &self.perf.date_format),
            date(ended, &self.perf.date_format),
            fixed(megabytes, 4),
            fixed(megabytes / seconds, 4),
            read.records.to_string(),
            fixed(records / seconds, 4),
            join_ms.to_string(),
            fetch_ms.to_string(),
            fixed(megabytes / fetch_seconds, 4),
            fixed(records / fetch_seconds, 4),
        ]
        .join(", ")
            + "\n"
    }

    fn progress(&self, read: Read, before: Read, before_ms: i64, now: i64, join_ms: i64) -> String {
        let (elapsed_ms, fetch_ms) = (now - before_ms, now - before_ms - join_ms);
        let megabytes = (read.bytes - before.bytes) as f64 / MEGABYTE;
        let records = (read.records - before.records) as f64;
        let in_fetch = |amount: f64| if fetch_ms <= 0 { 0.0 } else { 1000.0 * amount / fetch_ms as f64 };
        [
            date(now, &self.perf.date_format),
            "0".to_string(),
            fixed(read.bytes as f64 / MEGABYTE, 4),
            fixed(1000.0 * megabytes / elapsed_ms as f64, 4),
            read.records.to_string(),
            fixed(1000.0 * records / elapsed_ms as f64, 4),
            join_ms.to_string(),
            fetch_ms.to_string(),
            fixed(in_fetch(megabytes), 4),
            fixed(in_fetch(records), 4),
        ]
        .join(", ")
            + "\n"
    }
}

impl RebalanceListener for Listener {
    fn on_assigned(&mut self, partitions: &BTreeSet<TopicPartition>) {
        let mut join = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if join.owned.is_empty() {
            let elapsed = now_ms() - join.begun_ms;
            join.total_ms += elapsed;
            join.since_report_ms += elapsed;
        }
        join.owned.extend(partitions.iter().cloned());
    }

    fn on_revoked(&mut self, partitions: &BTreeSet<TopicPartition>) -> Offsets {
        let mut join = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        join.owned.retain(|partition| !partitions.contains(partition));
        if join.owned.is_empty() {
            join.begun_ms = now_ms();
        }
        Offsets::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn lines_have_kafkas_columns() {
        let line = "--bootstrap-server a:1 --topic t --num-records 5 --timeout";
        let tool = ConsumerPerf::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap();
        assert_eq!((tool.perf.bootstrap().unwrap(), tool.check().unwrap()), ("a:1", 5));
        let read = Read { records: 100, bytes: 2 * 1024 * 1024 };
        let expected = "1970-01-01 00:00:01:000, 1970-01-01 00:00:03:000, 2.0000, 1.0000, 100, 50.0000, 1000, 1000, 2.0000, 100.0000\n";
        assert_eq!(tool.total(read, 1000, 3000, 1000), expected);
        let expected = "1970-01-01 00:00:03:000, 0, 2.0000, 1.0000, 100, 50.0000, 0, 2000, 1.0000, 50.0000\n";
        assert_eq!(tool.progress(read, Read::default(), 1000, 3000, 0), expected);
    }
}
