//! `ottla log dump`. Works on files of a running node and of Apache Kafka too.

use super::{partitions, segments, size};
use crate::segment::decode::{Decoder, Plain, control};
use crate::segment::{Batch, Kind, Segment};
use ottla_records::{DECOMPRESSED_BATCH_BYTES_MAX, Records};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::{Output, OutputArgs, write_out};
use ottla_terminal::progress::{Progress, Unit};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What `ottla log dump` accepts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A .log file, or a partition directory.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Also show the records.
    #[arg(long)]
    records: bool,
    /// What keys and values are; shows the records.
    #[arg(long, value_name = "KIND", value_enum)]
    decode: Option<Decode>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Decode {
    /// UTF-8.
    Text,
    /// Hexadecimal digits.
    Hex,
    /// __consumer_offsets.
    Offsets,
    /// __transaction_state.
    Transactions,
    /// __share_group_state.
    ShareState,
    /// Kafka's __cluster_metadata.
    Metadata,
}

/// One batch; with --output json a line for each.
#[derive(Debug, Serialize)]
struct Shown {
    file: String,
    position: u64,
    base_offset: i64,
    last_offset: i64,
    records: i32,
    bytes: usize,
    codec: &'static str,
    max_timestamp: i64,
    leader_epoch: i32,
    producer_id: i64,
    is_transactional: bool,
    is_control: bool,
    is_valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Vec<Content>>,
}

#[derive(Debug, Serialize)]
struct Content {
    offset: i64,
    timestamp: i64,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

pub(super) fn run(args: &Args, output: OutputArgs) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    for path in &args.paths {
        wanted.extend(files(path)?);
    }
    let progress = Progress::of(wanted.iter().cloned().map(size).sum(), Unit::Bytes).unless_printing();
    wanted.iter().try_for_each(|file| dump(args, file, output, &progress))
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return match Kind::of(path) {
            Some(Kind::Log | Kind::Checkpoint) => Ok(vec![path.to_path_buf()]),
            _ => Err(Failure::new(format!("{} is no log file", path.display()))
                .then("`ottla kafka-dump-log --files FILE` shows indexes and snapshots")),
        };
    }
    let mut files = Vec::new();
    for partition in partitions(path)? {
        files.extend(segments(&partition));
    }
    Ok(files)
}

fn dump(args: &Args, path: &Path, output: OutputArgs, progress: &Progress) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("cannot read {}: {error}", path.display()));
    let mut segment = Segment::open(path).map_err(unreadable)?;
    if output.output == Output::Table {
        write_out(&format!("{}\n", path.display()))?;
    }
    while let Some(batch) = segment.next_batch().map_err(unreadable)? {
        output.print_item(&show(args, path, &batch), render)?;
        progress.advance(batch.bytes.len() as u64);
    }
    let trailing = segment.size() - segment.position();
    if trailing > 0 {
        eprintln!("note: {trailing} bytes at the end of {} are no whole batch", path.display());
    }
    Ok(())
}

fn show(args: &Args, path: &Path, batch: &Batch) -> Shown {
    let header = &batch.header;
    let wants_records = args.records || args.decode.is_some();
    Shown {
        file: path.display().to_string(),
        position: batch.position,
        base_offset: header.base_offset,
        last_offset: header.last_offset(),
        records: header.record_count,
        bytes: batch.bytes.len(),
        codec: header.compression().map_or("unknown", |codec| codec.name()),
        max_timestamp: header.max_timestamp,
        leader_epoch: header.partition_leader_epoch.0,
        producer_id: header.producer_id.0,
        is_transactional: header.is_transactional(),
        is_control: header.is_control(),
        is_valid: batch.is_valid(),
        content: wants_records.then(|| content(batch, args.decode.map_or(Decode::Text, |decode| decode).into())),
    }
}

/// The records that can be read; a damaged batch has fewer.
fn content(batch: &Batch, decoder: Decoder) -> Vec<Content> {
    let mut content = Vec::new();
    let Ok(mut records) = Records::new(&batch.bytes, DECOMPRESSED_BATCH_BYTES_MAX) else { return content };
    while let Some(Ok(record)) = records.next() {
        let (key, value) = match batch.header.is_control() {
            true => (None, Some(control(&record))),
            false => decoder.show(&record),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = record.headers.map(|(key, value)| (text(key), value.map(text))).collect();
        content.push(Content { offset: record.offset, timestamp: record.timestamp, key, value, headers });
    }
    content
}

impl From<Decode> for Decoder {
    fn from(decode: Decode) -> Decoder {
        match decode {
            Decode::Text => Decoder::Plain(Plain::Text, Plain::Text),
            Decode::Hex => Decoder::Plain(Plain::Bytes, Plain::Bytes),
            Decode::Offsets => Decoder::Offsets,
            Decode::Transactions => Decoder::Transactions,
            Decode::ShareState => Decoder::ShareState,
            Decode::Metadata => Decoder::Metadata,
        }
    }
}

fn render(batch: &Shown) -> String {
    let mut text = format!(
        "{}..{}  {} records, {} bytes at {}, {}, epoch {}",
        batch.base_offset,
        batch.last_offset,
        batch.records,
        batch.bytes,
        batch.position,
        batch.codec,
        batch.leader_epoch
    );
    if batch.producer_id >= 0 {
        text += &format!(", producer {}", batch.producer_id);
    }
    for (is_set, word) in
        [(batch.is_transactional, "transactional"), (batch.is_control, "control"), (!batch.is_valid, "DAMAGED")]
    {
        if is_set {
            text += &format!(", {word}");
        }
    }
    text.push('\n');
    for record in batch.content.iter().flatten() {
        let shown = |part: &Option<String>| part.clone().unwrap_or_else(|| "null".to_string());
        text += &format!("  {}  {}  {}  {}", record.offset, record.timestamp, shown(&record.key), shown(&record.value));
        for (key, value) in &record.headers {
            text += &format!("  {key}:{}", shown(value));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::tests::batch;

    #[test]
    fn batches_are_shown_with_their_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000007.log");
        std::fs::write(&path, batch(7, &["a", "b"])).unwrap();
        let found = Segment::open(&path).unwrap().next_batch().unwrap().unwrap();
        let args = Args { paths: vec![], records: true, decode: None };
        let text = render(&show(&args, &path, &found));
        assert!(text.starts_with("7..8  2 records, "), "{text}");
        assert!(text.ends_with("  7  1000  key  a\n  8  1000  key  b\n"), "{text}");
        assert_eq!(files(&path).unwrap(), std::slice::from_ref(&path));
    }
}
