//! Handing records out (KIP-932, KIP-1206).

use super::in_flight::{InFlight, State};
use super::{Limits, SharePartition};
use std::sync::Arc;

/// How many records an acquisition takes (KIP-1206).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireMode {
    /// Whole batches of the log, so that about `records_max` are taken.
    BatchOptimized,
    /// Never more than `records_max`.
    RecordLimit,
}

/// What a member wants, and what was read for it.
#[derive(Debug, Clone)]
pub struct Acquiring<'a> {
    /// Who.
    pub member: &'a Arc<str>,
    /// Now.
    pub now_ms: i64,
    /// How `records_max` counts.
    pub mode: AcquireMode,
    /// Records.
    pub records_max: i64,
    /// Records of one entry of the answer, about (batch-optimized only).
    pub batch_size: i64,
    /// From where the log was read.
    pub fetch_offset: i64,
    /// First and last offset of every batch that was read, in order.
    pub batches: &'a [(i64, i64)],
    /// First and last offset of the batches among them whose transactions were aborted, in order: they are not handed out.
    pub aborted: &'a [(i64, i64)],
}

/// Records that a member has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acquired {
    /// First offset.
    pub first_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// How often they were delivered, this time included.
    pub delivery_count: i16,
}

/// How much may still be taken.
struct Room {
    left: i64,
    taken: Vec<Acquired>,
    /// Records that failed often are handed out in small portions: no more after this one.
    is_closed: bool,
}

/// From this delivery count on portions are halved with every attempt, so that a bad record ends up alone.
const ISOLATE_FROM_MIN: i16 = 2;

impl SharePartition {
    /// Gives a member what is available of what was read, and locks it.
    pub fn acquire(&mut self, acquiring: &Acquiring<'_>, limits: &Limits) -> Vec<Acquired> {
        let (Some((base, _)), Some((_, last))) = (acquiring.batches.first(), acquiring.batches.last()) else {
            return Vec::new();
        };
        let (base, last) = (*base, *last);
        if acquiring.records_max <= 0 || last < self.start_offset {
            return Vec::new();
        }
        self.archive_hole(acquiring.fetch_offset, base);
        let mut room = Room { left: acquiring.records_max, taken: Vec::new(), is_closed: false };
        let portions = self.available_portions(base.max(self.start_offset), last, &mut room, limits);
        let until_ms = acquiring.now_ms.saturating_add(limits.lock_duration_ms);
        for (first, last, delivery_count) in portions {
            self.runs.set(first, last, InFlight::acquired(acquiring.member, until_ms, delivery_count));
            room.taken.push(Acquired { first_offset: first, last_offset: last, delivery_count });
        }
        let reaches_new = base <= self.end_offset && last >= self.end_offset;
        if !room.is_closed && room.left > 0 && reaches_new {
            self.acquire_new(acquiring, last, &mut room, until_ms, limits);
        }
        let taken = self.without_aborted(room.taken, acquiring.aborted);
        self.advance_start();
        taken
    }

    /// Archives what aborted transactions left among the records taken.
    fn without_aborted(&mut self, taken: Vec<Acquired>, aborted: &[(i64, i64)]) -> Vec<Acquired> {
        if aborted.is_empty() {
            return taken;
        }
        let mut kept = Vec::with_capacity(taken.len());
        for records in taken {
            let mut from = records.first_offset;
            for (first, last) in aborted {
                let (first, last) = ((*first).max(from), (*last).min(records.last_offset));
                if first > last {
                    continue;
                }
                self.runs.set(first, last, InFlight::archived(records.delivery_count));
                if from < first {
                    kept.push(Acquired { first_offset: from, last_offset: first - 1, ..records });
                }
                from = last + 1;
            }
            if from <= records.last_offset {
                kept.push(Acquired { first_offset: from, ..records });
            }
        }
        kept
    }

    /// A read from `from` found nothing below `base`: the log holds nothing there (any more).
    fn archive_hole(&mut self, from: i64, base: i64) {
        let from = from.max(self.start_offset);
        if from >= base {
            return;
        }
        let is_available = |record: &InFlight| record.state == State::Available;
        self.runs.change(from, base - 1, |_, _, record| {
            is_available(record).then(|| InFlight::archived(record.delivery_count))
        });
        if self.end_offset < base && from <= self.end_offset {
            self.runs.set(self.end_offset, base - 1, InFlight::archived(0));
            self.end_offset = base;
        }
        self.advance_start();
    }

    /// What is available between `first` and `last`, with the delivery counts that it gets.
    fn available_portions(&self, first: i64, last: i64, room: &mut Room, limits: &Limits) -> Vec<(i64, i64, i16)> {
        let limit = limits.delivery_count_limit;
        let isolate_from = ISOLATE_FROM_MIN.max(limit.saturating_add(1) / 2);
        let mut portions = Vec::new();
        for (first, last, record) in self.runs.within(first, last) {
            if record.state != State::Available {
                continue;
            }
            let is_last_attempt = limit > 2 && record.delivery_count >= limit - 1;
            let is_isolated = is_last_attempt || record.delivery_count >= isolate_from;
            if room.left <= 0 || is_isolated && !portions.is_empty() {
                room.is_closed = true;
                break;
            }
            let available = last - first + 1;
            let wanted = match (is_last_attempt, is_isolated) {
                (true, _) => 1,
                (false, true) => (available / 2).max(1),
                (false, false) => available,
            };
            let taken = wanted.min(room.left);
            room.left -= taken;
            portions.push((first, first + taken - 1, record.delivery_count.saturating_add(1)));
            if is_isolated || taken < available {
                room.is_closed = true;
                break;
            }
        }
        portions
    }

    /// Records that were never handed out, up to `last`.
    fn acquire_new(&mut self, acquiring: &Acquiring<'_>, last: i64, room: &mut Room, until_ms: i64, limits: &Limits) {
        let first = self.end_offset;
        let count = room.left.min(limits.in_flight_max - (self.end_offset - self.start_offset));
        if count <= 0 {
            return;
        }
        let wanted_last = first.saturating_add(count - 1).min(last);
        let last = match acquiring.mode {
            AcquireMode::RecordLimit => wanted_last,
            AcquireMode::BatchOptimized => {
                let mut ends = acquiring.batches.iter().map(|(_, last)| *last);
                ends.find(|last| *last >= wanted_last).unwrap_or(wanted_last)
            }
        };
        self.runs.set(first, last, InFlight::acquired(acquiring.member, until_ms, 1));
        self.end_offset = last + 1;
        room.taken.extend(entries(acquiring, first, last));
    }
}

/// The entries of the answer: cut where batches begin, each of about `batch_size` records.
fn entries(acquiring: &Acquiring<'_>, first: i64, last: i64) -> Vec<Acquired> {
    let mut begins = vec![first];
    if acquiring.mode == AcquireMode::BatchOptimized && acquiring.batch_size > 0 {
        for (base, _) in acquiring.batches.iter().filter(|(base, _)| *base > first && *base <= last) {
            if base - begins.last().copied().unwrap_or(first) >= acquiring.batch_size {
                begins.push(*base);
            }
        }
    }
    let ends = begins.iter().skip(1).map(|begin| begin - 1).chain([last]);
    let entry = |(first, last): (&i64, i64)| Acquired { first_offset: *first, last_offset: last, delivery_count: 1 };
    begins.iter().zip(ends).map(entry).collect()
}
