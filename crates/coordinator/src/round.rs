//! One round: events are decided and applied one after another, and appended together.

use crate::decision::{Decision, ReplySlot, TimerChange};
use crate::handle::Request;
use crate::limits::{NEXT_DEPTH_MAX, REFUSED_TIMER_PAUSE, ROUND_EVENTS_MAX};
use crate::serve::{Active, Ended};
use crate::shard::Shard;
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
            let context = self.context();
            let decision = self.shard.handle(event, None, &context);
            self.follow(decision, None).await?;
        }
        let mut next = first.or_else(|| self.has_room().then(|| inbox.requests.try_recv().ok()).flatten());
        let mut taken = 0;
        while let Some(request) = next.take() {
            match request {
                Request::Event { event, answer } => {
                    let slot = self.replies.open(answer);
                    let context = self.context();
                    let decision = self.shard.handle(event, Some(slot), &context);
                    self.follow(decision, Some(slot)).await?;
                }
                Request::EndTransaction { end, answer } => self.end_transaction(end, answer).await?,
            }
            taken += 1;
            if taken < ROUND_EVENTS_MAX && self.has_room() {
                next = inbox.requests.try_recv().ok();
            }
        }
        // With more requests in the queue it is not known whether those came in time.
        if taken < ROUND_EVENTS_MAX {
            while let Some(timer) = self.due_timer(began) {
                let context = self.context();
                let decision = self.shard.expired(timer.clone(), &context);
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

    /// Applies a decision and all that follows from it. `slot` waits for the first one. `false` when the first one was
    /// too large to be applied, or refused.
    pub(super) async fn follow(&mut self, decision: Decision<S>, slot: Option<ReplySlot>) -> Result<bool, Ended> {
        let mut events: VecDeque<(usize, S::Event)> = VecDeque::new();
        let is_applied = self.apply(decision, slot, 0, &mut events).await?;
        while let Some((depth, event)) = events.pop_front() {
            assert!(depth <= NEXT_DEPTH_MAX, "events of a coordinator follow from one another without end");
            let context = self.context();
            let decision = self.shard.handle(event, None, &context);
            self.apply(decision, None, depth, &mut events).await?;
        }
        Ok(is_applied)
    }

    async fn apply(
        &mut self,
        mut decision: Decision<S>,
        slot: Option<ReplySlot>,
        depth: usize,
        events: &mut VecDeque<(usize, S::Event)>,
    ) -> Result<bool, Ended> {
        let own = match self.write(&mut decision).await? {
            Ok(own) => own,
            Err(error) => {
                self.refuse(&decision, slot, error);
                return Ok(false);
            }
        };
        let Decision { subject, replies, timers, effects, next, .. } = decision;
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
}
