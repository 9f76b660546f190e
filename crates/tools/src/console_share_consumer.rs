//! `kafka-console-share-consumer`.

use super::KafkaTool;
use super::console_consumer::{Formatter, FormatterArgs, check_properties, limits, one_group, to_print};
use super::shared::{Cluster, required, usage};
use ottla_client::{AcknowledgeType, Client, ShareConsumerOptions};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{Sink, write_out};
use ottla_terminal::share_reading::ShareReading;
use std::path::PathBuf;

/// Client id and group, where nothing else is said.
const NAME: &str = "console-share-consumer";

/// Read data from topics as a member of a share group and print it to standard output.
#[derive(Debug, clap::Parser)]
pub(super) struct ConsoleShareConsumer {
    /// The topic to consume from.
    #[arg(long, value_name = "topic")]
    topic: Option<String>,
    /// Deprecated: use --command-property.
    #[arg(long, value_name = "consumer_prop")]
    consumer_property: Vec<String>,
    /// A consumer config, name=value; may be given several times.
    #[arg(long, value_name = "consumer_prop")]
    command_property: Vec<String>,
    /// Deprecated: use --command-config.
    #[arg(long, value_name = "config file")]
    consumer_config: Option<PathBuf>,
    /// A file of consumer configs.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
    #[command(flatten)]
    format: FormatterArgs,
    /// Stop after this many messages.
    #[arg(long, value_name = "num_messages")]
    max_messages: Option<i64>,
    /// Stop when no message came for so long.
    #[arg(long, value_name = "timeout_ms")]
    timeout_ms: Option<i64>,
    /// Reject the messages: nobody gets them again.
    #[arg(long)]
    reject: bool,
    /// Release the messages: somebody gets them again.
    #[arg(long)]
    release: bool,
    /// A message that cannot be printed is rejected.
    #[arg(long)]
    reject_message_on_error: bool,
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// The share group. [default: console-share-consumer]
    #[arg(long, value_name = "share group id")]
    group: Option<String>,
    /// Also print when the consumer has ended.
    #[arg(long)]
    enable_systest_events: bool,
}

impl KafkaTool for ConsoleShareConsumer {
    const NAME: &'static str = "kafka-console-share-consumer";

    fn run(&self) -> Result<(), Failure> {
        let (bootstrap, topic) = self.check()?;
        let file = self.command_config.as_deref().or(self.consumer_config.as_deref());
        let pairs = if self.consumer_property.is_empty() { &self.command_property } else { &self.consumer_property };
        let mut cluster = Cluster::new(bootstrap, file, pairs, NAME)?;
        let group = one_group(self.group.as_deref(), &cluster.properties, "--consumer-config")?;
        cluster.properties.set("group.id", group.unwrap_or_else(|| NAME.to_string()));
        let formatter = self.format.formatter()?;
        let options = cluster.properties.share_consumer_options(ShareConsumerOptions::group(NAME))?;
        cluster.run(Threads::One, async |client: Client| {
            let mut reading = ShareReading::new(&client, options, &[topic])?;
            let (mut count, mut sink) = (0, Sink::new());
            let printed = self.print(&mut reading, &formatter, &mut sink, &mut count).await;
            // As in Kafka's tool it is no failure that a record is delivered again.
            drop(reading.close().await);
            sink.flush()?;
            eprintln!("Processed a total of {count} messages");
            if self.enable_systest_events {
                write_out("shutdown_complete\n")?;
            }
            printed
        })
    }
}

impl ConsoleShareConsumer {
    fn check(&self) -> Result<(&str, &str), Failure> {
        let topic = self.topic.as_deref().ok_or_else(|| usage("--topic is a required argument"))?;
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        if self.reject && self.release {
            return Err(usage("At most one of --reject and --release may be specified."));
        }
        let pairs = (!self.consumer_property.is_empty(), !self.command_property.is_empty());
        let files = (self.consumer_config.is_some(), self.command_config.is_some());
        check_properties(pairs, files, "--consumer-config")?;
        Ok((bootstrap, topic))
    }

    fn kind(&self) -> AcknowledgeType {
        match (self.reject, self.release) {
            (true, _) => AcknowledgeType::Reject,
            (_, true) => AcknowledgeType::Release,
            _ => AcknowledgeType::Accept,
        }
    }

    async fn print(
        &self,
        reading: &mut ShareReading,
        formatter: &Formatter,
        sink: &mut Sink,
        count: &mut i64,
    ) -> Result<(), Failure> {
        let (timeout, max) = limits(self.timeout_ms, self.max_messages);
        while *count < max {
            let Some(record) = to_print(reading.next(timeout, usize::MAX).await, timeout) else { return Ok(()) };
            *count += 1;
            match formatter.write(&record, sink.buffer()) {
                Ok(()) => reading.acknowledge(&record, self.kind())?,
                Err(why) if self.reject_message_on_error => {
                    eprintln!("ERROR Error processing message, rejecting this message: {why}");
                    reading.acknowledge(&record, AcknowledgeType::Reject)?;
                }
                Err(why) => return Err(Failure::new(format!("Unknown error when running consumer: {why}"))),
            }
            if !sink.take(reading.has_more())? {
                eprintln!("Unable to write to standard out, closing consumer.");
                return Ok(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn refusal(line: &str) -> String {
        let words = std::iter::once("kafka-console-share-consumer").chain(line.split_whitespace());
        let tool = ConsoleShareConsumer::try_parse_from(words).unwrap();
        tool.check().err().map(|failure| failure.cause).unwrap_or_default()
    }

    #[test]
    fn wrong_command_lines_are_refused_in_kafkas_words() {
        assert_eq!(refusal("--bootstrap-server a:1"), "--topic is a required argument");
        assert_eq!(refusal("--topic t"), "Missing required argument \"[bootstrap-server]\"");
        let with = |rest: &str| refusal(&format!("--bootstrap-server a:1 --topic t {rest}"));
        assert_eq!(with("--reject --release"), "At most one of --reject and --release may be specified.");
        assert_eq!(
            with("--consumer-property a=b --command-property a=b"),
            "Options --consumer-property and --command-property cannot be specified together."
        );
        assert_eq!(
            with("--consumer-config a --command-config b"),
            "Options --consumer-config and --command-config cannot be specified together."
        );
        assert_eq!(with("--release --reject-message-on-error"), "");
    }
}
