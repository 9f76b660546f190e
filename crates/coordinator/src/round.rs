//! One round: events are decided and applied one after another, and appended together.

use crate::batch::record_len;
use crate::decision::{Change, Decision, ReplySlot, TimerChange};
use crate::error::CoordinatorError;
use crate::handle::Request;
use crate::limits::{NEXT_DEPTH_MAX, REFUSED_TIMER_PAUSE, ROUND_EVENTS_MAX};
use crate::serve::{Active, Ended, Failure};
use crate::shard::{Position, Shard};
use crate::task::Inbox;
use ottla_runtime::Instant;
use std::collections::VecDeque;
use std::time::Duration;

impl<S: Shard> Active<'_, S> {
    /// Handles the first event and all that wait behind it, then the timers that were due when the round began: a heartbeat
    /// that came before its session expired is never overtaken by the expiry.
    pub(super) async fn round(
        &mut self,
        first: Option<Request<S>>,
        notice: Option<S::Event>,
        inbox: &mut Inbox<S>,
    ) -> Result<(), Ended> {
        let began = self.parts.runtime.now();
        if let Some(event) = notice {
            let decision = self.shard.handle(event, None, &self.context());
            self.follow(decision, None).await?;
        }
        let mut next = first.or_else(|| self.has_room().then(|| inbox.requests.try_recv().ok()).flatten());
        let mut taken = 0;
        while let Some(Request { event, answer }) = next.take() {
            let slot = self.replies.open(answer);
            let decision = self.shard.handle(event, Some(slot), &self.context());
            self.follow(decision, Some(slot)).await?;
            taken += 1;
            if taken < ROUND_EVENTS_MAX && self.has_room() {
                next = inbox.requests.try_recv().ok();
            }
        }
        // With more requests in the queue it is not known whether those came in time.
        if taken < ROUND_EVENTS_MAX {
            while let Some(timer) = self.due_timer(began) {
                let decision = self.shard.expired(timer.clone(), &self.context());
                if !self.follow(decision, None).await? {
                    self.timers.schedule(timer, self.parts.runtime.now() + REFUSED_TIMER_PAUSE);
                }
            }
        }
        self.flush().await?;
        self.replies.time_out(began);
        Ok(())
    }

    /// The next timer that is due, unless too much waits already.
    fn due_timer(&mut self, now: Instant) -> Option<S::Timer> {
        if self.has_room() { self.timers.take_due(now) } else { None }
    }

    /// Applies a decision and all that follows from it. `slot` waits for the first one. `false` when the first one was too
    /// large to be applied.
    pub(super) async fn follow(&mut self, decision: Decision<S>, slot: Option<ReplySlot>) -> Result<bool, Ended> {
        let mut events: VecDeque<(usize, S::Event)> = VecDeque::new();
        let is_applied = self.apply(decision, slot, 0, &mut events).await?;
        while let Some((depth, event)) = events.pop_front() {
            assert!(depth <= NEXT_DEPTH_MAX, "events of a coordinator follow from one another without end");
            let decision = self.shard.handle(event, None, &self.context());
            self.apply(decision, None, depth, &mut events).await?;
        }
        Ok(is_applied)
    }

    async fn apply(
        &mut self,
        decision: Decision<S>,
        slot: Option<ReplySlot>,
        depth: usize,
        events: &mut VecDeque<(usize, S::Event)>,
    ) -> Result<bool, Ended> {
        let (count, bytes) = records_of(&decision);
        let fits = self.make_room(count, bytes).await?;
        if !fits && decision.is_atomic {
            self.refuse_too_large(&decision, slot);
            return Ok(false);
        }
        let Decision { subject, changes, replies, timers, effects, next, is_atomic: _ } = decision;
        let own = match fits {
            true => self.apply_changes(subject.as_ref(), changes)?,
            false => self.apply_in_parts(subject.clone(), changes).await?,
        };
        for change in timers {
            match change {
                TimerChange::Schedule { key, after_ms } => {
                    self.timers.schedule(key, self.parts.runtime.now() + Duration::from_millis(after_ms));
                }
                TimerChange::Cancel(key) => self.timers.cancel(&key),
            }
        }
        let depends_on = match (subject.as_ref(), own) {
            // An answer about the shard as a whole.
            (None, None) => self.replies.last_offset(),
            (subject, own) => self.replies.dependency(subject, own),
        };
        let deadline = self.write_deadline();
        for (slot, reply) in replies {
            self.replies.reply(slot, reply, depends_on, deadline);
        }
        for effect in effects {
            if let Some(effect) = self.replies.effect(effect, depends_on) {
                (self.parts.effects)(effect);
            }
        }
        events.extend(next.into_iter().map(|event| (depth + 1, event)));
        Ok(true)
    }

    /// Makes sure that so many records of so many bytes fit into the batch; `false` when they fit into none.
    async fn make_room(&mut self, count: usize, bytes: usize) -> Result<bool, Ended> {
        if count == 0 {
            return Ok(true);
        }
        let bytes_max = self.parts.log.batch_bytes_max();
        if !self.batch.has_room(count, bytes, bytes_max) {
            self.flush().await?;
        }
        Ok(self.batch.has_room(count, bytes, bytes_max))
    }

    /// Applies changes that fit into no batch together.
    async fn apply_in_parts(
        &mut self,
        subject: Option<S::Subject>,
        changes: Vec<Change<S::Volatile>>,
    ) -> Result<Option<i64>, Ended> {
        let mut last = None;
        for change in changes {
            let len = record_bytes(&change);
            if let Some(len) = len
                && !self.make_room(1, len).await?
            {
                tracing::error!(
                    shard = %self.parts.name, ?subject, bytes = len,
                    "a record does not fit into a batch and is left out; raise max.message.bytes of the coordinator's topic"
                );
                continue;
            }
            last = self.apply_changes(subject.as_ref(), vec![change])?.or(last);
        }
        Ok(last)
    }

    fn refuse_too_large(&mut self, decision: &Decision<S>, slot: Option<ReplySlot>) {
        tracing::error!(
            shard = %self.parts.name, subject = ?decision.subject, records = decision.changes.len(),
            "a change does not fit into one batch; raise max.message.bytes of the coordinator's topic"
        );
        for slot in decision.replies.iter().map(|(slot, _)| *slot).chain(slot) {
            self.replies.refuse(slot, CoordinatorError::TooLarge);
        }
    }

    /// The offset of the decision's last record, if it has any.
    fn apply_changes(
        &mut self,
        subject: Option<&S::Subject>,
        changes: Vec<Change<S::Volatile>>,
    ) -> Result<Option<i64>, Ended> {
        let mut last = None;
        let now_ms = self.parts.runtime.wall_clock_ms();
        for change in changes {
            let record = match change {
                Change::Volatile(change) => {
                    self.shard.apply(change);
                    continue;
                }
                Change::Record(record) => record,
            };
            let timestamp_ms = self.batch.timestamp_ms(now_ms);
            let position = Position { offset: self.next_offset, timestamp_ms, producer_id: None };
            if let Err(error) = self.shard.replay(&record, position) {
                // What a shard decides it must be able to read again, or the next load fails. It is not in the log yet, and
                // with the shard it is gone.
                tracing::error!(
                    shard = %self.parts.name, ?subject, %error,
                    "a record that was just decided cannot be replayed: it is not written. This is a bug, please report it"
                );
                return Err(Ended::Failed(Failure::Replay(error)));
            }
            self.batch.push(record, now_ms);
            last = Some(self.next_offset);
            self.next_offset += 1;
        }
        if let (Some(subject), Some(last)) = (subject, last) {
            self.replies.wrote(subject, last);
        }
        Ok(last)
    }
}

/// How many records a decision has, and how many bytes they take in a batch.
fn records_of<S: Shard>(decision: &Decision<S>) -> (usize, usize) {
    let records = decision.changes.iter().filter_map(record_bytes);
    records.fold((0, 0), |(count, bytes), len| (count + 1, bytes + len))
}

fn record_bytes<T>(change: &Change<T>) -> Option<usize> {
    match change {
        Change::Record(record) => Some(record_len(record)),
        Change::Volatile(_) => None,
    }
}
