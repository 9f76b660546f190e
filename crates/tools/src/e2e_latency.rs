//! `kafka-e2e-latency`.

use super::KafkaTool;
use super::java_text::{double, fixed};
use super::shared::{Cluster, required, usage};
use bytes::Bytes;
use ottla_client::{
    Admin, Client, Consumer, ConsumerOptions, ConsumerRecord, NewTopic, Producer, ProducerOptions, ProducerRecord,
};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_terminal::times::now_ms;
use ottla_types::TopicPartition;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a record may take to come back.
const POLL_TIMEOUT: Duration = Duration::from_secs(60);

/// Measure end-to-end latency by sending messages and timing their reception.
#[derive(Debug, clap::Parser)]
pub(super) struct EndToEndLatency {
    /// REQUIRED: The Kafka broker list string in the form HOST1:PORT1,HOST2:PORT2.
    #[arg(long)]
    bootstrap_server: Option<String>,
    /// REQUIRED: The topic to use for the test.
    #[arg(long)]
    topic: Option<String>,
    /// REQUIRED: The number of messages to send.
    #[arg(long)]
    num_records: Option<i64>,
    /// REQUIRED: 1 or all.
    #[arg(long)]
    producer_acks: Option<String>,
    /// REQUIRED: Bytes of each message.
    #[arg(long)]
    record_size: Option<i64>,
    /// Bytes of the key. Without it, messages have an empty key.
    #[arg(long, default_value_t = 0)]
    record_key_size: i64,
    /// Bytes of a header's key.
    #[arg(long, default_value_t = 0)]
    record_header_key_size: i64,
    /// Bytes of a header's value; -1 for null.
    #[arg(long, default_value_t = 0)]
    record_header_size: i64,
    /// Headers of each message.
    #[arg(long, default_value_t = 0)]
    num_headers: i64,
    /// A file of producer, consumer and admin configs.
    #[arg(long)]
    command_config: Option<PathBuf>,
    /// The old form: bootstrap-server topic num-records producer-acks record-size [command-config].
    #[arg(hide = true)]
    positional: Vec<String>,
}

/// A command line that can be run.
struct Plan {
    bootstrap: String,
    topic: String,
    records: usize,
    acks: String,
    size: usize,
    key_size: usize,
    headers: usize,
    header_key_size: usize,
    header_size: Option<usize>,
    file: Option<PathBuf>,
}

impl KafkaTool for EndToEndLatency {
    const NAME: &'static str = "kafka-e2e-latency";

    fn run(&self) -> Result<(), Failure> {
        let plan = self.plan()?;
        let mut cluster = Cluster::new(&plan.bootstrap, plan.file.as_deref(), &[], "e2e-latency")?;
        for (name, value) in [
            ("group.id", format!("test-group-{}", now_ms())),
            ("enable.auto.commit", "false".to_string()),
            ("auto.offset.reset", "latest".to_string()),
            ("fetch.max.wait.ms", "0".to_string()),
            ("linger.ms", "0".to_string()),
            ("acks", plan.acks.clone()),
        ] {
            cluster.properties.set(name, value);
        }
        let producer = cluster.properties.producer_options(ProducerOptions::default())?;
        let consumer = cluster.properties.consumer_options(ConsumerOptions::default())?;
        cluster.run(Threads::Many, async |client: Client| {
            let partitions = plan.partitions(&client).await?;
            let producer = Producer::new(&client, producer)?;
            let mut consumer = Consumer::new(&client, consumer)?;
            consumer.assign(partitions.iter().cloned())?;
            consumer.seek_to_end(&partitions)?;
            for partition in &partitions {
                consumer.position(partition).await?;
            }
            let latencies = plan.measure(&producer, &mut consumer).await;
            let committed = consumer.commit().await;
            producer.close(Duration::from_secs(10)).await?;
            write_out(&summary(latencies?))?;
            committed?;
            Ok(consumer.close().await?)
        })
    }
}

impl EndToEndLatency {
    fn plan(&self) -> Result<Plan, Failure> {
        if !self.positional.is_empty() {
            return self.old_plan();
        }
        let acks = required(&self.producer_acks, "producer-acks");
        let size = |name: &str, value: i64| {
            let why = format!("Value for --{name} must be a non-negative integer.");
            usize::try_from(value).map_err(|_| usage(why))
        };
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?.clone();
        let topic = required(&self.topic, "topic")?.clone();
        let records = *required(&self.num_records, "num-records")?;
        let acks = acks?.clone();
        let record_size = *required(&self.record_size, "record-size")?;
        if acks != "1" && acks != "all" {
            return Err(usage(
                "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' or \
                 'all'.",
            ));
        }
        let Some(records) = usize::try_from(records).ok().filter(|records| *records > 0) else {
            return Err(usage("Value for --num-records must be a positive integer."));
        };
        if self.record_header_size < -1 {
            return Err(usage(
                "Value for --record-header-size must be a non-negative integer or -1 for null header value.",
            ));
        }
        Ok(Plan {
            bootstrap,
            topic,
            records,
            acks,
            size: size("record-size", record_size)?,
            key_size: size("record-key-size", self.record_key_size)?,
            headers: size("num-headers", self.num_headers)?,
            header_key_size: size("record-header-key-size", self.record_header_key_size)?,
            header_size: usize::try_from(self.record_header_size).ok(),
            file: self.command_config.clone(),
        })
    }

    /// Words without names, as until Kafka 4.1.
    fn old_plan(&self) -> Result<Plan, Failure> {
        let words = &self.positional;
        let (5 | 6) = words.len() else {
            let count = words.len();
            return Err(Failure::new(format!(
                "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {count}. Usage: bootstrap-server \
                 topic num-records producer-acks record-size [optional] command-config"
            )));
        };
        write_out(
            "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named \
             arguments instead: --bootstrap-server, --topic, --num-records, --producer-acks, --record-size, --command-config\n",
        )?;
        let number = |text: &String| text.parse::<i64>().map_err(|_| usage(format!("Cannot parse argument '{text}'")));
        let named = EndToEndLatency {
            bootstrap_server: Some(words[0].clone()),
            topic: Some(words[1].clone()),
            num_records: Some(number(&words[2])?),
            producer_acks: Some(words[3].clone()),
            record_size: Some(number(&words[4])?),
            record_key_size: 0,
            record_header_key_size: 0,
            record_header_size: 0,
            num_headers: 0,
            command_config: words.get(5).map(PathBuf::from),
            positional: Vec::new(),
        };
        named.plan()
    }
}

impl Plan {
    async fn partitions(&self, client: &Client) -> Result<Vec<TopicPartition>, Failure> {
        let admin = Admin::new(client);
        if !admin.list_topics().await?.topics.contains_key(&self.topic) {
            write_out(&format!(
                "Topic \"{}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1\n",
                self.topic
            ))?;
            let (partitions, replication_factor) = (Some(1), Some(1));
            let topic = NewTopic { name: self.topic.clone(), partitions, replication_factor, ..NewTopic::default() };
            if let Err(error) = admin.create_topic(&topic, false).await {
                write_out(&format!("Creation of topic {} failed\n", self.topic))?;
                return Err(error.into());
            }
        }
        let described = admin.describe_topic(&self.topic).await?.metadata.partitions?;
        let partitions = described.iter().map(|partition| partition.partition);
        Ok(partitions.map(|partition| TopicPartition::new(self.topic.as_str(), partition)).collect())
    }

    async fn measure(&self, producer: &Producer, consumer: &mut Consumer) -> Result<Vec<Duration>, Failure> {
        let mut random = fastrand::Rng::with_seed(0);
        let mut bytes = |length: usize| Bytes::from(vec![random.u8(b'A'..=b'Z'); length]);
        let mut latencies = Vec::with_capacity(self.records);
        for number in 0..self.records {
            let (key, value) = (bytes(self.key_size), bytes(self.size));
            let headers = (0..self.headers).map(|_| (bytes(self.header_key_size), self.header_size.map(&mut bytes)));
            let headers: Vec<(Bytes, Option<Bytes>)> = headers.collect();
            let record = ProducerRecord { key: Some(key), headers, ..ProducerRecord::new(self.topic.as_str(), value) };
            let begun = Instant::now();
            producer.send_and_wait(record.clone()).await?;
            let records = consumer.poll(POLL_TIMEOUT).await?;
            let elapsed = begun.elapsed();
            check(&record, &records)?;
            if number % 1000 == 0 {
                write_out(&format!("{number}\t{}\n", double(elapsed.as_nanos() as f64 / 1000.0 / 1000.0)))?;
            }
            latencies.push(elapsed);
        }
        Ok(latencies)
    }
}

/// Refuses what is not the one record that was sent.
fn check(sent: &ProducerRecord, read: &[ConsumerRecord]) -> Result<(), Failure> {
    let Some(record) = read.first() else {
        return Err(Failure::new("poll() timed out before finding a result (timeout:[60000ms])"));
    };
    let text = |bytes: &Option<Bytes>| bytes.as_ref().map_or("null".to_string(), |b| String::from_utf8_lossy(b).into());
    let pairs = [("message value", &sent.value, &record.value), ("message key", &sent.key, &record.key)];
    for (what, sent, read) in pairs {
        if sent != read {
            let (read, sent) = (text(read), text(sent));
            return Err(Failure::new(format!("The {what} read [{read}] did not match the {what} sent [{sent}]")));
        }
    }
    if sent.headers != record.headers {
        return Err(Failure::new("The message headers read did not match the message headers sent"));
    }
    match read.len() {
        1 => Ok(()),
        count => Err(Failure::new(format!("Only one result was expected during this test. We found [{count}]"))),
    }
}

fn summary(mut latencies: Vec<Duration>) -> String {
    let total: f64 = latencies.iter().map(|latency| latency.as_nanos() as f64).sum();
    let average = total / latencies.len() as f64 / 1000.0 / 1000.0;
    latencies.sort_unstable();
    let percentile = |quantile: f64| latencies[(latencies.len() as f64 * quantile) as usize].as_millis();
    format!(
        "Avg latency: {} ms\nPercentiles: 50th = {}, 99th = {}, 99.9th = {}\n",
        fixed(average, 4),
        percentile(0.5),
        percentile(0.99),
        percentile(0.999)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn plan(line: &str) -> Result<Plan, String> {
        let tool = EndToEndLatency::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap();
        tool.plan().map_err(|failure| failure.cause)
    }

    #[test]
    fn the_old_form_means_the_same() {
        let plan = |line: &str| plan(line).map(|plan| (plan.bootstrap, plan.topic, plan.records, plan.acks, plan.size));
        let expected = ("a:1".to_string(), "t".to_string(), 10, "all".to_string(), 100);
        assert_eq!(plan("a:1 t 10 all 100").as_ref(), Ok(&expected));
        let named = "--bootstrap-server a:1 --topic t --num-records 10 --producer-acks all --record-size 100";
        assert_eq!(plan(named), Ok(expected));
        assert!(plan("a:1 t 10").unwrap_err().contains("but got 3"));
        assert!(plan("a:1 t 10 0 100").unwrap_err().starts_with("Invalid value for --producer-acks."));
        assert!(plan("a:1 t 0 1 100").unwrap_err().contains("must be a positive integer"));
    }

    #[test]
    fn the_summary_has_kafkas_form() {
        let latencies = (1..=1000).map(Duration::from_millis).collect();
        let expected = "Avg latency: 500.5000 ms\nPercentiles: 50th = 501, 99th = 991, 99.9th = 1000\n";
        assert_eq!(summary(latencies), expected);
    }
}
