//! `kafka-console-consumer`.

mod coordinator;
mod deserializer;
mod formatter;

pub(super) use formatter::Formatter;

use super::KafkaTool;
use super::shared::{Cluster, required, usage, with_pairs};
use ottla_client::{Client, ClientProperties, ConsumerOptions, ConsumerRecord, OffsetReset};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{Sink, write_out};
use ottla_terminal::reading::{Next, Reading, Topics};
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Read data from topics and print it to standard output.
#[derive(Debug, clap::Parser)]
pub(super) struct ConsoleConsumer {
    /// The topic to consume from.
    #[arg(long)]
    topic: Option<String>,
    /// Regular expression for the topics to consume from.
    #[arg(long, value_name = "regex")]
    include: Option<String>,
    /// The partition to consume from; from its end unless --offset says otherwise.
    #[arg(long, value_name = "partition")]
    partition: Option<i32>,
    /// A number, earliest or latest. [default: latest]
    #[arg(long, value_name = "consume offset")]
    offset: Option<String>,
    /// Deprecated: use --command-property.
    #[arg(long, value_name = "consumer_prop")]
    consumer_property: Vec<String>,
    /// A consumer config, name=value; may be given several times.
    #[arg(long, value_name = "consumer_prop")]
    command_property: Vec<String>,
    /// Deprecated: use --command-config.
    #[arg(long = "consumer.config", value_name = "config file")]
    consumer_config: Option<PathBuf>,
    /// A file of consumer configs.
    #[arg(long, value_name = "config file")]
    command_config: Option<PathBuf>,
    #[command(flatten)]
    format: FormatterArgs,
    /// Start with the oldest message where the group has committed no offset.
    #[arg(long)]
    from_beginning: bool,
    /// Stop after this many messages.
    #[arg(long, value_name = "num_messages")]
    max_messages: Option<i64>,
    /// Stop when no message came for so long.
    #[arg(long, value_name = "timeout_ms")]
    timeout_ms: Option<i64>,
    /// A message that cannot be printed is left out.
    #[arg(long)]
    skip_message_on_error: bool,
    /// REQUIRED: The server(s) to connect to.
    #[arg(long, value_name = "server to connect to")]
    bootstrap_server: Option<String>,
    /// Also print when the consumer has ended.
    #[arg(long)]
    enable_systest_events: bool,
    /// read_committed leaves out messages of transactions that were not committed. [default: read_uncommitted]
    #[arg(long, value_name = "level")]
    isolation_level: Option<String>,
    /// The consumer group.
    #[arg(long, value_name = "consumer group id")]
    group: Option<String>,
}

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Earliest,
    Latest,
    Offset(i64),
}

impl KafkaTool for ConsoleConsumer {
    const NAME: &'static str = "kafka-console-consumer";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = self.check()?;
        let file = self.command_config.as_deref().or(self.consumer_config.as_deref());
        let pairs = if self.consumer_property.is_empty() { &self.command_property } else { &self.consumer_property };
        let mut cluster = Cluster::new(bootstrap, file, pairs, "console-consumer")?;
        self.merge_options(&mut cluster)?;
        let from = self.from()?;
        let formatter = self.format.formatter()?;
        let options = cluster.properties.consumer_options(ConsumerOptions::default())?;
        cluster.run(Threads::One, async |client: Client| {
            let mut reading = self.open(&client, options, from).await?;
            let (mut count, mut sink) = (0, Sink::new());
            let printed = self.print(&mut reading, &formatter, &mut sink, &mut count).await;
            let closed = reading.close().await;
            sink.flush()?;
            eprintln!("Processed a total of {count} messages");
            if self.enable_systest_events {
                write_out("shutdown_complete\n")?;
            }
            printed.and(closed)
        })
    }
}

impl ConsoleConsumer {
    fn check(&self) -> Result<&str, Failure> {
        if self.topic.is_some() == self.include.is_some() {
            return Err(usage("Exactly one of the following arguments is required: [topic], [include]"));
        }
        if self.partition.is_some() {
            if self.topic.is_none() {
                return Err(usage("The topic is required when partition is specified."));
            }
            if self.from_beginning && self.offset.is_some() {
                return Err(usage("Options from-beginning and offset cannot be specified together."));
            }
        } else if self.offset.is_some() {
            return Err(usage("The partition is required when offset is specified."));
        }
        let bootstrap = required(&self.bootstrap_server, "bootstrap-server")?;
        let pairs = (!self.consumer_property.is_empty(), !self.command_property.is_empty());
        let files = (self.consumer_config.is_some(), self.command_config.is_some());
        check_properties(pairs, files, "--consumer.config")?;
        Ok(bootstrap)
    }

    fn merge_options(&self, cluster: &mut Cluster) -> Result<(), Failure> {
        let properties = &mut cluster.properties;
        let group = one_group(self.group.as_deref(), properties, "--consumer.config")?;
        if group.is_some() && self.partition.is_some() {
            return Err(usage("Options group and partition cannot be specified together."));
        }
        match properties.get("auto.offset.reset") {
            Some(reset) if self.from_beginning && reset != "earliest" => {
                return Err(Failure::new(format!(
                    "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
                )));
            }
            Some(_) => {}
            None => properties.set("auto.offset.reset", if self.from_beginning { "earliest" } else { "latest" }),
        }
        match &self.isolation_level {
            Some(level) => properties.set("isolation.level", level),
            None => properties.set_default("isolation.level", "read_uncommitted"),
        }
        match group {
            Some(group) => properties.set("group.id", group),
            None => {
                let number = std::process::id();
                properties.set("group.id", format!("console-consumer-{number}"));
                properties.set_default("enable.auto.commit", "false");
            }
        }
        Ok(())
    }

    fn from(&self) -> Result<From, Failure> {
        let Some(offset) = &self.offset else {
            return Ok(if self.from_beginning { From::Earliest } else { From::Latest });
        };
        match offset.to_ascii_lowercase().as_str() {
            "earliest" => Ok(From::Earliest),
            "latest" => Ok(From::Latest),
            number => match number.parse() {
                Ok(number @ 0..) => Ok(From::Offset(number)),
                _ => Err(usage(format!(
                    "The provided offset value '{offset}' is incorrect. Valid values are 'earliest', 'latest', or a \
                     non-negative long."
                ))),
            },
        }
    }

    async fn open(&self, client: &Client, options: ConsumerOptions, from: From) -> Result<Reading, Failure> {
        let Some(partition) = self.partition else {
            let topics = match (&self.topic, &self.include) {
                (Some(topic), _) => Topics::Named(vec![topic.clone()]),
                (None, pattern) => Topics::pattern(pattern.as_deref().unwrap_or_default())?,
            };
            let mut reading = Reading::new(client, topics.options(options))?;
            reading.subscribe(&topics).await?;
            return Ok(reading);
        };
        let partition = TopicPartition::new(self.topic.as_deref().unwrap_or_default(), partition);
        // Nothing that the group committed counts.
        let reset = if from == From::Earliest { OffsetReset::Earliest } else { OffsetReset::Latest };
        let mut reading = Reading::new(client, ConsumerOptions { offset_reset: reset, group_id: None, ..options })?;
        let consumer = reading.consumer();
        consumer.assign([partition.clone()])?;
        if let From::Offset(offset) = from {
            consumer.seek(&partition, offset)?;
        }
        Ok(reading)
    }

    async fn print(
        &self,
        reading: &mut Reading,
        formatter: &Formatter,
        sink: &mut Sink,
        count: &mut i64,
    ) -> Result<(), Failure> {
        let (timeout, max) = limits(self.timeout_ms, self.max_messages);
        while *count < max {
            let Some(record) = to_print(reading.next(timeout).await, timeout) else { return Ok(()) };
            *count += 1;
            if let Err(why) = formatter.write(&record, sink.buffer()) {
                if !self.skip_message_on_error {
                    return Err(Failure::new(format!("Unknown error when running consumer: {why}")));
                }
                eprintln!("ERROR Error processing message, skipping this message: {why}");
            }
            if !sink.take(reading.has_more())? {
                eprintln!("Unable to write to standard out, closing consumer.");
                return Ok(());
            }
        }
        Ok(())
    }
}

/// How messages are printed.
#[derive(Debug, clap::Args)]
pub(super) struct FormatterArgs {
    /// Kafka's class for printing: DefaultMessageFormatter, LoggingMessageFormatter or NoOpMessageFormatter.
    #[arg(long, value_name = "class", default_value = "org.apache.kafka.tools.consumer.DefaultMessageFormatter")]
    formatter: String,
    /// Deprecated: use --formatter-property.
    #[arg(long, value_name = "prop")]
    property: Vec<String>,
    /// What is printed and how: print.timestamp, print.key, print.offset, print.delivery, print.epoch, print.partition,
    /// print.headers, print.value, key.separator, line.separator, headers.separator, null.literal, key.deserializer, value.deserializer,
    /// headers.deserializer.
    #[arg(long, value_name = "prop")]
    formatter_property: Vec<String>,
    /// A file of such properties.
    #[arg(long, value_name = "config file")]
    formatter_config: Option<PathBuf>,
    /// Class of the deserializer of keys.
    #[arg(long, value_name = "deserializer for keys")]
    key_deserializer: Option<String>,
    /// Class of the deserializer of values.
    #[arg(long, value_name = "deserializer for values")]
    value_deserializer: Option<String>,
}

impl FormatterArgs {
    /// The formatter that they name.
    pub(super) fn formatter(&self) -> Result<Formatter, Failure> {
        if !self.property.is_empty() && !self.formatter_property.is_empty() {
            return Err(usage("Options --property and --formatter-property cannot be specified together."));
        }
        if !self.property.is_empty() {
            deprecated("--property", "--formatter-property")?;
        }
        let pairs = if self.property.is_empty() { &self.formatter_property } else { &self.property };
        let mut properties = with_pairs(self.formatter_config.as_deref(), &[])?;
        let named = [("key.deserializer", &self.key_deserializer), ("value.deserializer", &self.value_deserializer)];
        for (name, class) in named {
            if let Some(class) = class.as_deref().filter(|class| !class.is_empty()) {
                properties.set(name, class);
            }
        }
        properties.extend(with_pairs(None, pairs)?);
        Formatter::new(&self.formatter, &properties)
    }
}

/// How long to wait for a message, and how many to print at most.
pub(super) fn limits(timeout_ms: Option<i64>, max_messages: Option<i64>) -> (Option<Duration>, i64) {
    let timeout = timeout_ms.and_then(|timeout| u64::try_from(timeout).ok()).map(Duration::from_millis);
    (timeout, max_messages.filter(|max| *max != -1).unwrap_or(i64::MAX))
}

/// The next message; nothing where the tool ends, which it says: as in Kafka, that is no failure.
pub(super) fn to_print(next: Result<Next, Failure>, timeout: Option<Duration>) -> Option<ConsumerRecord> {
    let why = match next {
        Ok(Next::Record(record)) => return Some(record),
        Ok(Next::Stopped) => return None,
        Ok(Next::Nothing) => format!("no message for {} ms", timeout.unwrap_or_default().as_millis()),
        Err(failure) => failure.cause,
    };
    eprintln!("ERROR Error processing message, terminating consumer process: {why}");
    None
}

/// Refuses properties that are given under an old and a new option (old, new), and says which option is deprecated.
pub(super) fn check_properties(pairs: (bool, bool), files: (bool, bool), old_file: &str) -> Result<(), Failure> {
    let options = [(pairs, "--consumer-property", "--command-property"), (files, old_file, "--command-config")];
    for ((has_old, has_new), old, new) in options {
        if has_old && has_new {
            return Err(usage(format!("Options {old} and {new} cannot be specified together.")));
        }
    }
    for ((has_old, _), old, new) in options {
        if has_old {
            deprecated(old, new)?;
        }
    }
    Ok(())
}

/// The group that an option or the properties name.
pub(super) fn one_group(
    group: Option<&str>,
    properties: &ClientProperties,
    old_file: &str,
) -> Result<Option<String>, Failure> {
    let groups: BTreeSet<&str> = group.into_iter().chain(properties.get("group.id")).collect();
    if groups.len() > 1 {
        let groups: Vec<String> = groups.iter().map(|group| format!("'{group}'")).collect();
        return Err(usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '{old_file}') do not match. Detected group ids: {}",
            groups.join(", ")
        )));
    }
    Ok(groups.first().map(ToString::to_string))
}

fn deprecated(old: &str, new: &str) -> Result<(), Failure> {
    write_out(&format!("Option {old} is deprecated and will be removed in a future version. Use {new} instead.\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn parse(line: &str) -> ConsoleConsumer {
        ConsoleConsumer::try_parse_from(std::iter::once("kafka-console-consumer").chain(line.split_whitespace()))
            .unwrap()
    }

    fn refusal(line: &str) -> String {
        let tool = parse(line);
        let whole = || {
            let mut cluster = Cluster::new(tool.check()?, None, &tool.command_property, "console-consumer")?;
            tool.merge_options(&mut cluster)?;
            tool.from()
        };
        whole().err().map(|failure| failure.cause).unwrap_or_default()
    }

    #[test]
    fn wrong_command_lines_are_refused_in_kafkas_words() {
        let with = |rest: &str| refusal(&format!("--bootstrap-server a:1 {rest}"));
        assert_eq!(with(""), "Exactly one of the following arguments is required: [topic], [include]");
        assert_eq!(with("--topic t --offset 3"), "The partition is required when offset is specified.");
        assert_eq!(with("--include t --partition 3"), "The topic is required when partition is specified.");
        assert_eq!(
            with("--topic t --partition 1 --group g"),
            "Options group and partition cannot be specified together."
        );
        assert!(
            with("--topic t --partition 1 --offset now").starts_with("The provided offset value 'now' is incorrect.")
        );
        assert!(with("--topic t --group g --command-property group.id=h").ends_with("Detected group ids: 'g', 'h'"));
        let conflict = with("--topic t --from-beginning --command-property auto.offset.reset=latest");
        assert!(conflict.starts_with("Can't simultaneously specify --from-beginning"), "{conflict}");
        assert_eq!(with("--topic t --partition 1 --offset EARLIEST"), "");
        assert_eq!(refusal("--topic t"), "Missing required argument \"[bootstrap-server]\"");
    }

    #[test]
    fn without_a_group_nothing_is_committed() {
        let mut cluster = Cluster::new("a:1", None, &[], "console-consumer").unwrap();
        parse("--topic t --bootstrap-server a:1").merge_options(&mut cluster).unwrap();
        assert_eq!(cluster.properties.get("enable.auto.commit"), Some("false"));
        assert!(cluster.properties.get("group.id").unwrap().starts_with("console-consumer-"));
    }
}
