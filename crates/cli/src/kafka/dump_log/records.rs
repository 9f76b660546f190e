//! Log files and metadata snapshots.

use super::{Complaints, DumpLog, absolute, optional_long, unreadable};
use crate::segment::decode::{Decoder, control};
use crate::segment::{Batch, Kind, Segment, base_offset};
use ottla_records::{BatchHeader, DECOMPRESSED_BATCH_BYTES_MAX, RecordRef, Records, TimestampType};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

pub(super) fn dump(tool: &DumpLog, path: &Path, decoder: Decoder, complaints: &mut Complaints) -> Result<(), Failure> {
    let mut segment = Segment::open(path).map_err(|error| unreadable(path, error))?;
    write_out(&head(path))?;
    if let Some(max) = tool.max_bytes {
        segment.limit(max);
    }
    let (mut last_offset, mut gaps) = (-1, BTreeMap::new());
    while let Some(batch) = segment.next_batch().map_err(|error| unreadable(path, error))? {
        let mut text = batch_line(&batch);
        let read = if tool.is_deep() {
            let mut each = |record: &RecordRef<'_>| {
                if record.offset != last_offset + 1 {
                    gaps.insert(last_offset, record.offset);
                }
                last_offset = record.offset;
                text += &record_line(tool, &batch.header, record, decoder);
            };
            each_record(&batch, &mut each)
        } else {
            Ok(())
        };
        write_out(&text)?;
        read.map_err(|error| unreadable(path, error))?;
    }
    let trailing = segment.size() - segment.position();
    if trailing > 0 && tool.max_bytes.is_none() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        write_out(&format!("Found {trailing} invalid bytes at the end of {name}\n"))?;
    }
    if !gaps.is_empty() {
        let section = &mut complaints.sections[4];
        section.push(format!("Non-consecutive offsets in {}", absolute(path)));
        section.extend(gaps.iter().map(|(before, after)| format!("  {before} is followed by {after}")));
    }
    Ok(())
}

fn head(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if Kind::of(path) == Some(Kind::Log) {
        return base_offset(path).map_or(String::new(), |offset| format!("Log starting offset: {offset}\n"));
    }
    if name == "bootstrap.checkpoint" {
        return "KRaft bootstrap snapshot\n".to_string();
    }
    let parts = name.split('.').next().and_then(|stem| stem.split_once('-'));
    let numbers = parts.and_then(|(offset, epoch)| Some((offset.parse::<i64>().ok()?, epoch.parse::<i32>().ok()?)));
    numbers.map_or(String::new(), |(offset, epoch)| format!("Snapshot end offset: {offset}, epoch: {epoch}\n"))
}

fn each_record(batch: &Batch, each: &mut impl FnMut(&RecordRef<'_>)) -> Result<(), ottla_records::BatchError> {
    let mut records = Records::new(&batch.bytes, DECOMPRESSED_BATCH_BYTES_MAX)?;
    while let Some(record) = records.next() {
        each(&record?);
    }
    Ok(())
}

fn timestamp_type(header: &BatchHeader) -> &'static str {
    match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn batch_line(batch: &Batch) -> String {
    let header = &batch.header;
    let codec = header.compression().map_or("unknown", |codec| codec.name());
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {} position: {} {}: {} size: {} \
         magic: 2 compresscodec: {codec} crc: {} isvalid: {}\n",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id.0,
        header.producer_epoch.0,
        header.partition_leader_epoch.0,
        header.is_transactional(),
        header.is_control(),
        optional_long(header.delete_horizon_ms()),
        batch.position,
        timestamp_type(header),
        header.max_timestamp,
        header.total_len(),
        header.crc,
        batch.is_valid(),
    )
}

fn record_line(tool: &DumpLog, header: &BatchHeader, record: &RecordRef<'_>, decoder: Decoder) -> String {
    let size = |part: Option<&[u8]>| part.map_or(-1, |part| part.len() as i64);
    let mut line = String::new();
    let mut add = |text: std::fmt::Arguments<'_>| line.write_fmt(text).expect("a string grows");
    if !tool.skip_record_metadata {
        let headers: Vec<String> = record.headers.map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect();
        add(format_args!(
            "| offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
            record.offset,
            timestamp_type(header),
            record.timestamp,
            size(record.key),
            size(record.value),
            record.sequence,
            headers.join(",")
        ));
        if header.is_control() {
            add(format_args!(" {}", control(record)));
        }
    }
    if tool.prints_records() && !header.is_control() {
        let mut prefix = if tool.skip_record_metadata { "| " } else { " " };
        let (key, value) = decoder.show(record);
        if let Some(key) = key {
            add(format_args!("{prefix}key: {key}"));
            prefix = " ";
        }
        if let Some(value) = value {
            add(format_args!("{prefix}payload: {value}"));
        }
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::decode::Plain;
    use crate::segment::tests::batch;

    #[test]
    fn batches_and_records_are_printed_as_kafka_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000007.log");
        std::fs::write(&path, batch(7, &["a", "b"])).unwrap();
        let found = Segment::open(&path).unwrap().next_batch().unwrap().unwrap();
        let crc = found.header.crc;
        let expected = format!(
            "baseOffset: 7 lastOffset: 8 count: 2 baseSequence: -1 lastSequence: -1 producerId: -1 producerEpoch: -1 \
             partitionLeaderEpoch: {} isTransactional: false isControl: false deleteHorizonMs: OptionalLong.empty position: 0 \
             CreateTime: 1000 size: {} magic: 2 compresscodec: none crc: {crc} isvalid: true\n",
            found.header.partition_leader_epoch.0,
            found.bytes.len()
        );
        assert_eq!(batch_line(&found), expected);
        let mut lines = String::new();
        let tool = DumpLog { print_data_log: true, ..DumpLog::default() };
        let plain = Decoder::Plain(Plain::Text, Plain::Text);
        each_record(&found, &mut |record| lines += &record_line(&tool, &found.header, record, plain)).unwrap();
        let line = |offset, value| {
            format!(
                "| offset: {offset} CreateTime: 1000 keySize: 3 valueSize: 1 sequence: -1 headerKeys: [] key: key payload: {value}\n"
            )
        };
        assert_eq!(lines, line(7, "a") + &line(8, "b"));
        assert_eq!(head(&path), "Log starting offset: 7\n");
        assert_eq!(
            head(Path::new("00000000000000000010-0000000003.checkpoint")),
            "Snapshot end offset: 10, epoch: 3\n"
        );
    }
}
