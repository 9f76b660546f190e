//! What the tests of the cleaner share.

use crate::cleaner::{CleanContext, CleanStats, CleanerConfig, CleaningError, LogToClean, Throttle};
use crate::producer_state::Origin;
use crate::tests::kit::{EPOCH, bytes_of, flush, roll};
use crate::txn_index::AbortedTxn;
use crate::{AppendError, AppendOutcome, Cleanable, Log, LogConfig};
use bytes::Bytes;
use ottla_records::{BatchBuilder, BatchHeader, Compression, EndTxnMarker, Record, TimestampType, ValidatedBatch};
use ottla_types::ProducerId;
use std::collections::{BTreeMap, BTreeSet};

/// A record as the model knows it: key and value, `None` for a tombstone.
pub(crate) type KeyValue = (&'static str, Option<String>);

/// One batch of a log.
#[derive(Debug, Clone)]
pub(crate) struct ReadBatch {
    pub(crate) header: BatchHeader,
    pub(crate) records: Vec<Record>,
    pub(crate) marker: Option<EndTxnMarker>,
}

/// Small segments, compacted, cleaned whenever something is dirty.
pub(crate) fn compacted() -> LogConfig {
    LogConfig {
        compact: true,
        delete: false,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: 1000,
        segment_bytes: 2000,
        ..crate::tests::kit::small_segments()
    }
}

/// A batch of records with keys.
pub(crate) fn keyed(records: &[KeyValue], timestamp: i64, codec: Compression) -> BatchBuilder {
    let builder = BatchBuilder::new(codec, TimestampType::CreateTime);
    fill(builder, records, timestamp)
}

/// Adds records, each a millisecond younger than the one before.
pub(crate) fn fill(mut builder: BatchBuilder, records: &[KeyValue], timestamp: i64) -> BatchBuilder {
    for (i, (key, value)) in records.iter().enumerate() {
        let value = value.as_ref().map(String::as_bytes);
        builder.append(timestamp + i as i64, Some(key.as_bytes()), value, &[]).unwrap();
    }
    builder
}

/// Appends, rolling if need be; the offsets.
pub(crate) async fn append_any(log: &mut Log, batch: &ValidatedBatch, origin: Origin) -> (i64, i64) {
    let outcome = match log.append_as_leader(batch, EPOCH, origin, 1000) {
        Err(AppendError::RollNeeded) => {
            roll(log).await.unwrap();
            log.append_as_leader(batch, EPOCH, origin, 1000)
        }
        outcome => outcome,
    };
    match outcome.unwrap() {
        AppendOutcome::Appended(appended) => (appended.first_offset, appended.last_offset),
        AppendOutcome::Duplicate { .. } => panic!("a duplicate"),
    }
}

/// Appends `key=value` records, one batch each; `key=` is a tombstone.
pub(crate) async fn append_text(log: &mut Log, text: &'static str, timestamp: i64) {
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap();
        let value = (!value.is_empty()).then(|| value.to_string());
        let batch = keyed(&[(key, value)], timestamp, Compression::None).build().unwrap();
        append_any(log, &batch, Origin::Client).await;
    }
}

/// Seals what is there and makes it durable, so that it can be cleaned; leaves one record with the key `end` behind.
pub(crate) async fn seal(log: &mut Log, timestamp: i64) {
    if log.begin_roll().is_some() {
        roll(log).await.unwrap();
    }
    append_text(log, "end=1", timestamp).await;
    let flushed = flush(log).await.unwrap();
    log.on_high_watermark(flushed);
}

pub(crate) fn last_stable_offset(log: &Log) -> i64 {
    log.first_unstable_offset().unwrap_or(i64::MAX).min(log.flushed_offset())
}

/// What there is to clean.
pub(crate) async fn to_clean(log: &mut Log, now_ms: i64) -> Option<LogToClean> {
    loop {
        match log.log_to_clean(now_ms, last_stable_offset(log)) {
            Cleanable::Nothing => return None,
            Cleanable::LoadNeeded(load) => load.run().await.unwrap(),
            Cleanable::Found(found) => return Some(found),
        }
    }
}

/// Cleans the log once; `None` if there is nothing to clean.
pub(crate) async fn clean(log: &mut Log, now_ms: i64) -> Option<(i64, CleanStats)> {
    clean_with(log, now_ms, &CleanerConfig::default()).await.unwrap()
}

/// As [`clean`], with a cleaner of these configs.
pub(crate) async fn clean_with(
    log: &mut Log,
    now_ms: i64,
    config: &CleanerConfig,
) -> Result<Option<(i64, CleanStats)>, CleaningError> {
    let Some(found) = to_clean(log, now_ms).await.filter(LogToClean::is_due) else { return Ok(None) };
    let Some(mut job) = log.begin_cleaning(&found, now_ms) else { return Ok(None) };
    let throttle = Throttle::new(f64::MAX);
    let context = CleanContext { config, throttle: &throttle, is_stopped: &|| false };
    let result = loop {
        match job.next_group(context).await {
            Ok(Some(group)) => log.finish_group(group)?,
            Ok(None) => break job.complete().await.map(Some).map_err(CleaningError::from),
            Err(error) => break Err(error),
        }
    };
    log.finish_cleaning(job);
    result
}

/// Every batch that a reader sees who starts at `offset`.
pub(crate) async fn read_batches(log: &Log, mut offset: i64) -> Vec<ReadBatch> {
    let mut batches = Vec::new();
    while offset < log.log_end_offset() {
        let before = offset;
        let bytes: Bytes = bytes_of(log.plan_read(offset, 700, log.log_end_offset(), true).unwrap()).await;
        for found in ottla_records::scan(&bytes, true) {
            let (header, range) = found.unwrap();
            let batch = bytes.slice(range);
            header.check_crc(&batch).unwrap();
            let marker = if header.is_control() { EndTxnMarker::of_batch(&batch).unwrap() } else { None };
            let records = ottla_records::read_all(&batch, 1 << 20).unwrap();
            batches.push(ReadBatch { header, records, marker });
            offset = header.next_offset();
        }
        assert!(offset > before, "the reader at {before} makes no progress");
    }
    batches
}

/// What a read_committed consumer gets: the data records of transactions that were not aborted, and of no transaction.
pub(crate) fn committed(batches: &[ReadBatch], aborted: &[AbortedTxn]) -> Vec<Record> {
    let mut upcoming = aborted.to_vec();
    upcoming.sort_by_key(|txn| txn.first_offset);
    let mut upcoming = upcoming.into_iter().peekable();
    let mut open: BTreeSet<ProducerId> = BTreeSet::new();
    let mut records = Vec::new();
    for batch in batches {
        while let Some(txn) = upcoming.next_if(|txn| txn.first_offset <= batch.header.last_offset()) {
            open.insert(txn.producer_id);
        }
        let is_open = open.contains(&batch.header.producer_id);
        match batch.marker {
            Some(EndTxnMarker { committed: false, .. }) => {
                open.remove(&batch.header.producer_id);
            }
            _ if batch.header.is_control() || (batch.header.is_transactional() && is_open) => {}
            _ => records.extend(batch.records.iter().cloned()),
        }
    }
    records
}

/// The table that follows from records: the last value of each key.
pub(crate) fn table(records: &[Record]) -> BTreeMap<Bytes, Bytes> {
    let mut table = BTreeMap::new();
    for record in records {
        let key = record.key.clone().unwrap_or_default();
        match &record.value {
            Some(value) => table.insert(key, value.clone()),
            None => table.remove(&key),
        };
    }
    table
}

/// Offsets, keys and values of the records in a log.
pub(crate) async fn text_of(log: &Log) -> String {
    let mut words = Vec::new();
    for batch in read_batches(log, log.log_start_offset()).await {
        if batch.records.is_empty() {
            words.push(format!("[{}]", batch.header.last_offset()));
        }
        for record in &batch.records {
            let part =
                |bytes: &Option<Bytes>| String::from_utf8_lossy(bytes.as_deref().unwrap_or_default()).into_owned();
            match batch.header.is_control() {
                true => words.push(format!("{}:marker", record.offset)),
                false => words.push(format!("{}:{}={}", record.offset, part(&record.key), part(&record.value))),
            }
        }
    }
    words.join(" ")
}
