//! Random logs against a list of what was written.

use super::kit::*;
use crate::cleaner::CleanerConfig;
use crate::producer_state::Origin;
use crate::tests::kit::*;
use crate::{Log, LogDirs, TimestampQuery};
use bytes::Bytes;
use ottla_records::{BatchBuilder, Compression, EndTxnMarker, Record, TimestampType};
use ottla_runtime::Runtime;
use ottla_types::{ProducerEpoch, ProducerId};
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEYS: [&str; 5] = ["a", "b", "c", "d", "e"];
const RETENTION_MS: i64 = 1000;

#[derive(Debug, Clone)]
enum Operation {
    Append { writer: Writer, records: Vec<(usize, bool)>, codec: usize },
    EndTxn { id: i64, committed: bool },
    Roll,
    Clean { map_keys: u64, waited_ms: i64 },
    Restart { is_clean: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Plain,
    Idempotent(i64),
    Transactional(i64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let writer = prop_oneof![
        3 => Just(Writer::Plain),
        2 => (1..3_i64).prop_map(Writer::Idempotent),
        3 => (10..12_i64).prop_map(Writer::Transactional),
    ];
    let records = prop::collection::vec((0..KEYS.len(), prop::bool::weighted(0.8)), 1..5);
    prop_oneof![
        12 => (writer, records, 0..5_usize).prop_map(|(writer, records, codec)| Operation::Append { writer, records, codec }),
        4 => (10..12_i64, any::<bool>()).prop_map(|(id, committed)| Operation::EndTxn { id, committed }),
        3 => Just(Operation::Roll),
        4 => (1..8_u64, 0..1500_i64).prop_map(|(map_keys, waited_ms)| Operation::Clean { map_keys, waited_ms }),
        1 => any::<bool>().prop_map(|is_clean| Operation::Restart { is_clean }),
    ]
}

/// What was written, and what is known of its cleaning.
#[derive(Default)]
struct Model {
    /// Data records, with their transaction (by number) if they belong to one.
    records: BTreeMap<i64, (Record, Option<usize>)>,
    /// Whether each transaction was committed; `None` while it is open.
    transactions: Vec<Option<bool>>,
    open: BTreeMap<i64, usize>,
    sequences: BTreeMap<i64, i32>,
    written: usize,
    now_ms: i64,
    last_cleaning_ms: i64,
    /// The log is clean below this.
    clean_to: i64,
    /// When each tombstone was below that for the first time.
    seen_ms: BTreeMap<i64, i64>,
    /// The first cleaning at or after each offset was written.
    first_cleaning_ms: BTreeMap<i64, i64>,
}

struct Tested {
    dirs: LogDirs,
    log: Log,
    model: Model,
}

impl Model {
    fn is_aborted(&self, transaction: Option<usize>) -> bool {
        transaction.is_some_and(|number| self.transactions[number] == Some(false))
    }

    /// The records that count, in order: those of open transactions do not yet.
    fn committed_before(&self, offset: i64) -> Vec<Record> {
        let counts =
            |transaction: &Option<usize>| transaction.is_none_or(|number| self.transactions[number] == Some(true));
        let range = self.records.range(..offset).map(|(_, record)| record);
        range.filter(|(_, transaction)| counts(transaction)).map(|(record, _)| record.clone()).collect()
    }
}

impl Tested {
    async fn apply(mut self, rt: &Runtime, operation: Operation) -> Tested {
        match operation {
            Operation::Append { writer, records, codec } => {
                self.append(writer, &records, Compression::ALL[codec]).await
            }
            Operation::EndTxn { id, committed } => {
                let marker = EndTxnMarker { committed, coordinator_epoch: 0 };
                let batch = marker.to_batch(ProducerId(id), ProducerEpoch(0), self.model.now_ms);
                append_any(&mut self.log, &batch, Origin::Coordinator { transaction_version: 1 }).await;
                if let Some(number) = self.model.open.remove(&id) {
                    self.model.transactions[number] = Some(committed);
                }
            }
            Operation::Roll => {
                if let Some(job) = self.log.begin_roll() {
                    let done = job.run().await;
                    self.log.finish_roll(done).unwrap();
                }
            }
            Operation::Clean { map_keys, waited_ms } => {
                self.model.now_ms += waited_ms;
                self.clean(map_keys).await;
                self.check().await;
            }
            Operation::Restart { is_clean } => {
                let producers = self.producers();
                flush(&mut self.log).await.unwrap();
                match is_clean {
                    true => {
                        self.log.close().await.unwrap();
                        self.dirs.shutdown().await;
                    }
                    false => drop((self.log, self.dirs)),
                }
                self.dirs = open_dirs(rt).await;
                self.log = open_found(&self.dirs, compacted()).await.unwrap().0;
                self.dirs.finish_recovery(true).await.unwrap();
                assert_eq!(self.producers(), producers);
            }
        }
        self
    }

    async fn append(&mut self, writer: Writer, records: &[(usize, bool)], codec: Compression) {
        let model = &mut self.model;
        let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        if let Writer::Idempotent(id) | Writer::Transactional(id) = writer {
            let sequence = model.sequences.entry(id).or_default();
            builder = builder.producer(ProducerId(id), ProducerEpoch(0), *sequence);
            *sequence += records.len() as i32;
        }
        let mut transaction = None;
        if let Writer::Transactional(id) = writer {
            builder = builder.transactional();
            let transactions = &mut model.transactions;
            transaction = Some(*model.open.entry(id).or_insert_with(|| {
                transactions.push(None);
                transactions.len() - 1
            }));
        }
        let mut pairs: Vec<KeyValue> = Vec::new();
        for &(key, has_value) in records {
            model.written += 1;
            pairs.push((KEYS[key], has_value.then(|| format!("{:0>40}", model.written))));
        }
        model.now_ms += 10;
        let batch = fill(builder, &pairs, model.now_ms).build().unwrap();
        let (first, _) = append_any(&mut self.log, &batch, Origin::Client).await;
        for (i, (key, value)) in pairs.into_iter().enumerate() {
            let record = Record {
                offset: first + i as i64,
                timestamp: self.model.now_ms + i as i64,
                key: Some(Bytes::from(key)),
                value: value.map(Bytes::from),
                headers: vec![],
            };
            self.model.records.insert(record.offset, (record, transaction));
        }
    }

    async fn clean(&mut self, map_keys: u64) {
        let flushed = flush(&mut self.log).await.unwrap();
        self.log.on_high_watermark(flushed);
        let config =
            CleanerConfig { dedupe_buffer_bytes: 24 * map_keys, dedupe_buffer_load_factor: 0.9, ..Default::default() };
        let now_ms = self.model.now_ms;
        let Some((end, _)) = clean_with(&mut self.log, now_ms, &config).await.unwrap() else { return };
        let model = &mut self.model;
        assert!(end >= model.clean_to);
        model.clean_to = end;
        model.last_cleaning_ms = now_ms;
        for (&offset, _) in model.records.range(..end).filter(|(_, (record, _))| record.value.is_none()) {
            model.seen_ms.entry(offset).or_insert(now_ms);
        }
        for &offset in model.records.keys() {
            model.first_cleaning_ms.entry(offset).or_insert(now_ms);
        }
    }

    fn producers(&self) -> Vec<(ProducerId, ProducerEpoch, i32, i64, Option<i64>)> {
        let entries = self.log.producers().producers();
        let fields = entries.map(|entry| {
            let open = entry.current_txn_first_offset();
            (entry.producer_id(), entry.epoch(), entry.last_sequence(), entry.last_offset(), open)
        });
        fields.collect()
    }

    async fn check(&self) {
        let (log, model) = (&self.log, &self.model);
        let batches = read_batches(log, 0).await;
        let data: Vec<&Record> =
            batches.iter().filter(|batch| !batch.header.is_control()).flat_map(|batch| &batch.records).collect();
        // What is there was written.
        for record in &data {
            assert_eq!(Some(*record), model.records.get(&record.offset).map(|(record, _)| record));
        }
        self.check_clean_part(&data);
        // The table that a read_committed consumer builds is the same.
        let end = last_stable_offset(log);
        let below: Vec<ReadBatch> = batches.iter().filter(|batch| batch.header.last_offset() < end).cloned().collect();
        let aborted = log.plan_aborted_transactions(0, end).run().await.unwrap();
        assert_eq!(table(&committed(&below, &aborted)), table(&model.committed_before(end)));
        // A reader who starts in a gap goes on behind it.
        for offset in (0..log.log_end_offset()).step_by(3) {
            let expected = batches.iter().find(|batch| batch.header.last_offset() >= offset);
            let found = read_batches(log, offset).await;
            assert_eq!(found.first().map(|batch| batch.header), expected.map(|batch| batch.header), "from {offset}");
        }
        self.check_timestamps(&batches).await;
    }

    /// Below where the log is clean no key comes twice, nothing was aborted, and tombstones have their time.
    fn check_clean_part(&self, data: &[&Record]) {
        let model = &self.model;
        let clean: Vec<&Record> = data.iter().copied().filter(|record| record.offset < model.clean_to).collect();
        let mut keys = BTreeMap::new();
        for record in &clean {
            let transaction = model.records[&record.offset].1;
            assert!(!model.is_aborted(transaction), "{} was aborted", record.offset);
            let before = keys.insert(record.key.clone(), record.offset);
            assert_eq!(before, None, "{:?} is at {} too", record.key, record.offset);
            if let Some(seen_ms) = model.seen_ms.get(&record.offset) {
                assert!(
                    seen_ms + RETENTION_MS > model.last_cleaning_ms,
                    "the tombstone at {} is overdue",
                    record.offset
                );
            }
        }
        let mut last: BTreeMap<&[u8], &Record> = BTreeMap::new();
        for (record, transaction) in model.records.range(..model.clean_to).map(|(_, record)| record) {
            if !model.is_aborted(*transaction) {
                last.insert(record.key.as_deref().unwrap(), record);
            }
        }
        for record in last.into_values().filter(|record| !keys.contains_key(&record.key)) {
            assert_eq!(record.value, None, "{:?} is missing", record.key);
            let first_ms = model.first_cleaning_ms[&record.offset];
            assert!(first_ms + RETENTION_MS <= model.now_ms, "the tombstone at {} went too early", record.offset);
        }
    }

    async fn check_timestamps(&self, batches: &[ReadBatch]) {
        let records: Vec<(i64, i64)> =
            batches.iter().flat_map(|batch| &batch.records).map(|record| (record.timestamp, record.offset)).collect();
        let lookup = async |query| {
            let found = self.log.plan_timestamp_lookup(query).run().await.unwrap();
            found.map(|found| (found.timestamp_ms, found.offset))
        };
        for timestamp in (0..self.model.now_ms + 100).step_by(170) {
            let expected = records.iter().find(|(found, _)| *found >= timestamp).copied();
            assert_eq!(lookup(TimestampQuery::AtOrAfter(timestamp)).await, expected, "at {timestamp}");
        }
        let max = records.iter().map(|(timestamp, _)| *timestamp).max();
        let expected = records.iter().find(|(timestamp, _)| Some(*timestamp) == max).copied();
        assert_eq!(lookup(TimestampQuery::Max).await, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_compacted_log_says_the_same_as_the_whole_one(operations in prop::collection::vec(operation(), 1..80)) {
        in_memory(async |rt| {
            let (dirs, log) = new_log(&rt, compacted()).await;
            let model = Model { now_ms: 1000, ..Model::default() };
            let mut tested = Tested { dirs, log, model };
            for operation in operations {
                tested = tested.apply(&rt, operation).await;
            }
            tested = tested.apply(&rt, Operation::Clean { map_keys: 1000, waited_ms: 5000 }).await;
            tested.check().await;
        });
    }
}
