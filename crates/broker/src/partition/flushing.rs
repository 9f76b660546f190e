//! Making appended records durable, and what follows from it: the watermark rises, waiters wake.
//!
//! 1. An append with somebody waiting for it asks for a flush at once, any other one queues the partition.
//! 2. The flush task begins a flush under the lock, runs the fdatasync without it, finishes under it. Appends that arrive
//!    meanwhile are covered by the next round, which the same task runs while anybody waits.
//! 3. A failed fdatasync is never repeated: the partition goes offline, see [`super::failing`].

use super::Partition;
use super::jobs::Job;
use super::state::{FlushPhase, OpenLog, State, Status};
use crate::flush::{PARTITION_UNFLUSHED_BYTES_MAX, WRITE_CACHING_FLUSH_INTERVAL};
use ottla_config::TopicConfig;
use ottla_storage::{FlushDone, FlushJob};
use ottla_types::Uuid;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that records which nobody waits for stay unflushed, whatever the configs say.
const FLUSH_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// How urgent a flush is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for the records.
    Now,
    /// Nobody waits: within this time.
    Within(Duration),
}

impl Urgency {
    /// How soon records are flushed that were just appended to a topic with these configs.
    pub(super) fn of_append(config: &TopicConfig, is_awaited: bool) -> Urgency {
        let milliseconds = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0)).min(FLUSH_INTERVAL_MAX);
        let at_the_latest = milliseconds(config.flush_ms);
        match (config.write_caching, is_awaited) {
            (true, _) => Urgency::Within(WRITE_CACHING_FLUSH_INTERVAL.min(at_the_latest)),
            (false, true) => Urgency::Now,
            (false, false) => Urgency::Within(milliseconds(config.write_flush_interval_ms).min(at_the_latest)),
        }
    }
}

impl Partition {
    /// Called by the flush queue when the partition's time has come.
    pub(crate) fn flush_queued(self: &Arc<Self>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let (Status::Online(online), false) = (&mut state.status, state.is_closing) {
            online.open.queued = None;
            self.start_flush(&mut online.open);
        }
    }

    /// Begins a flush if there is anything to flush, records or the seal of a segment.
    pub(super) fn flush_now(self: &Arc<Self>) {
        if let Status::Online(online) = &mut self.lock().status {
            self.start_flush(&mut online.open);
        }
    }

    /// Sees to it that what is appended gets flushed in time.
    pub(super) fn request_flush(self: &Arc<Self>, open: &mut OpenLog, urgency: Urgency) {
        if open.log.flushed_offset() >= open.log.log_end_offset() {
            return;
        }
        let now = self.shared.runtime.now();
        let is_due = urgency == Urgency::Now
            || open.log.dirty_bytes() >= PARTITION_UNFLUSHED_BYTES_MAX
            || open.log.flush_due(now);
        if is_due {
            return self.start_flush(open);
        }
        if let Some(hint) = open.log.take_writeback() {
            self.shared.runtime.spawn("partition.writeback", hint.run());
        }
        let Urgency::Within(time) = urgency else { return };
        let due = now + time;
        if open.queued.is_none_or(|queued| due < queued) {
            open.queued = Some(due);
            self.shared.flush.flush_at(due, Arc::downgrade(self));
        }
    }

    pub(super) fn start_flush(self: &Arc<Self>, open: &mut OpenLog) {
        if open.flush != FlushPhase::Idle {
            open.flush = FlushPhase::RunningAgain;
            return;
        }
        open.flush = FlushPhase::Running;
        let (partition, incarnation, running) = (Arc::clone(self), open.incarnation, self.jobs.begin());
        let dir = open.log.log_dir().id();
        self.shared.runtime.spawn("partition.flush", partition.flush_rounds(incarnation, dir, running));
    }

    async fn flush_rounds(self: Arc<Self>, incarnation: u64, dir: Uuid, _running: Job) {
        loop {
            let _slot = self.shared.flush.slot(dir).await;
            let Some(job) = self.begin_round(incarnation) else { return };
            let started = self.shared.runtime.now();
            let done = job.run().await;
            let elapsed = self.shared.runtime.now().saturating_duration_since(started);
            self.shared.metrics.log.fsync.increment();
            self.shared.metrics.log.fsync_seconds.observe_seconds(elapsed.as_secs_f64());
            if !self.finish_round(incarnation, done) {
                return;
            }
        }
    }

    /// The next round, or the end of the rounds.
    fn begin_round(&self, incarnation: u64) -> Option<FlushJob> {
        let mut state = self.lock();
        let open = state.open(incarnation)?;
        let job = open.log.begin_flush();
        open.flush = if job.is_some() { FlushPhase::Running } else { FlushPhase::Idle };
        job
    }

    /// Whether another round is wanted.
    fn finish_round(self: &Arc<Self>, incarnation: u64, done: FlushDone) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(open) = state.open(incarnation) else { return false };
        if let Err(error) = open.log.finish_flush(done) {
            self.shared.metrics.log.fsync_errors.increment();
            self.go_offline(state, &error.to_string());
            return false;
        }
        self.account_unflushed(open);
        let wants_more = open.flush == FlushPhase::RunningAgain;
        if !wants_more {
            open.flush = FlushPhase::Idle;
        }
        self.note_progress(state);
        wants_more
    }

    /// The watermark rule, after anything that may move it; wakes whoever waited for the new watermark.
    pub(super) fn note_progress(&self, state: &mut State) {
        let Status::Online(online) = &mut state.status else { return };
        let (open, Some(leader)) = (&mut online.open, &mut online.leader) else { return };
        leader.on_local_progress(open.log.log_end_offset(), open.log.flushed_offset());
        let high_watermark = leader.high_watermark();
        assert!(high_watermark >= state.high_watermark, "the high watermark never goes back");
        if high_watermark > state.high_watermark {
            state.high_watermark = high_watermark;
            open.log.on_high_watermark(high_watermark);
            state.watchers.reached(high_watermark);
        }
    }

    /// Tells the node how many bytes of this partition are unflushed.
    pub(super) fn account_unflushed(&self, open: &mut OpenLog) {
        let now = open.log.dirty_bytes();
        self.shared.flush.account(open.accounted_bytes, now);
        open.accounted_bytes = now;
    }
}
