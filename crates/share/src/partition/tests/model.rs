//! Random lives of a share partition beside a model that knows one offset at a time, with a share coordinator that keeps what
//! was written, crashes, and a log with holes.

use super::*;
use crate::state::StateBatch;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const LOG_END: i64 = 60;
const SMALL: Limits = Limits { delivery_count_limit: 3, lock_duration_ms: 100, in_flight_max: 20, ..super::LIMITS };

#[derive(Debug, Clone)]
enum Step {
    Acquire {
        member: u8,
        is_strict: bool,
        records_max: i64,
    },
    Acknowledge {
        member: u8,
        first: i64,
        count: i64,
        kinds: Vec<u8>,
    },
    Release {
        member: u8,
    },
    /// The oldest write under way ends.
    Written {
        is_ok: bool,
    },
    Wait {
        ms: i64,
    },
    LogStart {
        offset: i64,
    },
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..3, any::<bool>(), 1i64..15)
            .prop_map(|(member, is_strict, records_max)| Step::Acquire { member, is_strict, records_max }),
        4 => (0u8..3, 0i64..LOG_END, 1i64..10, prop::collection::vec(0u8..5, 1..10))
            .prop_map(|(member, first, count, kinds)| Step::Acknowledge { member, first, count, kinds }),
        1 => (0u8..3).prop_map(|member| Step::Release { member }),
        4 => prop::bool::weighted(0.8).prop_map(|is_ok| Step::Written { is_ok }),
        2 => (1i64..120).prop_map(|ms| Step::Wait { ms }),
        1 => (0i64..LOG_END / 2).prop_map(|offset| Step::LogStart { offset }),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..80)
}

/// What the model knows of one offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Available,
    Acquired { member: u8, until_ms: i64 },
    Done,
}

struct Life {
    partition: SharePartition,
    /// Offsets of the log that hold a record, and the batches that hold them.
    batches: Vec<(i64, i64)>,
    log_start: i64,
    now_ms: i64,
    known: BTreeMap<i64, (Known, i16)>,
    under_way: Vec<(Write, BTreeMap<i64, (Known, i16)>, BTreeMap<i64, (Known, i16)>)>,
    stored: Vec<StateBatch>,
    stored_start: i64,
    /// Offsets whose acknowledgement was written well.
    acknowledged: BTreeSet<i64>,
    delivered: BTreeMap<i64, i16>,
}

impl Life {
    fn new() -> Life {
        let batches = (0..LOG_END).step_by(6).filter(|base| base % 18 != 12).map(|base| (base, base + 4)).collect();
        Life {
            partition: fresh(0),
            batches,
            log_start: 0,
            now_ms: 0,
            known: BTreeMap::new(),
            under_way: Vec::new(),
            stored: Vec::new(),
            stored_start: 0,
            acknowledged: BTreeSet::new(),
            delivered: BTreeMap::new(),
        }
    }

    fn name(member: u8) -> Arc<str> {
        Arc::from(format!("m{member}"))
    }

    fn acquire(&mut self, member: u8, is_strict: bool, records_max: i64) -> usize {
        let fetch_offset = self.partition.next_fetch_offset().max(self.log_start);
        let readable: Vec<(i64, i64)> =
            self.batches.iter().copied().filter(|(_, last)| *last >= fetch_offset).take(4).collect();
        let mode = if is_strict { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized };
        let now_ms = self.now_ms;
        let (member_name, batch_size) = (Life::name(member), 5);
        let acquiring = Acquiring {
            member: &member_name,
            now_ms,
            mode,
            records_max,
            batch_size,
            fetch_offset,
            batches: &readable,
            aborted: &[],
        };
        let acquired = self.partition.acquire(&acquiring, &SMALL);
        if let Some((base, _)) = readable.first() {
            // A read from here on found nothing before the first batch.
            for (_, (known, _)) in self.known.range_mut(fetch_offset..(*base).max(fetch_offset)) {
                if *known == Known::Available {
                    *known = Known::Done;
                }
            }
        }
        let mut count = 0;
        for records in &acquired {
            for offset in records.first_offset..=records.last_offset {
                count += 1;
                let (before, times) = self.known.get(&offset).copied().unwrap_or((Known::Available, 0));
                assert_eq!(before, Known::Available, "offset {offset} was handed out");
                assert_eq!(records.delivery_count, times + 1, "offset {offset}");
                assert!(records.delivery_count <= SMALL.delivery_count_limit);
                assert!(!self.acknowledged.contains(&offset), "offset {offset} was acknowledged");
                assert!(offset >= self.log_start);
                let until_ms = now_ms + SMALL.lock_duration_ms;
                self.known.insert(offset, (Known::Acquired { member, until_ms }, times + 1));
                *self.delivered.entry(offset).or_default() += 1;
            }
        }
        assert!(!is_strict || count <= records_max, "{count} of {records_max}");
        assert!(self.partition.end_offset() - self.partition.start_offset() <= SMALL.in_flight_max + 12 + 6);
        count as usize
    }

    fn acknowledge(&mut self, member: u8, first: i64, count: i64, kinds: &[u8]) {
        let kinds: Vec<AckType> = (0..count as usize)
            .map(|index| AckType::from_code(kinds[index % kinds.len()] as i8).expect("a type"))
            .collect();
        let last = first + count - 1;
        let (start, end) = (self.partition.start_offset(), self.partition.end_offset());
        let theirs = |offset: &i64| matches!(self.known.get(offset), Some((Known::Acquired { member: owner, .. }, _)) if *owner == member);
        let is_allowed = last < start || last < end && (first.max(start)..=last).all(|offset| theirs(&offset));
        let batch = AckBatch { first_offset: first, last_offset: last, types: kinds.clone() };
        let outcome = self.partition.acknowledge(&Life::name(member), &[batch], self.now_ms, &SMALL);
        assert_eq!(outcome.is_ok(), is_allowed, "{outcome:?} of {first} to {last}, {:?}", self.known);
        let Ok(write) = outcome else { return };
        let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
        for (offset, kind) in (first..).zip(kinds).filter(|(offset, _)| *offset >= start) {
            let (known, times) = self.known[&offset];
            let next = match kind {
                AckType::Renew => {
                    let until_ms = self.now_ms + SMALL.lock_duration_ms;
                    self.known.insert(offset, (Known::Acquired { member, until_ms }, times));
                    continue;
                }
                AckType::Release if times < SMALL.delivery_count_limit => Known::Available,
                _ => Known::Done,
            };
            before.insert(offset, (known, times));
            after.insert(offset, (next, times));
        }
        self.begin(write, before, after);
    }

    /// While a write is under way its offsets can neither be acquired nor acknowledged: to the model they are done with.
    fn begin(&mut self, write: Option<Write>, before: BTreeMap<i64, (Known, i16)>, after: BTreeMap<i64, (Known, i16)>) {
        assert_eq!(write.is_some(), !after.is_empty());
        self.known.extend(after.iter().map(|(offset, (_, times))| (*offset, (Known::Done, *times))));
        if let Some(write) = write {
            self.under_way.push((write, before, after));
        }
    }

    fn release(&mut self, member: u8) {
        let write = self.partition.release(&Life::name(member), &SMALL);
        let theirs = self.known.iter().filter(|(offset, (known, _))| {
            **offset >= self.partition.start_offset()
                && matches!(known, Known::Acquired { member: owner, .. } if *owner == member)
        });
        let before: BTreeMap<i64, (Known, i16)> = theirs.map(|(offset, known)| (*offset, *known)).collect();
        let after = before.iter().map(|(offset, (_, times))| (*offset, (given_back(*times), *times))).collect();
        self.begin(write, before, after);
    }

    fn store(&mut self, write: &Write) {
        self.stored_start = self.stored_start.max(write.start_offset);
        self.stored.extend(write.batches.iter().copied());
    }

    fn written(&mut self, is_ok: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let (write, before, after) = self.under_way.remove(0);
        if is_ok {
            self.store(&write);
        }
        self.partition.written(write.id.expect("it is waited for"), is_ok);
        for (offset, (known, times)) in if is_ok { after } else { before } {
            if offset >= self.log_start {
                self.known.insert(offset, (known, times));
                let batch = write.batches.iter().find(|b| (b.first_offset..=b.last_offset).contains(&offset));
                if is_ok && batch.is_some_and(|batch| batch.delivery_state == Acknowledged) {
                    self.acknowledged.insert(offset);
                }
            }
        }
    }

    fn wait(&mut self, ms: i64) {
        self.now_ms += ms;
        let write = self.partition.expire(self.now_ms, &SMALL);
        for (known, times) in self.known.values_mut() {
            if matches!(known, Known::Acquired { until_ms, .. } if *until_ms <= self.now_ms) {
                *known = given_back(*times);
            }
        }
        if let Some(write) = write {
            assert_eq!(write.id, None);
            self.store(&write);
        }
    }

    fn log_start(&mut self, offset: i64) {
        self.log_start = self.log_start.max(offset);
        self.partition.log_start_moved(offset);
        self.known = self.known.split_off(&self.log_start);
    }

    /// Everything in memory is lost; what was written is there. Writes under way may have come through, or not.
    fn crash(&mut self) {
        for (index, (write, _, after)) in std::mem::take(&mut self.under_way).into_iter().enumerate() {
            if index % 2 == 0 {
                self.store(&write);
                let is_accepted = |offset: &i64| {
                    let mut batches = write.batches.iter();
                    let batch = batches.find(|b| (b.first_offset..=b.last_offset).contains(offset));
                    batch.is_some_and(|batch| batch.delivery_state == Acknowledged)
                };
                self.acknowledged.extend(after.into_keys().filter(is_accepted));
            }
        }
        let stored = crate::state::combine_for_tests(&self.stored, self.stored_start);
        let state = LoadedState { state_epoch: 1, start_offset: self.stored_start, batches: stored.clone() };
        self.partition = SharePartition::load(&state).expect("what was written is good");
        self.partition.log_start_moved(self.log_start);
        self.known.clear();
        for offset in self.partition.start_offset()..self.partition.end_offset() {
            let batch = stored.iter().find(|batch| (batch.first_offset..=batch.last_offset).contains(&offset));
            let known = match batch.map(|batch| (batch.delivery_state, batch.delivery_count)) {
                Some((Available, count)) => (Known::Available, count),
                Some((_, count)) => (Known::Done, count),
                None => (Known::Available, 0),
            };
            self.known.insert(offset, known);
        }
    }

    fn check(&self) {
        let (start, end) = (self.partition.start_offset(), self.partition.end_offset());
        for (offset, (known, times)) in &self.known {
            if *offset < start {
                assert_eq!(*known, Known::Done, "offset {offset} is left behind, the start is {start}");
            } else {
                assert!(*offset < end);
                let in_flight = self.partition.runs.within(*offset, *offset).next().expect("it has a state").2;
                let expected = match &in_flight.state {
                    State::Available | State::Delayed { .. } => Known::Available,
                    State::Acquired { member, until_ms } => {
                        let member = member.trim_start_matches('m').parse().expect("a number");
                        Known::Acquired { member, until_ms: *until_ms }
                    }
                    State::Writing { .. } | State::Acknowledged | State::Archiving { .. } | State::Archived => {
                        Known::Done
                    }
                };
                assert_eq!((*known, *times), (expected, in_flight.delivery_count), "offset {offset}");
            }
        }
        let open = self.known.values().filter_map(|(known, _)| match known {
            Known::Acquired { until_ms, .. } => Some(*until_ms),
            _ => None,
        });
        assert_eq!(self.partition.next_expiry_ms(), open.min());
    }

    /// A member takes and accepts everything that is left: in the end every record of the log was delivered, or is gone.
    fn drain(&mut self) {
        while !self.under_way.is_empty() {
            self.written(true);
        }
        self.wait(10_000);
        while self.acquire(9, false, 1_000) > 0 {
            let theirs: Vec<i64> = self
                .known
                .iter()
                .filter(|(_, (known, _))| matches!(known, Known::Acquired { member: 9, .. }))
                .map(|(offset, _)| *offset)
                .collect();
            for offset in theirs {
                self.acknowledge(9, offset, 1, &[1]);
            }
            while !self.under_way.is_empty() {
                self.written(true);
            }
            self.check();
        }
        let end = self.batches.last().map_or(0, |(_, last)| last + 1);
        assert_eq!((self.partition.start_offset(), self.partition.end_offset()), (end, end));
        for offset in self.batches.iter().flat_map(|(first, last)| *first..=*last) {
            let was_delivered = self.delivered.contains_key(&offset);
            assert!(was_delivered || offset < self.log_start, "offset {offset} was never delivered");
        }
    }
}

fn given_back(times: i16) -> Known {
    if times >= SMALL.delivery_count_limit { Known::Done } else { Known::Available }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn a_share_partition_does_what_single_offsets_would(steps in steps()) {
        let mut life = Life::new();
        for step in steps {
            match step {
                Step::Acquire { member, is_strict, records_max } => drop(life.acquire(member, is_strict, records_max)),
                Step::Acknowledge { member, first, count, kinds } => life.acknowledge(member, first, count, &kinds),
                Step::Release { member } => life.release(member),
                Step::Written { is_ok } => life.written(is_ok),
                Step::Wait { ms } => life.wait(ms),
                Step::LogStart { offset } => life.log_start(offset),
                Step::Crash => life.crash(),
            }
            life.check();
        }
        life.drain();
    }
}
