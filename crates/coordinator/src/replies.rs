//! Who waits for a shard, and what they wait for.
//!
//! 1. A request opens a slot.
//! 2. Its answer is bound to the last offset that its subject depends on, and leaves when the high watermark passes that, at
//!    once if it has.
//! 3. One that waits too long is answered WriteTimedOut, and 2. no longer finds it.
//! 4. Slots that are still there when the shard is dropped are answered with the reason.

use crate::decision::ReplySlot;
use crate::error::CoordinatorError;
use crate::handle::MarkerAnswer;
use crate::shard::Shard;
use ottla_runtime::Instant;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tokio::sync::oneshot;

/// Where an answer goes.
pub(crate) type Answer<S> = oneshot::Sender<Result<<S as Shard>::Reply, CoordinatorError>>;

/// Below this many slots no sweep for abandoned ones is worth while.
const SWEEP_SLOTS_MIN: usize = 256;

/// What leaves when its offset is committed. The first part of its key is that offset.
type Key = (i64, u64);

enum Deferred<S: Shard> {
    Reply(ReplySlot, S::Reply),
    Effect(S::Effect),
    Marker(MarkerAnswer),
}

/// The slots, the answers under way and the subjects of one shard.
pub(crate) struct Replies<S: Shard> {
    /// Everything below is committed.
    high_watermark: i64,
    slots: BTreeMap<ReplySlot, Answer<S>>,
    next_slot: u64,
    /// Slots after the last sweep.
    swept: usize,
    deferred: BTreeMap<Key, Deferred<S>>,
    next_number: u64,
    /// By when a deferred reply is given up, earliest first.
    deadlines: VecDeque<(Instant, ReplySlot, Key)>,
    /// The last record of every subject that has uncommitted ones.
    last_offsets: BTreeMap<S::Subject, i64>,
    subjects: BTreeSet<(i64, S::Subject)>,
    /// The last record that was there when the shard was loaded, or that was written about no subject in particular: until it is
    /// committed everything depends on it.
    floor: i64,
}

impl<S: Shard> Replies<S> {
    /// Nothing waits yet, and the log holds what was loaded up to `next_offset`.
    pub(crate) fn new(high_watermark: i64, next_offset: i64) -> Replies<S> {
        Replies {
            high_watermark,
            slots: BTreeMap::new(),
            next_slot: 0,
            swept: 0,
            deferred: BTreeMap::new(),
            next_number: 0,
            deadlines: VecDeque::new(),
            last_offsets: BTreeMap::new(),
            subjects: BTreeSet::new(),
            floor: next_offset - 1,
        }
    }

    /// A slot for whoever waits at `answer`.
    pub(crate) fn open(&mut self, answer: Answer<S>) -> ReplySlot {
        if self.slots.len() >= SWEEP_SLOTS_MIN.max(2 * self.swept) {
            self.slots.retain(|_, answer| !answer.is_closed());
            self.swept = self.slots.len();
        }
        let slot = ReplySlot(self.next_slot);
        self.next_slot += 1;
        self.slots.insert(slot, answer);
        slot
    }

    /// A record about `subject`, or about any that there are, will have this offset, higher than all before.
    pub(crate) fn wrote(&mut self, subject: Option<&S::Subject>, offset: i64) {
        let Some(subject) = subject else {
            self.floor = offset;
            return;
        };
        if let Some(before) = self.last_offsets.insert(subject.clone(), offset) {
            self.subjects.remove(&(before, subject.clone()));
        }
        self.subjects.insert((offset, subject.clone()));
    }

    /// The last offset that an answer about `subject` depends on, when its own decision wrote up to `own`.
    pub(crate) fn dependency(&self, subject: Option<&S::Subject>, own: Option<i64>) -> i64 {
        let of_subject = subject.and_then(|subject| self.last_offsets.get(subject)).copied();
        own.into_iter().chain(of_subject).fold(self.floor, i64::max)
    }

    /// The last offset that any answer can depend on.
    pub(crate) fn last_offset(&self) -> i64 {
        self.subjects.last().map_or(self.floor, |(offset, _)| self.floor.max(*offset))
    }

    /// Answers a slot as soon as `offset` is committed, or with an error at `deadline`. A slot that is gone is passed over.
    pub(crate) fn reply(&mut self, slot: ReplySlot, reply: S::Reply, offset: i64, deadline: Instant) {
        if offset < self.high_watermark {
            self.answer(slot, Ok(reply));
        } else if self.slots.contains_key(&slot) {
            let key = self.defer(offset, Deferred::Reply(slot, reply));
            self.deadlines.push_back((deadline, slot, key));
        }
    }

    /// Answers a slot at once.
    pub(crate) fn refuse(&mut self, slot: ReplySlot, error: CoordinatorError) {
        self.answer(slot, Err(error));
    }

    /// Gives the effect back when it may happen at once; keeps it until `offset` is committed otherwise.
    pub(crate) fn effect(&mut self, effect: S::Effect, offset: i64) -> Option<S::Effect> {
        if offset < self.high_watermark {
            return Some(effect);
        }
        self.defer(offset, Deferred::Effect(effect));
        None
    }

    /// Answers whoever waits for the marker at `offset` when it is committed.
    pub(crate) fn marker(&mut self, answer: MarkerAnswer, offset: i64) {
        self.defer(offset, Deferred::Marker(answer));
    }

    /// Everything below `high_watermark` is committed: answers leave, subjects are forgotten. Gives the effects that may
    /// happen now.
    pub(crate) fn committed(&mut self, high_watermark: i64) -> Vec<S::Effect> {
        self.high_watermark = self.high_watermark.max(high_watermark);
        let mut effects = Vec::new();
        while let Some(first) = self.deferred.first_entry() {
            if first.key().0 >= self.high_watermark {
                break;
            }
            match first.remove() {
                Deferred::Reply(slot, reply) => self.answer(slot, Ok(reply)),
                Deferred::Effect(effect) => effects.push(effect),
                Deferred::Marker(answer) => drop(answer.send(Ok(()))),
            }
        }
        while self.subjects.first().is_some_and(|(offset, _)| *offset < self.high_watermark) {
            if let Some((_, subject)) = self.subjects.pop_first() {
                self.last_offsets.remove(&subject);
            }
        }
        while self.deadlines.front().is_some_and(|(_, _, key)| !self.deferred.contains_key(key)) {
            self.deadlines.pop_front();
        }
        effects
    }

    /// When the next reply is given up.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _, _)| *deadline)
    }

    /// Gives up every reply whose deadline is `now` or earlier.
    pub(crate) fn time_out(&mut self, now: Instant) {
        while let Some((_, slot, key)) = self.deadlines.pop_front_if(|(deadline, _, _)| *deadline <= now) {
            if self.deferred.remove(&key).is_some() {
                self.answer(slot, Err(CoordinatorError::WriteTimedOut));
            }
        }
    }

    /// The shard is gone.
    pub(crate) fn fail_all(&mut self, error: CoordinatorError) {
        self.deferred.clear();
        self.deadlines.clear();
        for (_, answer) in std::mem::take(&mut self.slots) {
            // Whoever went away does not want it.
            let _ = answer.send(Err(error));
        }
    }

    /// Whether a reply or an effect waits until `offset`, or what is behind it, is committed.
    pub(crate) fn waits_since(&self, offset: i64) -> bool {
        self.deferred.last_key_value().is_some_and(|((last, _), _)| *last >= offset)
    }

    /// Replies and effects that wait for the high watermark.
    pub(crate) fn deferred(&self) -> usize {
        self.deferred.len()
    }

    fn defer(&mut self, offset: i64, what: Deferred<S>) -> Key {
        let key = (offset, self.next_number);
        self.next_number += 1;
        self.deferred.insert(key, what);
        key
    }

    fn answer(&mut self, slot: ReplySlot, answer: Result<S::Reply, CoordinatorError>) {
        if let Some(waiting) = self.slots.remove(&slot) {
            let _ = waiting.send(answer);
        }
    }
}

#[cfg(test)]
impl<S: Shard> Replies<S> {
    /// Slots, deferred answers, deadlines, subjects: what must be empty when nothing goes on.
    pub(crate) fn sizes(&self) -> [usize; 4] {
        assert_eq!(self.last_offsets.len(), self.subjects.len());
        [self.slots.len(), self.deferred.len(), self.deadlines.len(), self.subjects.len()]
    }
}
