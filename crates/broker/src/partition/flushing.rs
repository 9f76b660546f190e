//! Making appended records durable, and what follows from it: the watermark rises, waiters wake.
//!
//! 1. An append with somebody waiting for it asks for a flush at once, any other one queues the partition.
//! 2. The flush task begins a flush under the lock, runs the fdatasync without it, finishes under it. Appends that arrive
//!    meanwhile are covered by the next round, which the same task runs while anybody waits.
//! 3. A failed fdatasync is never repeated: the partition goes offline, see [`super::opening`].

use super::Partition;
use super::state::{FlushPhase, Online, State, Status};
use crate::flush::PARTITION_UNFLUSHED_BYTES_MAX;
use ottla_storage::{FlushDone, FlushJob};
use std::sync::Arc;
use std::time::Duration;

/// How urgent a flush is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for the records.
    Now,
    /// Nobody waits: within this time.
    Within(Duration),
}

impl Partition {
    /// Called by the queues when the partition's time has come.
    pub(crate) fn flush_queued(self: &Arc<Self>) {
        if let Status::Online(online) = &mut self.lock().status {
            online.is_queued = false;
            self.start_flush(online);
        }
    }

    /// Sees to it that what is appended gets flushed in time.
    pub(super) fn request_flush(self: &Arc<Self>, online: &mut Online, urgency: Urgency) {
        let is_due = urgency == Urgency::Now
            || online.log.dirty_bytes() >= PARTITION_UNFLUSHED_BYTES_MAX
            || online.log.flush_due(self.shared.runtime.now());
        if is_due {
            return self.start_flush(online);
        }
        if let Some(hint) = online.log.take_writeback() {
            self.shared.runtime.spawn("partition.writeback", hint.run());
        }
        if let (Urgency::Within(time), false) = (urgency, online.is_queued) {
            online.is_queued = true;
            self.shared.flush.flush_at(self.shared.runtime.now() + time, Arc::downgrade(self));
        }
    }

    pub(super) fn start_flush(self: &Arc<Self>, online: &mut Online) {
        if online.flush != FlushPhase::Idle {
            online.flush = FlushPhase::RunningAgain;
            return;
        }
        online.flush = FlushPhase::Running;
        let partition = Arc::clone(self);
        self.shared.runtime.spawn("partition.flush", async move { partition.flush_rounds().await });
    }

    async fn flush_rounds(self: Arc<Self>) {
        loop {
            let Some(_slot) = self.shared.flush.slot().await else { return };
            let Some(job) = self.begin_round() else { return };
            let started = self.shared.runtime.now();
            let done = job.run().await;
            let elapsed = self.shared.runtime.now().saturating_duration_since(started);
            self.shared.metrics.log.fsync.increment();
            self.shared.metrics.log.fsync_seconds.observe_seconds(elapsed.as_secs_f64());
            if !self.finish_round(done) {
                return;
            }
        }
    }

    /// The next round, or the end of the rounds.
    fn begin_round(&self) -> Option<FlushJob> {
        let mut state = self.lock();
        let Status::Online(online) = &mut state.status else { return None };
        let job = online.log.begin_flush();
        online.flush = if job.is_some() { FlushPhase::Running } else { FlushPhase::Idle };
        if job.is_none() {
            online.settled.notify_waiters();
        }
        job
    }

    /// Whether another round is wanted.
    fn finish_round(self: &Arc<Self>, done: FlushDone) -> bool {
        let mut state = self.lock();
        let Status::Online(online) = &mut state.status else { return false };
        if let Err(error) = online.log.finish_flush(done) {
            self.shared.metrics.log.fsync_errors.increment();
            self.go_offline(&mut state, &error);
            return false;
        }
        self.account_unflushed(online);
        let wants_more = online.flush == FlushPhase::RunningAgain;
        if !wants_more {
            online.flush = FlushPhase::Idle;
            online.settled.notify_waiters();
        }
        self.note_progress(&mut state);
        wants_more
    }

    /// The watermark rule after an append or a flush; wakes whoever waited for the new watermark.
    pub(super) fn note_progress(&self, state: &mut State) {
        let Status::Online(online) = &mut state.status else { return };
        let before = online.replication.high_watermark();
        online.replication.on_local_progress(online.log.log_end_offset(), online.log.flushed_offset());
        let high_watermark = online.replication.high_watermark();
        if high_watermark > before {
            state.watchers.reached(high_watermark);
        }
    }

    /// Tells the node how many bytes of this partition are unflushed.
    pub(super) fn account_unflushed(&self, online: &mut Online) {
        let now = online.log.dirty_bytes();
        self.shared.flush.account(online.accounted_bytes, now);
        online.accounted_bytes = now;
    }
}
