//! Offset and time indexes, compared with their logs.

use super::{Complaints, DumpLog, absolute, unreadable};
use crate::segment::{Batch, Segment, base_offset};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::path::Path;

/// Bytes of an entry of an offset index and of a time index.
const OFFSET_ENTRY: usize = 8;
const TIME_ENTRY: usize = 12;

/// Last offset of a batch, and where it begins.
type Entry = (i64, u64);

pub(super) fn dump_offsets(tool: &DumpLog, path: &Path, complaints: &mut Complaints) -> Result<(), Failure> {
    let base = base(path)?;
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    let entries = offset_entries(base, &bytes);
    if entries.is_empty() {
        return write_out(&format!("{} is empty.\n", path.display()));
    }
    if tool.index_sanity_check {
        let is_sane = bytes.len() % OFFSET_ENTRY == 0 && entries.last().is_some_and(|(last, _)| *last >= base);
        return sane(path, is_sane);
    }
    let mut segment = open_log(path)?;
    let (mut text, mut mismatches) = (String::new(), Vec::new());
    for (number, (offset, position)) in entries.into_iter().enumerate() {
        // An index that was not closed is filled up with zeros.
        if offset == base && number > 0 {
            break;
        }
        segment.seek(position);
        let found = segment.next_batch().map_err(|error| unreadable(path, error))?;
        let fits = |batch: &Batch| batch.bytes.len() <= tool.max_message_size as usize;
        let found = found.filter(fits).map(|batch| batch.header.last_offset());
        if found != Some(offset) {
            mismatches.push((offset, found.unwrap_or(-1)));
        }
        if !tool.verify_index_only {
            text += &format!("offset: {offset} position: {position}\n");
        }
    }
    if !mismatches.is_empty() {
        let section = &mut complaints.sections[0];
        section.push(format!("Mismatches in :{}", absolute(path)));
        let lines = mismatches.iter().rev();
        section.extend(lines.map(|(index, log)| format!("  Index offset: {index}, log offset: {log}")));
    }
    write_out(&text)
}

pub(super) fn dump_times(tool: &DumpLog, path: &Path, complaints: &mut Complaints) -> Result<(), Failure> {
    let base = base(path)?;
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    let (chunks, rest) = bytes.as_chunks::<TIME_ENTRY>();
    let entries: Vec<(i64, i64)> = chunks
        .iter()
        .map(|&[t0, t1, t2, t3, t4, t5, t6, t7, o0, o1, o2, o3]| {
            let offset = base + i64::from(i32::from_be_bytes([o0, o1, o2, o3]));
            (i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]), offset)
        })
        .collect();
    if tool.index_sanity_check {
        let first = entries.first().map_or(-1, |entry| entry.0);
        let is_sane = rest.is_empty() && entries.last().is_none_or(|(time, offset)| *offset >= base && *time >= first);
        return sane(path, is_sane);
    }
    let index_path = path.with_extension("index");
    let index = std::fs::read(&index_path).map_err(|error| unreadable(&index_path, error))?;
    let index = offset_entries(base, &index);
    let mut segment = open_log(path)?;
    let (mut text, mut previous) = (String::new(), -1);
    let mut troubles: [Vec<String>; 3] = Default::default();
    for (number, (timestamp, offset)) in entries.into_iter().enumerate() {
        if offset == base && number > 0 {
            break;
        }
        let start = index.iter().take_while(|(last, _)| *last <= offset).last().map_or(0, |(_, position)| *position);
        match batch_with(&mut segment, start, offset).map_err(|error| unreadable(path, error))? {
            Some((last, max_timestamp)) if last == offset => {
                if max_timestamp != timestamp {
                    troubles[0].push(format!("  Index timestamp: {timestamp}, log timestamp: {max_timestamp}"));
                }
                if previous >= timestamp {
                    troubles[1]
                        .push(format!("  Index timestamp: {timestamp}, Previously indexed timestamp: {previous}"));
                }
            }
            found => {
                let found = found.map_or(-1, |(last, _)| last);
                troubles[2].push(format!("Indexed offset: {offset}, found log offset: {found}"));
            }
        }
        if !tool.verify_index_only {
            text += &format!("timestamp: {timestamp} offset: {offset}\n");
        }
        previous = timestamp;
    }
    let heads = [
        "Found timestamp mismatch in :",
        "Found out of order timestamp in :",
        "The following indexed offsets are not found in :",
    ];
    for (slot, (head, lines)) in heads.into_iter().zip(troubles).enumerate() {
        if !lines.is_empty() {
            let section = &mut complaints.sections[slot + 1];
            section.push(format!("{head}{}", absolute(path)));
            section.extend(lines);
        }
    }
    write_out(&text)
}

/// Last offset and highest timestamp of the batch that holds `offset`, looked for from `start` on.
fn batch_with(segment: &mut Segment, start: u64, offset: i64) -> std::io::Result<Option<(i64, i64)>> {
    segment.seek(start);
    while let Some(batch) = segment.next_batch()? {
        if batch.header.last_offset() >= offset {
            return Ok(Some((batch.header.last_offset(), batch.header.max_timestamp)));
        }
    }
    Ok(None)
}

fn offset_entries(base: i64, bytes: &[u8]) -> Vec<Entry> {
    let entry = |&[o0, o1, o2, o3, p0, p1, p2, p3]: &[u8; OFFSET_ENTRY]| {
        let offset = base + i64::from(i32::from_be_bytes([o0, o1, o2, o3]));
        (offset, u64::from(u32::from_be_bytes([p0, p1, p2, p3])))
    };
    bytes.as_chunks::<OFFSET_ENTRY>().0.iter().map(entry).collect()
}

fn base(path: &Path) -> Result<i64, Failure> {
    base_offset(path).ok_or_else(|| Failure::new(format!("{} is not named after an offset", path.display())))
}

fn open_log(path: &Path) -> Result<Segment, Failure> {
    let log = path.with_extension("log");
    Segment::open(&log).map_err(|error| unreadable(&log, error))
}

fn sane(path: &Path, is_sane: bool) -> Result<(), Failure> {
    match is_sane {
        true => write_out(&format!("{} passed sanity check.\n", path.display())),
        false => Err(Failure::new(format!("Corrupt index found, index file ({})", absolute(path)))
            .then("remove the file while the node is stopped: it is built again from the log")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::tests::batch;

    #[test]
    fn an_index_that_does_not_fit_its_log_is_complained_of() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (batch(5, &["a", "b"]), batch(7, &["c"]));
        std::fs::write(dir.path().join("00000000000000000005.log"), [&first[..], &second].concat()).unwrap();
        let path = dir.path().join("00000000000000000005.index");
        let entry = |relative: u32, position: usize| {
            [relative.to_be_bytes(), u32::try_from(position).unwrap().to_be_bytes()].concat()
        };
        let complaints = |bytes: Vec<u8>| {
            std::fs::write(&path, bytes).unwrap();
            let mut complaints = Complaints::default();
            let tool = DumpLog { verify_index_only: true, max_message_size: u32::MAX, ..DumpLog::default() };
            dump_offsets(&tool, &path, &mut complaints).unwrap();
            complaints.sections[0].clone()
        };
        assert_eq!(complaints([entry(1, 0), entry(2, first.len()), entry(0, 0)].concat()), [""; 0]);
        let found = complaints([entry(1, 0), entry(9, first.len())].concat());
        assert_eq!(found[1], "  Index offset: 14, log offset: 7");
        assert!(sane(&path, false).is_err());
    }
}
