//! A partition as the log of a coordinator's shard: appends in one term only, reads of what is not committed yet.

use super::flushing::Urgency;
use super::state::{OpenLog, State, Status};
use super::{Partition, PartitionError};
use crate::watchers::{Registration, Waiter};
use bytes::Bytes;
use ottla_coordinator::{AppendFailed, BatchKind, LogView, ReadFailed, Term};
use ottla_records::ValidatedBatch;
use ottla_storage::producer_state::Origin;
use ottla_storage::{AppendError, AppendOutcome, ReadPlan};
use ottla_types::ErrorCode;
use std::sync::Arc;

impl Partition {
    /// How the log stands. A watcher is woken when it is worth asking again.
    pub(crate) fn view(&self, watch: Option<(&Arc<Waiter>, &mut Option<Registration>)>) -> LogView {
        let mut guard = self.lock();
        let state = &mut *guard;
        let high_watermark = state.high_watermark;
        if let Some((waiter, registration)) = watch {
            state.watchers.keep(registration, high_watermark + 1, waiter);
        }
        match term(state) {
            Some(term) => LogView::Leading { term, high_watermark },
            None if state.leadership.is_local && !state.is_leaving() => LogView::NotReady,
            None => LogView::NotLeading,
        }
    }

    /// The high watermark, if this node leads the partition and its log is open.
    pub(crate) fn led_high_watermark(&self) -> Option<i64> {
        let mut guard = self.lock();
        let is_led = term(&mut guard).is_some();
        is_led.then_some(guard.high_watermark)
    }

    /// Largest batch that the log takes, in bytes.
    pub(crate) fn batch_bytes_max(&self) -> usize {
        usize::try_from(self.lock().config.max_message_bytes).unwrap_or(0)
    }

    /// The log's first offset and the one after its last, if the term is that of now.
    pub(crate) fn bounds_in(&self, wanted: Term) -> Result<(i64, i64), ReadFailed> {
        let mut guard = self.lock();
        let open = open_in(&mut guard, wanted).ok_or_else(term_ended)?;
        Ok((open.log.log_start_offset(), open.log.log_end_offset()))
    }

    /// Whole batches from the one that holds `offset` on, up to the end of the log.
    pub(crate) async fn read_in(&self, wanted: Term, offset: i64, bytes_max: usize) -> Result<Bytes, ReadFailed> {
        let mut offset = offset;
        loop {
            let (plan, next_segment) = self.plan_in(wanted, offset, bytes_max)?;
            let failed = |error: &dyn std::fmt::Display| ReadFailed(error.to_string());
            let slice = match plan.into_ready() {
                Ok(slice) => slice,
                Err(plan) => plan.run().await.map_err(|error| failed(&error))?,
            };
            if let Some(range) = slice.range {
                let len = usize::try_from(range.len).map_err(|error| failed(&error))?;
                return range.file.read_at(range.offset, len).await.map_err(|error| failed(&error));
            }
            // Compaction may have emptied the end of the closed segments.
            match next_segment {
                Some(next) if offset < next => offset = next,
                _ => return Ok(Bytes::new()),
            }
        }
    }

    fn plan_in(&self, wanted: Term, offset: i64, bytes_max: usize) -> Result<(ReadPlan, Option<i64>), ReadFailed> {
        let mut guard = self.lock();
        let open = open_in(&mut guard, wanted).ok_or_else(term_ended)?;
        let end = open.log.log_end_offset();
        let active = open.log.active_base_offset();
        let plan = open.log.plan_read(offset, bytes_max as u64, end, true);
        Ok((plan.map_err(|error| ReadFailed(error.to_string()))?, (active < end).then_some(active)))
    }

    /// Appends a coordinator's batch, if the term is that of now, and begins its flush; the offset of its first record.
    pub(crate) async fn append_in(
        self: &Arc<Self>,
        wanted: Term,
        batch: &ValidatedBatch,
        kind: BatchKind,
    ) -> Result<i64, AppendFailed> {
        self.shared.flush.room().await;
        loop {
            // Made before the attempt, so that the end of a roll in between is not missed.
            let rolled = self.rolled.notified();
            if let Some(first_offset) = self.try_append_in(wanted, batch, kind)? {
                return Ok(first_offset);
            }
            rolled.await;
        }
    }

    /// `None` while the log rolls, or is switched to another log directory.
    fn try_append_in(
        self: &Arc<Self>,
        wanted: Term,
        batch: &ValidatedBatch,
        kind: BatchKind,
    ) -> Result<Option<i64>, AppendFailed> {
        let now_ms = self.shared.runtime.wall_clock_ms();
        let mut guard = self.lock();
        let state = &mut *guard;
        if term(state) != Some(wanted) {
            return Err(AppendFailed::TermEnded);
        }
        // What nobody waits for is flushed with what comes next, or in a moment.
        let is_awaited = kind != BatchKind::Plain { is_awaited: false };
        let urgency = Urgency::of_append(&state.config, is_awaited);
        let (open, leader) = state.leading().map_err(failed)?;
        if open.is_switching {
            return Ok(None);
        }
        if !leader.has_min_isr() {
            return Err(AppendFailed::NotEnoughReplicas);
        }
        let transaction_version = if let BatchKind::Marker(version) = kind { version } else { 0 };
        if let BatchKind::Transactional(guard) = kind {
            open.verifications
                .check(&open.log, batch.header(), guard)
                .map_err(|error| AppendFailed::Refused(error.code))?;
        }
        let origin = Origin::Coordinator { transaction_version };
        let first_offset = match open.log.append_as_leader(batch, wanted.leader_epoch, origin, now_ms) {
            Ok(AppendOutcome::Appended(done)) => done.first_offset,
            Ok(AppendOutcome::Duplicate { first_offset, .. }) => first_offset,
            Err(AppendError::RollNeeded) => return self.start_roll(open).map(|()| None).map_err(failed),
            Err(AppendError::Producer(refused)) => return Err(AppendFailed::Refused(refused.code())),
            Err(error) => return Err(failed(self.append_failed(state, &error))),
        };
        open.verifications.appended(batch.header());
        self.account_unflushed(open);
        self.request_flush(open, urgency);
        self.note_progress(state);
        self.shared.metrics.log.bytes_written.add(batch.total_len() as u64);
        Ok(Some(first_offset))
    }
}

fn failed(error: PartitionError) -> AppendFailed {
    match error.code {
        ErrorCode::NotLeaderOrFollower | ErrorCode::UnknownTopicOrPartition => AppendFailed::TermEnded,
        _ => AppendFailed::Storage(error.to_string()),
    }
}

fn term_ended() -> ReadFailed {
    ReadFailed("the log is not led any more, or was opened again".to_string())
}

/// The term of now, if this node leads the partition and its log is open.
fn term(state: &mut State) -> Option<Term> {
    let leader_epoch = state.leadership.leader_epoch;
    state.leading().ok().map(|(open, _)| Term { leader_epoch, incarnation: open.incarnation })
}

fn open_in(state: &mut State, wanted: Term) -> Option<&mut OpenLog> {
    if term(state) != Some(wanted) {
        return None;
    }
    match &mut state.status {
        Status::Online(online) => Some(&mut online.open),
        Status::Opening | Status::Offline(_) | Status::Retired(_) => None,
    }
}
