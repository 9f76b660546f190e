//! What was written to a compacted log, kept outside the simulation, and what must be left of it.

use super::check::{Check, kept, same};
use crate::cleaner::tests::kit::{ReadBatch, committed, table};
use crate::txn_index::AbortedTxn;
use bytes::Bytes;
use ottla_records::Record;
use ottla_types::ProducerId;
use std::collections::BTreeMap;

/// Keys and values of a batch; `None` for a tombstone.
pub(super) type Pairs = Vec<(&'static str, Option<String>)>;

/// One batch that may be in the log.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Data { id: Option<i64>, is_transactional: bool, pairs: Pairs, timestamp: i64 },
    Marker { id: i64, committed: bool },
}

/// Everything written and promised so far.
#[derive(Debug, Default)]
pub(super) struct CleaningOracle {
    /// By first offset.
    pub(super) events: BTreeMap<i64, Event>,
    /// Reported as flushed, or recovered.
    pub(super) flushed_offset: i64,
    /// Reported as clean.
    pub(super) clean_to: i64,
    /// The aborted transactions below that, unless another cleaning has begun since.
    pub(super) aborted: Option<Vec<AbortedTxn>>,
    /// Cleanings that were completed.
    pub(super) cleanings: usize,
}

/// How a record's transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Counts,
    Aborted,
    Open,
}

impl Event {
    fn len(&self) -> i64 {
        match self {
            Event::Data { pairs, .. } => pairs.len() as i64,
            Event::Marker { .. } => 1,
        }
    }
}

impl CleaningOracle {
    pub(super) fn log_end_offset(&self) -> i64 {
        self.events.last_key_value().map_or(0, |(offset, event)| offset + event.len())
    }

    /// The log was found to end here.
    pub(super) fn recovered(&mut self, end: i64) {
        self.events.split_off(&end);
        self.flushed_offset = end;
    }

    /// Producer id, last sequence and start of the open transaction of every producer.
    pub(super) fn producers(&self) -> Vec<(ProducerId, i32, Option<i64>)> {
        let mut producers: BTreeMap<i64, (i32, Option<i64>)> = BTreeMap::new();
        for (&offset, event) in &self.events {
            match event {
                Event::Data { id: Some(id), is_transactional, pairs, .. } => {
                    let (sequence, open) = producers.entry(*id).or_insert((-1, None));
                    *sequence += pairs.len() as i32;
                    if *is_transactional {
                        open.get_or_insert(offset);
                    }
                }
                Event::Data { id: None, .. } => {}
                Event::Marker { id, .. } => producers.entry(*id).or_insert((-1, None)).1 = None,
            }
        }
        producers.into_iter().map(|(id, (sequence, open))| (ProducerId(id), sequence, open)).collect()
    }

    /// All data records with their fates, by offset.
    fn records(&self) -> BTreeMap<i64, (Record, Fate)> {
        let mut records = BTreeMap::new();
        let mut open: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (&first, event) in &self.events {
            match event {
                Event::Data { id, is_transactional, pairs, timestamp } => {
                    for (i, (key, value)) in pairs.iter().enumerate() {
                        let offset = first + i as i64;
                        let record = Record {
                            offset,
                            timestamp: timestamp + i as i64,
                            key: Some(Bytes::from(*key)),
                            value: value.clone().map(Bytes::from),
                            headers: vec![],
                        };
                        let fate = if *is_transactional { Fate::Open } else { Fate::Counts };
                        records.insert(offset, (record, fate));
                        if *is_transactional {
                            open.entry(id.unwrap_or_default()).or_default().push(offset);
                        }
                    }
                }
                Event::Marker { id, committed } => {
                    for offset in open.remove(id).unwrap_or_default() {
                        let fate = if *committed { Fate::Counts } else { Fate::Aborted };
                        if let Some(record) = records.get_mut(&offset) {
                            record.1 = fate;
                        }
                    }
                }
            }
        }
        records
    }

    /// The aborted transactions that a cleaning left are known as long as no other one begins.
    pub(super) fn check_aborted(&self, found: &[AbortedTxn]) -> Check {
        let Some(left) = &self.aborted else { return Ok(()) };
        let below: Vec<AbortedTxn> = found.iter().filter(|txn| txn.last_offset < self.clean_to).copied().collect();
        same("aborted transactions", &below, left)
    }

    /// Compares what is in the log below the last stable offset `stable` with what was written.
    pub(super) fn check(&self, batches: &[ReadBatch], aborted: &[AbortedTxn], stable: i64) -> Check {
        let written = self.records();
        let mut keys: BTreeMap<Option<Bytes>, i64> = BTreeMap::new();
        for record in batches.iter().filter(|batch| !batch.header.is_control()).flat_map(|batch| &batch.records) {
            let found = written.get(&record.offset);
            same("record", Some(record), found.map(|(record, _)| record))?;
            if record.offset < self.clean_to {
                let is_aborted = found.is_some_and(|(_, fate)| *fate == Fate::Aborted);
                kept(!is_aborted, || format!("{} was aborted, and is back", record.offset))?;
                let before = keys.insert(record.key.clone(), record.offset);
                kept(before.is_none(), || format!("{:?} is at {before:?} and at {}", record.key, record.offset))?;
            }
        }
        let below: Vec<ReadBatch> =
            batches.iter().filter(|batch| batch.header.last_offset() < stable).cloned().collect();
        let counting = written.range(..stable).map(|(_, record)| record).filter(|(_, fate)| *fate == Fate::Counts);
        let counting: Vec<Record> = counting.map(|(record, _)| record.clone()).collect();
        same("table", table(&committed(&below, aborted)), table(&counting))
    }
}
