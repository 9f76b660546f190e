//! Handing records out (KIP-932, KIP-1206).

use super::in_flight::{InFlight, State};
use super::portions::{self, Portion};
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
        let until_ms = acquiring.now_ms.saturating_add(limits.lock_duration_ms);
        let available = self.available(base.max(self.start_offset), last);
        let (portions, is_everything) = portions::take(&available, acquiring.records_max, limits);
        let left = acquiring.records_max - portions.iter().map(Portion::len).sum::<i64>();
        let mut taken = Vec::with_capacity(portions.len());
        for portion in portions {
            let (first_offset, last_offset) = (portion.first_offset, portion.last_offset);
            let delivery_count = portion.delivery_count.saturating_add(1);
            let acquired = InFlight::acquired(acquiring.member, until_ms, delivery_count);
            self.runs.set(first_offset, last_offset, acquired);
            self.batches.add(first_offset, acquiring.batch_end(last_offset));
            taken.push(Acquired { first_offset, last_offset, delivery_count });
        }
        let reaches_new = base <= self.end_offset && last >= self.end_offset;
        if is_everything && left > 0 && reaches_new {
            taken.extend(self.acquire_new(acquiring, last, left, until_ms, limits));
        }
        let taken = self.without_aborted(taken, acquiring.aborted);
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

    /// What is available between `first` and `last`.
    fn available(&self, first: i64, last: i64) -> Vec<Portion> {
        let runs = self.runs.within(first, last).filter(|(_, _, record)| record.state == State::Available);
        portions::portions(runs.map(|(first, last, record)| (first, last, record.delivery_count)), &self.batches)
            .collect()
    }

    /// Records that were never handed out, up to `last`.
    fn acquire_new(
        &mut self,
        acquiring: &Acquiring<'_>,
        last: i64,
        left: i64,
        until_ms: i64,
        limits: &Limits,
    ) -> Vec<Acquired> {
        let first = self.end_offset;
        let count = left.min(limits.in_flight_max - (self.end_offset - self.start_offset));
        if count <= 0 {
            return Vec::new();
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
        let entries = entries(acquiring, first, last);
        for entry in &entries {
            let last_offset = if entry.last_offset == last { acquiring.batch_end(last) } else { entry.last_offset };
            self.batches.add(entry.first_offset, last_offset);
        }
        entries
    }
}

impl Acquiring<'_> {
    /// The end of the batch of the log that holds `offset`: with a record limit the rest of it is available, and belongs to the
    /// same in-flight batch.
    fn batch_end(&self, offset: i64) -> i64 {
        let place = self.batches.partition_point(|(_, last)| *last < offset);
        self.batches.get(place).filter(|(base, _)| *base <= offset).map_or(offset, |(_, last)| *last)
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
