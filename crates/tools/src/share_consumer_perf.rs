//! `kafka-share-consumer-perf-test`.

use super::KafkaTool;
use super::java_text::{date, fixed};
use super::perf_reading::{MEGABYTE, PerfReadingArgs};
use super::shared::required;
use ottla_client::{Client, ClientError, ClientOptions, ShareConsumer, ShareConsumerOptions};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_terminal::reading::stop_on_signal;
use ottla_terminal::times::now_ms;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(100);

/// Verify the performance of share consumers.
#[derive(Debug, Clone, clap::Parser)]
pub(super) struct ShareConsumerPerf {
    /// REQUIRED: The topic to consume from.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// The group id.
    #[arg(long, default_value = "perf-share-consumer", value_name = "gid")]
    group: String,
    #[command(flatten)]
    perf: PerfReadingArgs,
    /// Share consumers that work side by side.
    #[arg(long, default_value_t = 1, value_name = "count")]
    threads: usize,
    /// Also print what each of them read.
    #[arg(long)]
    show_consumer_stats: bool,
}

/// What was read so far.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    records: i64,
    bytes: i64,
    /// Somebody ended it.
    is_stopped: bool,
}

impl KafkaTool for ShareConsumerPerf {
    const NAME: &'static str = "kafka-share-consumer-perf-test";

    fn run(&self) -> Result<(), Failure> {
        let (bootstrap, topic, records) = self.check()?;
        let mut cluster = self.perf.cluster("perf-share-consumer-client")?;
        cluster.properties.set("group.id", self.group.as_str());
        cluster.properties.set("fetch.max.bytes", self.perf.fetch_size.to_string());
        let options = cluster.properties.share_consumer_options(ShareConsumerOptions::group(&self.group))?;
        if !self.perf.hide_header {
            write_out(
                "start.time, end.time, data.consumed.in.MB, MB.sec, nMsg.sec, data.consumed.in.nMsg, fetch.time.ms\n",
            )?;
        }
        cluster.run(Threads::Many, async |client: Client| {
            let consumers = self.consumers(&client, bootstrap, &options)?;
            self.measure(consumers, topic, records).await
        })
    }
}

impl ShareConsumerPerf {
    fn check(&self) -> Result<(&str, &str, i64), Failure> {
        let topic = required(&self.topic, "topic")?;
        let bootstrap = self.perf.bootstrap()?;
        let records = self.perf.records()?;
        if self.threads == 0 {
            return Err(Failure::new("There must be at least one thread."));
        }
        self.perf.warn()?;
        Ok((bootstrap, topic, records))
    }

    /// The consumers with their client ids, each with connections of its own.
    fn consumers(
        &self,
        client: &Client,
        bootstrap: &str,
        options: &ShareConsumerOptions,
    ) -> Result<Vec<(String, ShareConsumer)>, Failure> {
        let name = &client.options().client_id;
        let names = (1..=self.threads).map(|n| if self.threads == 1 { name.clone() } else { format!("{name}-{n}") });
        let consumer = |client_id: String| {
            let own = ClientOptions { client_id: client_id.clone(), ..client.options().clone() };
            let client = Client::new(client.runtime(), bootstrap, own)?;
            Ok((client_id, ShareConsumer::new(&client, options.clone())?))
        };
        names.map(consumer).collect()
    }

    async fn measure(&self, consumers: Vec<(String, ShareConsumer)>, topic: &str, records: i64) -> Result<(), Failure> {
        let (begun, total) = (now_ms(), Arc::new(AtomicI64::new(0)));
        let mut tasks = Vec::new();
        for (index, (client_id, mut consumer)) in consumers.into_iter().enumerate() {
            consumer.subscribe(&[topic])?;
            stop_on_signal(consumer.waker());
            let (tool, total) = (self.clone(), total.clone());
            tasks.push(tokio::spawn(async move {
                let read = tool.read(&mut consumer, &total, records, index + 1).await;
                (client_id, consumer, read)
            }));
        }
        let (mut consumers, mut all, mut failed) = (Vec::new(), Read::default(), Ok(()));
        for task in tasks {
            let (client_id, consumer, read) = task.await.map_err(|error| Failure::new(error.to_string()))?;
            let read = read.unwrap_or_else(|failure| {
                failed = Err(failure);
                Read::default()
            });
            all.records += read.records;
            all.bytes += read.bytes;
            all.is_stopped |= read.is_stopped;
            consumers.push((client_id, consumer, read));
        }
        let ended = now_ms();
        let told = failed.and_then(|()| self.tell(&consumers, &all, records, (begun, ended)));
        for (_, consumer, _) in &mut consumers {
            // As in Kafka's tool it is no failure that a record is delivered again.
            drop(consumer.commit().await);
        }
        let told = told.and_then(|()| write_out(&(self.stats(all, begun, ended) + "\n")));
        for (_, consumer, _) in consumers {
            drop(consumer.close().await);
        }
        told
    }

    /// What each of them read, and whether that was too little.
    fn tell(
        &self,
        consumers: &[(String, ShareConsumer, Read)],
        all: &Read,
        records: i64,
        (begun, ended): (i64, i64),
    ) -> Result<(), Failure> {
        for (index, (client_id, _, read)) in consumers.iter().enumerate().filter(|_| self.show_consumer_stats) {
            let stats = self.stats(*read, begun, ended);
            let number = index + 1;
            write_out(&format!("Share consumer {number} having client id {client_id} consumption metrics- {stats}\n"))?;
        }
        if all.records < records && !all.is_stopped {
            self.perf.tell_timeout()?;
        }
        Ok(())
    }

    async fn read(
        &self,
        consumer: &mut ShareConsumer,
        total: &AtomicI64,
        records: i64,
        number: usize,
    ) -> Result<Read, Failure> {
        let (mut read, mut reported, mut reported_ms) = (Read::default(), Read::default(), now_ms());
        let mut consumed_ms = now_ms();
        while total.load(Ordering::Relaxed) < records && now_ms() - consumed_ms <= self.perf.timeout {
            let polled = match consumer.poll(POLL).await {
                Ok(polled) => polled,
                Err(ClientError::Wakeup) => return Ok(Read { is_stopped: true, ..read }),
                Err(error) => return Err(error.into()),
            };
            let now = now_ms();
            if polled.is_empty() {
                continue;
            }
            consumed_ms = now;
            let length = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, bytes::Bytes::len);
            let bytes: usize = polled.iter().map(|record| length(&record.key) + length(&record.value)).sum();
            let count = i64::try_from(polled.len()).unwrap_or(i64::MAX);
            read.records += count;
            read.bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
            total.fetch_add(count, Ordering::Relaxed);
            if now - reported_ms >= self.perf.reporting_interval {
                if self.perf.show_detailed_stats {
                    write_out(&self.progress(read, reported, reported_ms, now, number))?;
                }
                (reported, reported_ms) = (read, now);
            }
        }
        Ok(read)
    }

    fn stats(&self, read: Read, begun: i64, ended: i64) -> String {
        let (seconds, megabytes) = ((ended - begun) as f64 / 1000.0, read.bytes as f64 / MEGABYTE);
        [
            date(begun, &self.perf.date_format),
            date(ended, &self.perf.date_format),
            fixed(megabytes, 4),
            fixed(megabytes / seconds, 4),
            fixed(read.records as f64 / seconds, 4),
            read.records.to_string(),
            (ended - begun).to_string(),
        ]
        .join(", ")
    }

    fn progress(&self, read: Read, before: Read, before_ms: i64, now: i64, number: usize) -> String {
        let elapsed_ms = (now - before_ms) as f64;
        let megabytes = (read.bytes - before.bytes) as f64 / MEGABYTE;
        let columns = [
            date(before_ms, &self.perf.date_format),
            date(now, &self.perf.date_format),
            fixed(read.bytes as f64 / MEGABYTE, 4),
            fixed(1000.0 * megabytes / elapsed_ms, 4),
            fixed((read.records - before.records) as f64 / elapsed_ms * 1000.0, 4),
            read.records.to_string(),
            (now - before_ms).to_string(),
        ];
        format!("{} for share consumer {number}\n", columns.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(line: &str) -> ShareConsumerPerf {
        ShareConsumerPerf::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap()
    }

    #[test]
    fn lines_have_kafkas_columns() {
        let tool = parse("--bootstrap-server a:1 --topic t --num-records 5 --timeout");
        assert_eq!(tool.check().unwrap(), ("a:1", "t", 5));
        let read = Read { records: 100, bytes: 2 * 1024 * 1024, ..Read::default() };
        let expected = "1970-01-01 00:00:01:000, 1970-01-01 00:00:03:000, 2.0000, 1.0000, 50.0000, 100, 2000";
        assert_eq!(tool.stats(read, 1000, 3000), expected);
        let line = tool.progress(read, Read { records: 50, bytes: 1024 * 1024, ..Read::default() }, 1000, 3000, 2);
        let expected = "1970-01-01 00:00:01:000, 1970-01-01 00:00:03:000, 2.0000, 0.5000, 25.0000, 100, 2000 for share consumer 2\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn wrong_command_lines_are_refused_in_kafkas_words() {
        let refusal = |line: &str| parse(line).check().err().map(|failure| failure.cause).unwrap_or_default();
        assert_eq!(refusal("--bootstrap-server a:1"), "Missing required argument \"[topic]\"");
        let both = "--bootstrap-server a:1 --topic t --messages 1 --num-records 1";
        assert!(refusal(both).starts_with("Exactly one of the following arguments"), "{}", refusal(both));
        let never = "--bootstrap-server a:1 --topic t --num-records 1 --reporting-interval 0";
        assert_eq!(refusal(never), "Reporting interval must be greater than 0.");
    }
}
