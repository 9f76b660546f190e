//! `kafka-console-producer`.

use super::KafkaTool;
use super::line_reader::LineReader;
use super::shared::{Cluster, check_bootstrap, required, usage, with_pairs};
use ottla_client::{BatchReport, Client, ClientError, Producer, ProducerInterceptor, ProducerOptions};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::input::Lines;
use ottla_terminal::output::write_out;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Read lines from standard input and publish them.
#[derive(Debug, clap::Parser)]
pub(super) struct ConsoleProducer {
    /// REQUIRED: The topic name to produce messages to.
    #[arg(long)]
    topic: Option<String>,
    /// REQUIRED: The server(s) to connect to: HOST1:PORT1,HOST2:PORT2.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Send one message at a time and wait for each.
    #[arg(long)]
    sync: bool,
    /// The compression codec: none, gzip, snappy, lz4 or zstd; gzip without a value.
    #[arg(long, value_name = "compression-codec", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,
    /// `batch.size`: bytes of a batch of one partition. [default: 16384]
    #[arg(long, value_name = "size")]
    batch_size: Option<i32>,
    /// `retries`. [default: 3]
    #[arg(long)]
    message_send_max_retries: Option<i32>,
    /// `retry.backoff.ms`. [default: 100]
    #[arg(long)]
    retry_backoff_ms: Option<i64>,
    /// `linger.ms`: how long a message waits for others. [default: 1000]
    #[arg(long, value_name = "timeout_ms")]
    timeout: Option<i64>,
    /// `acks`. [default: -1]
    #[arg(long, value_name = "request required acks")]
    request_required_acks: Option<String>,
    /// `request.timeout.ms`. [default: 1500]
    #[arg(long, value_name = "request timeout ms")]
    request_timeout_ms: Option<i32>,
    /// `metadata.max.age.ms`. [default: 300000]
    #[arg(long, value_name = "metadata expiration interval")]
    metadata_expiry_ms: Option<i64>,
    /// `max.block.ms`: how long sending may block. [default: 60000]
    #[arg(long, value_name = "max block on send")]
    max_block_ms: Option<i64>,
    /// `buffer.memory`. [default: 33554432]
    #[arg(long, value_name = "total memory in bytes")]
    max_memory_bytes: Option<i64>,
    /// Deprecated: use --batch-size.
    #[arg(long, value_name = "memory in bytes per partition")]
    max_partition_memory_bytes: Option<i32>,
    /// Kafka's class for reading lines; only its own LineMessageReader is known.
    #[arg(long, value_name = "reader_class", default_value = LINE_READER)]
    line_reader: String,
    /// `send.buffer.bytes`. [default: 102400]
    #[arg(long, value_name = "size")]
    socket_buffer_size: Option<i32>,
    /// Deprecated: use --reader-property.
    #[arg(long, value_name = "prop")]
    property: Vec<String>,
    /// How lines are read: parse.key, parse.headers, ignore.error (false), key.separator (tab), headers.delimiter (tab),
    /// headers.separator (,), headers.key.separator (:), null.marker (none).
    #[arg(long, value_name = "prop")]
    reader_property: Vec<String>,
    /// A file of such properties.
    #[arg(long, value_name = "config file")]
    reader_config: Option<PathBuf>,
    /// Deprecated: use --command-property.
    #[arg(long, value_name = "producer_prop")]
    producer_property: Vec<String>,
    /// A producer config, name=value; may be given several times.
    #[arg(long, value_name = "producer_prop")]
    command_property: Vec<String>,
    /// Deprecated: use --command-config.
    #[arg(long = "producer.config", value_name = "config file")]
    producer_config: Option<PathBuf>,
    /// A file of producer configs.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
}

const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

impl KafkaTool for ConsoleProducer {
    const NAME: &'static str = "kafka-console-producer";

    fn run(&self) -> Result<(), Failure> {
        let topic = required(&self.topic, "topic")?;
        let bootstrap = self.check()?;
        let file = self.command_config.as_deref().or(self.producer_config.as_deref());
        let pairs = if self.producer_property.is_empty() { &self.command_property } else { &self.producer_property };
        let mut cluster = Cluster::new(bootstrap, file, pairs, "console-producer")?;
        self.merge_options(&mut cluster);
        let properties = if self.property.is_empty() { &self.reader_property } else { &self.property };
        let reader = LineReader::new(topic, &with_pairs(self.reader_config.as_deref(), properties)?)?;
        let mut options = cluster.properties.producer_options(ProducerOptions::default())?;
        if !self.sync {
            options.interceptors.push(Arc::new(Reporter));
        }
        cluster.run(Threads::One, async |client: Client| {
            let producer = Producer::new(&client, options)?;
            let sent = self.send_lines(&producer, &reader).await;
            let closed = producer.close(Duration::from_secs(120)).await;
            sent.and(closed.map_err(Failure::from))
        })
    }
}

impl ConsoleProducer {
    /// Refuses what Kafka's tool refuses, warns where it warns; returns the address.
    fn check(&self) -> Result<&str, Failure> {
        let pairs = [
            (self.command_config.is_some() && self.producer_config.is_some(), "--command-config and --producer.config"),
            (
                !self.command_property.is_empty() && !self.producer_property.is_empty(),
                "--command-property and --producer-property",
            ),
            (!self.reader_property.is_empty() && !self.property.is_empty(), "--reader-property and --property"),
        ];
        if let Some((_, both)) = pairs.into_iter().find(|(clash, _)| *clash) {
            return Err(usage(format!("Options {both} cannot be specified together.")));
        }
        let old = [
            (!self.producer_property.is_empty(), "--producer-property", "a future version", "--command-property"),
            (self.producer_config.is_some(), "--producer.config", "a future version", "--command-config"),
            (!self.property.is_empty(), "--property", "a future version", "--reader-property"),
            (
                self.max_partition_memory_bytes.is_some(),
                "--max-partition-memory-bytes",
                "Apache Kafka 5.0",
                "--batch-size",
            ),
        ];
        for (_, old, version, new) in old.into_iter().filter(|(is_used, ..)| *is_used) {
            write_out(&format!("Warning: {old} is deprecated and will be removed in {version}. Use {new} instead.\n"))?;
        }
        let Some(bootstrap) = &self.bootstrap_server else {
            return Err(usage("Error while validating the bootstrap address\n"));
        };
        check_bootstrap(bootstrap)?;
        if self.line_reader != LINE_READER {
            return Err(Failure::new(format!(
                "there is no reader {}: this tool runs no Java classes",
                self.line_reader
            )));
        }
        Ok(bootstrap)
    }

    /// Options win over properties, properties over the defaults of the options.
    fn merge_options(&self, cluster: &mut Cluster) {
        let text = |value: Option<i64>| value.map(|value| value.to_string());
        let merged = [
            ("linger.ms", text(self.timeout), "1000"),
            ("acks", self.request_required_acks.clone(), "-1"),
            ("request.timeout.ms", text(self.request_timeout_ms.map(i64::from)), "1500"),
            ("retries", text(self.message_send_max_retries.map(i64::from)), "3"),
            ("retry.backoff.ms", text(self.retry_backoff_ms), "100"),
            ("send.buffer.bytes", text(self.socket_buffer_size.map(i64::from)), "102400"),
            ("buffer.memory", text(self.max_memory_bytes), "33554432"),
            ("batch.size", text(self.max_partition_memory_bytes.or(self.batch_size).map(i64::from)), "16384"),
            ("metadata.max.age.ms", text(self.metadata_expiry_ms), "300000"),
            ("max.block.ms", text(self.max_block_ms), "60000"),
        ];
        for (name, value, default) in merged {
            match value {
                Some(value) => cluster.properties.set(name, value),
                None => cluster.properties.set_default(name, default),
            }
        }
        cluster.properties.set("compression.type", self.compression_codec.as_deref().unwrap_or("none"));
    }

    /// Sends line after line. A message that cannot be delivered is said and is no failure, as in Kafka, except with --sync.
    async fn send_lines(&self, producer: &Producer, reader: &LineReader) -> Result<(), Failure> {
        let prompts = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let mut lines = Lines::of_stdin();
        let mut number = 0;
        loop {
            if prompts {
                write_out(">")?;
            }
            let Some(line) = lines.next().await? else { break };
            number += 1;
            let record = reader.record(&line, number)?;
            if self.sync {
                producer.send_and_wait(record).await?;
                continue;
            }
            if let Err(error) = producer.send(record).await {
                report(&error);
            }
        }
        producer.flush().await;
        Ok(())
    }
}

/// Says at once what was not delivered.
struct Reporter;

impl ProducerInterceptor for Reporter {
    fn on_batch(&self, batch: &BatchReport<'_>) {
        if let Err(error) = batch.result {
            (0..batch.records).for_each(|_| report(error));
        }
    }
}

fn report(error: &ClientError) {
    eprintln!("ERROR Error when sending message: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(line: &str) -> ConsoleProducer {
        ConsoleProducer::try_parse_from(std::iter::once("kafka-console-producer").chain(line.split_whitespace()))
            .unwrap()
    }

    #[test]
    fn options_win_over_properties_and_those_over_defaults() {
        let tool = parse("--timeout 7 --compression-codec");
        let pairs = ["linger.ms=3", "retries=9"].map(str::to_string);
        let mut cluster = Cluster::new("a:1", None, &pairs, "console-producer").unwrap();
        tool.merge_options(&mut cluster);
        let found =
            ["linger.ms", "retries", "acks", "compression.type", "client.id"].map(|name| cluster.properties.get(name));
        assert_eq!(found, [Some("7"), Some("9"), Some("-1"), Some("gzip"), Some("console-producer")]);
    }

    #[test]
    fn old_and_new_spellings_do_not_go_together() {
        let both = parse("--bootstrap-server a:1 --producer-property a=b --command-property a=b");
        let expected = "Options --command-property and --producer-property cannot be specified together.";
        assert_eq!(both.check().unwrap_err().cause, expected);
        assert_eq!(
            parse("--bootstrap-server a").check().unwrap_err().cause.trim(),
            "Please provide valid host:port like host1:9091,host2:9092"
        );
    }
}
