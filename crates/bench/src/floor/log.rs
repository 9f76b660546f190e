//! Partitions of the floor: one file each, and in memory where its batches begin.

use anyhow::{Result, ensure};
use bytes::Bytes;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Length of what is in front of the records of a batch.
const BATCH_HEADER_LEN: usize = 61;
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
const CRC_FROM: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;

/// All partitions that anybody named.
#[derive(Debug)]
pub(super) struct Logs {
    dir: PathBuf,
    pub(super) partitions: i32,
    all: Mutex<HashMap<(String, i32), Arc<Log>>>,
    appended: (Mutex<u64>, Condvar),
}

/// One partition.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) file: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    end_offset: i64,
    size: u64,
    /// Base offset and position of each batch.
    batches: Vec<(i64, u64)>,
}

impl Logs {
    pub(super) fn new(dir: PathBuf, partitions: i32) -> Logs {
        Logs { dir, partitions, all: Mutex::default(), appended: Default::default() }
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Result<Arc<Log>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = all.get(&(topic.to_string(), partition)) {
            return Ok(Arc::clone(log));
        }
        let path = self.dir.join(format!("{topic}-{partition}.log"));
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        let log = Arc::new(Log { file, state: Mutex::default() });
        all.insert((topic.to_string(), partition), Arc::clone(&log));
        Ok(log)
    }

    /// Wakes fetches that wait.
    pub(super) fn note_append(&self) {
        *self.appended.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.appended.1.notify_all();
    }

    /// Waits until something is appended, or for so long.
    pub(super) fn wait(&self, timeout: Duration) {
        let count = self.appended.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *count;
        let _ = self.appended.1.wait_timeout_while(count, timeout, |count| *count == before);
    }
}

impl Log {
    /// Checks and writes batches as they come from a producer; returns the first offset.
    pub(super) fn append(&self, records: &Bytes) -> Result<i64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let first = state.end_offset;
        let mut rest = &records[..];
        while !rest.is_empty() {
            ensure!(rest.len() >= BATCH_HEADER_LEN, "a batch is cut off");
            let len = int(rest, LENGTH_AT) as usize + 12;
            ensure!((BATCH_HEADER_LEN..=rest.len()).contains(&len), "a batch is cut off");
            let (batch, after) = rest.split_at(len);
            ensure!(crc32c::crc32c(&batch[CRC_FROM..]) == int(batch, CRC_AT), "a batch does not match its checksum");
            let (base, position) = (state.end_offset, state.size);
            // The offset is the broker's to give. Two small writes would cost more than one copy of a header.
            let mut head = [0; 12];
            head[..8].copy_from_slice(&base.to_be_bytes());
            head[8..].copy_from_slice(&batch[8..12]);
            let parts = [std::io::IoSlice::new(&head), std::io::IoSlice::new(&batch[12..])];
            let written = rustix::io::pwritev(&self.file, &parts, position)?;
            ensure!(written == len, "the disk took {written} of {len} bytes");
            state.batches.push((base, position));
            state.end_offset = base + i64::from(int(batch, LAST_OFFSET_DELTA_AT)) + 1;
            state.size += len as u64;
            rest = after;
        }
        Ok(first)
    }

    pub(super) fn end_offset(&self) -> i64 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).end_offset
    }

    /// Whole batches from the one with this offset on: position and length. The first is given whole, however long it is.
    pub(super) fn find(&self, offset: i64, max_bytes: u64) -> Option<(u64, u64)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if offset >= state.end_offset {
            return None;
        }
        let first = state.batches.partition_point(|(base, _)| *base <= offset).checked_sub(1)?;
        let start = state.batches[first].1;
        let next = |index: usize| state.batches.get(index).map_or(state.size, |(_, position)| *position);
        let end = match state.batches.partition_point(|(_, position)| *position <= start + max_bytes) {
            _ if state.size <= start + max_bytes => state.size,
            after => next((after - 1).max(first + 1)),
        };
        Some((start, end - start))
    }
}

fn int(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of `records` records in `len` bytes, whose checksum is right.
    fn batch(records: u32, len: usize) -> Vec<u8> {
        let mut batch = vec![7; len];
        batch[LENGTH_AT..LENGTH_AT + 4].copy_from_slice(&(len as u32 - 12).to_be_bytes());
        batch[LAST_OFFSET_DELTA_AT..LAST_OFFSET_DELTA_AT + 4].copy_from_slice(&(records - 1).to_be_bytes());
        let crc = crc32c::crc32c(&batch[CRC_FROM..]);
        batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        batch
    }

    #[test]
    fn batches_get_offsets_and_are_found_whole() {
        let dir = std::env::temp_dir().join(format!("ottla-floor-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let log = Logs::new(dir.clone(), 1).get("t", 0).unwrap();
        assert_eq!(log.append(&[batch(3, 100), batch(2, 80)].concat().into()).unwrap(), 0);
        assert_eq!(log.append(&batch(5, 90).into()).unwrap(), 5);
        assert_eq!(log.end_offset(), 10);
        assert_eq!(log.find(0, 1000), Some((0, 270)));
        assert_eq!(log.find(4, 180), Some((100, 170)));
        assert_eq!(log.find(4, 100), Some((100, 80)), "not a part of a batch");
        assert_eq!(log.find(4, 1), Some((100, 80)), "the first whole, however little is asked for");
        assert_eq!(log.find(10, 1000), None);
        let mut broken = batch(1, 70);
        broken[69] ^= 1;
        assert!(log.append(&broken.into()).unwrap_err().to_string().contains("checksum"));
        assert!(log.append(&batch(1, 70)[..65].to_vec().into()).is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
