//! `ottla produce`: lines, files or JSON become records.

use crate::record::JsonRecord;
use crate::topic::explain_unknown_topic;
use bytes::Bytes;
use ottla_client::{
    Admin, Client, ClientError, ClientProperties, ConnectFailure, Delivery, Producer, ProducerOptions, ProducerRecord,
};
use ottla_terminal::cluster::ClusterArgs;
use ottla_terminal::executor::{self, Threads};
use ottla_terminal::failure::Failure;
use ottla_terminal::input::{self, Lines};
use ottla_terminal::output::{Output, OutputArgs, Sink};
use ottla_terminal::progress::{Progress, Unit};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Deliveries that wait to be told.
const UNTOLD_MAX: usize = 10_000;
/// How long what is on its way may take when everything was handed over.
const CLOSE_MAX: Duration = Duration::from_secs(120);

/// What `ottla produce` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// Name of the topic.
    topic: String,
    /// Files to read; standard input, if none is given.
    files: Vec<PathBuf>,
    /// Key of every record.
    #[arg(long, short = 'k', value_name = "KEY")]
    key: Option<String>,
    /// Each line is a key, this separator, and a value; \t is a tab.
    #[arg(long, short = 'K', value_name = "SEPARATOR", conflicts_with = "key")]
    key_separator: Option<String>,
    /// A header of every record; may be given several times.
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE")]
    headers: Vec<String>,
    /// Each line is a JSON object: key, value, headers, partition, timestamp; as `consume --output json` prints them.
    #[arg(long, conflicts_with_all = ["key_separator", "whole_files"])]
    json: bool,
    /// Each file is one record, also when it is not text.
    #[arg(long)]
    whole_files: bool,
    /// What ends a record instead of a line break; \n, \t, \0 and \xHH are understood.
    #[arg(long, short = 'D', value_name = "DELIMITER", default_value = "\\n")]
    delimiter: String,
    /// Send one record without a value, which deletes its --key from a compacted topic.
    #[arg(long, requires = "key", conflicts_with_all = ["files", "json", "whole_files"])]
    tombstone: bool,
    /// An empty value is null, an empty key none.
    #[arg(long, short = 'Z')]
    empty_as_null: bool,
    /// Partition of every record. [default: by the key, as Kafka's Java client chooses]
    #[arg(long, short = 'p', value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Timestamp of every record: milliseconds, a date, or 10m for ten minutes ago. [default: now]
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,
    /// none, gzip, snappy, lz4 or zstd. [default: none]
    #[arg(long, short = 'z', value_name = "CODEC")]
    compression: Option<String>,
    /// Who must have a record before it counts: all replicas in sync, the leader (1), or nobody (0). [default: all]
    #[arg(long, value_name = "all|1|0")]
    acks: Option<String>,
    /// A producer config by Kafka's name; may be given several times.
    #[arg(long = "property", short = 'X', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// Say nothing about what was done.
    #[arg(long, short = 'q')]
    quiet: bool,
}

/// Where a record went.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    topic: &'a str,
    partition: i32,
    /// -1 with acks=0.
    offset: i64,
    timestamp: i64,
}

/// Records under way, in order, and what was told of them.
struct Outbox<'a> {
    args: &'a Args,
    producer: Producer,
    untold: VecDeque<Delivery>,
    sink: Sink,
    acknowledged: u64,
    progress: Progress,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let (bootstrap, mut properties) = args.cluster.resolve()?;
    set_all(&mut properties, &args.properties)?;
    for (name, value) in [("compression.type", &args.compression), ("acks", &args.acks)] {
        if let Some(value) = value {
            properties.set(name, value);
        }
    }
    let base = executor::impatient("ottla-cli");
    let template = args.template()?;
    // A misspelt name is told, not made.
    let defaults = ProducerOptions { allow_auto_create_topics: false, ..ProducerOptions::default() };
    let options = properties.producer_options(defaults)?;
    executor::run(&bootstrap, properties.client_options(base)?, Threads::One, async |client: Client| {
        explain_unknown_topic(&Admin::new(&client), &args.topic, client.topic(&args.topic).await).await?;
        reach_leader(&client, &args.topic).await?;
        let producer = Producer::new(&client, options)?;
        let (untold, sink) = (VecDeque::new(), Sink::new());
        let mut outbox = Outbox { args, producer, untold, sink, acknowledged: 0, progress: args.progress() };
        let sent = outbox.send_all(&template).await;
        let told = outbox.finish().await;
        outbox.progress = Progress::hidden();
        if !args.quiet && args.output.output == Output::Table {
            let plural = if outbox.acknowledged == 1 { "" } else { "s" };
            eprintln!("Produced {} record{plural} to {}.", outbox.acknowledged, args.topic);
        }
        sent.and(told)
    })
}

/// Sets every `name=value`, and warns of names that nobody knows.
pub(crate) fn set_all(properties: &mut ClientProperties, pairs: &[String]) -> Result<(), Failure> {
    for pair in pairs {
        properties.set_pair(pair)?;
    }
    for name in properties.unknown() {
        eprintln!("warning: no Kafka client knows the property '{name}'; it does nothing");
    }
    Ok(())
}

impl Args {
    /// What is the same for every record.
    fn template(&self) -> Result<ProducerRecord, Failure> {
        let header = |text: &String| {
            let (name, value) = text.split_once('=').ok_or_else(|| Failure::new("write --header NAME=VALUE"))?;
            Ok((Bytes::from(name.to_string()), Some(Bytes::from(value.to_string()))))
        };
        let headers: Result<Vec<(Bytes, Option<Bytes>)>, Failure> = self.headers.iter().map(header).collect();
        let time = |text: &String| {
            ottla_terminal::times::parse_time(text, ottla_terminal::times::now_ms()).map_err(Failure::new)
        };
        Ok(ProducerRecord {
            topic: self.topic.clone(),
            partition: self.partition,
            timestamp: self.timestamp.as_ref().map(time).transpose()?,
            key: self.key.clone().map(Bytes::from),
            value: None,
            headers: headers?,
        })
    }

    /// Of the bytes of the input, where all of it are files.
    fn progress(&self) -> Progress {
        if self.quiet || self.tombstone {
            return Progress::hidden();
        }
        let bytes = match self.files.is_empty() {
            true => input::size_of_stdin(),
            false => self.files.iter().map(|file| input::size(file)).sum(),
        };
        let progress = bytes.map_or_else(Progress::hidden, |bytes| Progress::of(bytes, Unit::Bytes));
        if self.output.output == Output::Table { progress } else { progress.unless_printing() }
    }

    /// The record that a piece of the input means.
    fn record(&self, piece: Vec<u8>, template: &ProducerRecord) -> Result<ProducerRecord, String> {
        if self.json {
            let parsed: JsonRecord = serde_json::from_slice(&piece).map_err(|error| error.to_string())?;
            let mut record = parsed.into_record(&self.topic)?;
            record.partition = self.partition.or(record.partition);
            record.timestamp = template.timestamp.or(record.timestamp);
            record.key = record.key.or(template.key.clone());
            record.headers.extend(template.headers.iter().cloned());
            return Ok(record);
        }
        let mut record = template.clone();
        let piece = Bytes::from(piece);
        match &self.key_separator {
            Some(separator) => {
                let separator = unescape(separator)?;
                let at = ottla_terminal::input::find(&piece, &separator);
                let at =
                    at.ok_or_else(|| format!("no key separator '{}'", self.key_separator.as_deref().unwrap_or("")))?;
                record.key = Some(piece.slice(..at));
                record.value = Some(piece.slice(at + separator.len()..));
            }
            None => record.value = Some(piece),
        }
        if self.empty_as_null {
            record.key = record.key.filter(|key| !key.is_empty());
            record.value = record.value.filter(|value| !value.is_empty());
        }
        Ok(record)
    }
}

/// A producer tries for minutes; an address that cannot work is told at once. Leaders that are elsewhere in a moment are
/// the producer's to find.
async fn reach_leader(client: &Client, topic: &str) -> Result<(), Failure> {
    let leaders = client.topic(topic).await?.partitions?.into_iter().filter_map(|partition| partition.leader);
    for leader in leaders.collect::<std::collections::BTreeSet<i32>>() {
        if let Err(error @ ClientError::Connect { failure: ConnectFailure::Advertised { .. }, .. }) =
            client.broker(leader).await
        {
            return Err(error.into());
        }
    }
    Ok(())
}

impl Outbox<'_> {
    async fn send_all(&mut self, template: &ProducerRecord) -> Result<(), Failure> {
        if self.args.tombstone {
            return self.send(template.clone()).await;
        }
        let delimiter =
            if self.args.whole_files { Vec::new() } else { unescape(&self.args.delimiter).map_err(Failure::new)? };
        let is_stdin = |file: &&PathBuf| file.as_path() == Path::new("-");
        if self.args.files.is_empty() {
            return self.send_pieces(None, &delimiter, template).await;
        }
        for file in &self.args.files {
            let path = Some(file).filter(|file| !is_stdin(file)).map(PathBuf::as_path);
            self.send_pieces(path, &delimiter, template).await?;
        }
        Ok(())
    }

    /// What was read of the input.
    fn advance(&self, piece: usize, delimiter: &[u8]) {
        self.progress.advance((piece + delimiter.len()) as u64);
    }

    async fn send_pieces(
        &mut self,
        file: Option<&Path>,
        delimiter: &[u8],
        template: &ProducerRecord,
    ) -> Result<(), Failure> {
        let source = file.map_or("standard input".to_string(), |file| file.display().to_string());
        let mut pieces = Lines::between(file, delimiter);
        let mut number = 0_u64;
        loop {
            let piece = tokio::select! {
                biased;
                // Waiting for a person must not hide what became of the records before.
                told = self.tell_first(), if !self.untold.is_empty() => {
                    told?;
                    continue;
                }
                piece = pieces.next() => piece,
            };
            let piece = piece.map_err(|failure| Failure::new(format!("{source}: {}", failure.cause)))?;
            let Some(piece) = piece else { return Ok(()) };
            number += 1;
            self.advance(piece.len(), delimiter);
            if self.args.json && piece.trim_ascii().is_empty() {
                continue;
            }
            let record = self.args.record(piece, template);
            self.send(record.map_err(|why| Failure::new(format!("{source}, record {number}: {why}")))?).await?;
        }
    }

    async fn send(&mut self, record: ProducerRecord) -> Result<(), Failure> {
        let delivery = self.producer.send(record).await?;
        self.untold.push_back(delivery);
        if self.untold.len() > UNTOLD_MAX {
            self.tell_first().await?;
        }
        Ok(())
    }

    /// Waits for the first one; who stops waiting loses nothing.
    async fn tell_first(&mut self) -> Result<(), Failure> {
        let Some(delivery) = self.untold.front_mut() else { return Ok(()) };
        let ended = delivery.ended().await;
        self.untold.pop_front();
        let done = ended?;
        self.acknowledged += 1;
        let (partition, offset, timestamp) = (done.partition, done.offset, done.timestamp);
        let sent = Sent { topic: &self.args.topic, partition, offset, timestamp };
        self.args.output.write_item(&sent, &mut self.sink)?;
        self.sink.take(!self.untold.is_empty())?;
        Ok(())
    }

    /// Waits for everything; the first failure counts.
    async fn finish(&mut self) -> Result<(), Failure> {
        self.producer.flush().await;
        let mut first = Ok(());
        while !self.untold.is_empty() {
            let told = self.tell_first().await;
            first = first.and(told);
        }
        self.sink.flush()?;
        first.and(self.producer.close(CLOSE_MAX).await.map_err(Failure::from))
    }
}

/// Text with `\n`, `\r`, `\t`, `\0`, `\\` and `\xHH`, as bytes.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else {
            bytes.push(b'\\');
            continue;
        };
        rest = after;
        let byte = match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                rest = rest.get(2..).unwrap_or_default();
                byte.ok_or_else(|| format!("'{text}': two hexadecimal digits follow \\x"))?
            }
            other => {
                bytes.push(b'\\');
                *other
            }
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::parsed;

    fn parse(line: &str) -> Args {
        parsed(&format!("t {line}")).unwrap()
    }

    fn shown(line: &str, piece: &[u8]) -> String {
        let args = parse(line);
        let text = |bytes: Option<Bytes>| bytes.map_or("null".to_string(), |b| b.escape_ascii().to_string());
        match args.record(piece.to_vec(), &args.template().unwrap()) {
            Ok(record) => format!("{} {}", text(record.key), text(record.value)),
            Err(why) => why,
        }
    }

    #[test]
    fn pieces_become_records() {
        assert_eq!(shown("", b"a\xff\r"), "null a\\xff\\r");
        assert_eq!(shown("-k key", b"a"), "key a");
        assert_eq!(shown("-K :", b"k:v:w"), "k v:w");
        assert_eq!(shown("-K \\t -Z", b"k\t"), "k null");
        assert_eq!(shown("-K :", b"no"), "no key separator ':'");
        assert_eq!(shown("--json", br#"{"key":"k","value":{"a":1}}"#), "k {\\\"a\\\":1}");
        assert_eq!(shown("--json -k fixed", br#"{"value":"v"}"#), "fixed v");
        assert!(shown("--json", b"{").contains("EOF"));
    }

    #[test]
    fn escapes_name_bytes() {
        assert_eq!(unescape("a\\n\\x00\\\\\\q").unwrap(), b"a\n\0\\\\q");
        assert!(unescape("\\xg0").is_err());
    }
}
