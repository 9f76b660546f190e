//! Reading records for a Fetch.

use super::flushing::Urgency;
use super::offsets::beginning;
use super::state::OpenLog;
use super::{Partition, PartitionError};
use crate::watchers::{Registration, Waiter};
use ottla_records::scan;
use ottla_runtime::FileRange;
use ottla_storage::leader_epoch_cache::EpochEntry;
use ottla_storage::txn_index::AbortedTxn;
use ottla_storage::{AbortedLookup, Log, LogSlice, ReadPlan};
use ottla_types::{ErrorCode, LeaderEpoch};
use std::sync::Arc;

/// With more aborted transactions than this in an answer, those behind its records are left out at the cost of reading them.
const ABORTED_UNFILTERED_MAX: usize = 100;

/// One partition of a Fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadRequest {
    pub(crate) offset: i64,
    /// -1: not known.
    pub(crate) current_leader_epoch: i32,
    /// -1: not known.
    pub(crate) last_fetched_epoch: i32,
    pub(crate) max_bytes: u64,
    /// Whether the first batch is wanted even if it is larger than `max_bytes`.
    pub(crate) at_least_one_batch: bool,
    pub(crate) read_committed: bool,
}

/// What a read found.
#[derive(Debug, Clone)]
pub(crate) struct ReadOutcome {
    pub(crate) range: Option<FileRange>,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    pub(crate) log_start_offset: i64,
    /// The log diverges from what the reader has: the epoch and its end here (KIP-595).
    pub(crate) diverging_epoch: Option<(LeaderEpoch, i64)>,
    /// Aborted transactions that the records may belong to; None for readers of everything.
    pub(crate) aborted: Option<Vec<AbortedTxn>>,
    /// The fetch is not to wait for more, whatever it has.
    pub(crate) answers_at_once: bool,
}

impl ReadOutcome {
    /// Bytes of records.
    pub(crate) fn bytes(&self) -> u64 {
        self.range.as_ref().map_or(0, |range| range.len)
    }
}

/// A read as it stands when the lock is released.
struct Begun {
    outcome: ReadOutcome,
    plan: ReadPlan,
    aborted: Option<AbortedLookup>,
    incarnation: u64,
    active_base_offset: i64,
}

/// Who waits if there is not enough, and where it is registered.
pub(crate) type Watch<'a> = (&'a Arc<Waiter>, &'a mut Option<Registration>);

impl Partition {
    /// Reads from `request.offset` to the high watermark, or the last stable offset. A watcher is woken when the watermark rises beyond what this read
    /// could see.
    pub(crate) async fn read(
        self: &Arc<Self>,
        request: &ReadRequest,
        watch: Option<Watch<'_>>,
    ) -> Result<ReadOutcome, PartitionError> {
        let Begun { mut outcome, plan, aborted, incarnation, active_base_offset } = self.begin_read(request, watch)?;
        if outcome.diverging_epoch.is_some() {
            return Ok(outcome);
        }
        let slice = match plan.into_ready() {
            Ok(slice) => slice,
            Err(plan) => self.read_from_disk(plan, request.offset, incarnation).await?,
        };
        // Either more waits here than fits into what is left of the response, or the rest is in the next segment, which a
        // read does not reach: waiting gives nothing more.
        outcome.answers_at_once =
            slice.first_batch_incomplete || slice.range.is_some() && request.offset < active_base_offset;
        outcome.range = slice.range;
        if let Some(lookup) = aborted {
            outcome.aborted = Some(self.aborted_in(lookup, outcome.range.as_ref(), request.offset, incarnation).await?);
        }
        Ok(outcome)
    }

    fn begin_read(self: &Arc<Self>, request: &ReadRequest, watch: Option<Watch<'_>>) -> Result<Begun, PartitionError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.check_epoch(request.current_leader_epoch)?;
        let high_watermark = state.high_watermark;
        let (open, leader) = state.leading()?;
        let log_end_offset = open.log.log_end_offset();
        let last_stable_offset = last_stable_offset(&open.log, high_watermark);
        let upper_offset = if request.read_committed { last_stable_offset } else { high_watermark };
        let out_of_range = |message: String| PartitionError::of(ErrorCode::OffsetOutOfRange, message);
        let plan = open
            .log
            .plan_read(request.offset, request.max_bytes, upper_offset, request.at_least_one_batch)
            .map_err(|error| error.to_string());
        let diverging_epoch = diverging_epoch(open, request, beginning(leader))?;
        let plan = match (plan, diverging_epoch) {
            (Ok(plan), _) => plan,
            // A reader whose log parted from this one may be beyond its end; it is told where they parted.
            (Err(_), Some(_)) if request.offset >= open.log.log_start_offset() => empty_plan(open),
            (Err(message), _) => return Err(out_of_range(message)),
        };
        let outcome = ReadOutcome {
            range: None,
            high_watermark,
            last_stable_offset,
            log_start_offset: open.log.log_start_offset(),
            diverging_epoch,
            aborted: (request.read_committed && diverging_epoch.is_none()).then(Vec::new),
            answers_at_once: diverging_epoch.is_some(),
        };
        let (incarnation, active_base_offset) = (open.incarnation, open.log.active_base_offset());
        let aborted = outcome.aborted.is_some() && request.offset < upper_offset;
        let aborted = aborted.then(|| open.log.plan_aborted_transactions(request.offset, upper_offset));
        if let Some((waiter, registration)) = watch {
            // A consumer waits at the watermark: what is behind it is flushed at once. With write caching nothing is.
            if (high_watermark..log_end_offset).contains(&request.offset) {
                self.request_flush(open, Urgency::Now);
            }
            state.watchers.keep(registration, high_watermark + 1, waiter);
        }
        Ok(Begun { outcome, plan, aborted, incarnation, active_base_offset })
    }

    /// The part of a read that may wait for the disk. The log may have been cut, deleted or shortened meanwhile.
    async fn read_from_disk(&self, plan: ReadPlan, offset: i64, incarnation: u64) -> Result<LogSlice, PartitionError> {
        self.unless_reopened(plan.run().await, offset, incarnation)
    }

    /// The aborted transactions that records of the range may belong to.
    async fn aborted_in(
        &self,
        lookup: AbortedLookup,
        range: Option<&FileRange>,
        offset: i64,
        incarnation: u64,
    ) -> Result<Vec<AbortedTxn>, PartitionError> {
        let Some(range) = range else { return Ok(Vec::new()) };
        let mut aborted = self.unless_reopened(lookup.run().await, offset, incarnation)?;
        if aborted.len() > ABORTED_UNFILTERED_MAX {
            // They are all up to the last stable offset; those behind the range would come with every fetch.
            let bytes = range.file.read_at(range.offset, usize::try_from(range.len).unwrap_or(usize::MAX)).await;
            let bytes = bytes.map_err(|error| PartitionError::storage(format!("{error}. Next step: try again")))?;
            let headers = scan(&bytes, false).map_while(Result::ok);
            if let Some(end) = headers.last().map(|(header, _)| header.next_offset()) {
                // The last batch may be cut, and then reaches further; it comes again with the next fetch.
                aborted.retain(|transaction| transaction.first_offset < end);
            }
        }
        Ok(aborted)
    }

    fn unless_reopened<T>(
        &self,
        read: Result<T, ottla_storage::LogError>,
        offset: i64,
        incarnation: u64,
    ) -> Result<T, PartitionError> {
        let mut state = self.lock();
        let (open, _) = state.leading()?;
        if open.incarnation != incarnation {
            let message = "the log was opened again meanwhile; try again";
            return Err(PartitionError::of(ErrorCode::NotLeaderOrFollower, message));
        }
        read.map_err(|error| match offset < open.log.log_start_offset() {
            true => PartitionError::of(ErrorCode::OffsetOutOfRange, format!("offset {offset} was deleted meanwhile")),
            false => self.read_error(&error),
        })
    }

    pub(super) fn read_error(&self, error: &ottla_storage::LogError) -> PartitionError {
        tracing::error!(topic = %self.topic, partition = self.index, %error, "a read failed");
        let next_step = "look at the disk of the log directory; what can be read there is served again by itself";
        PartitionError::storage(error.with_next_step(next_step))
    }
}

/// What read_committed consumers may see: nothing at or above the first open transaction, and no transaction whose marker is
/// not below the high watermark.
pub(super) fn last_stable_offset(log: &Log, high_watermark: i64) -> i64 {
    log.first_unstable_offset().map_or(high_watermark, |unstable| unstable.min(high_watermark))
}

/// A plan that finds nothing.
fn empty_plan(open: &OpenLog) -> ReadPlan {
    let end = open.log.log_end_offset();
    open.log.plan_read(end, 0, end, false).expect("the end of a log is inside it")
}

/// Where the reader's last epoch ends here, if that is before its position (KIP-595).
fn diverging_epoch(
    open: &OpenLog,
    request: &ReadRequest,
    current: EpochEntry,
) -> Result<Option<(LeaderEpoch, i64)>, PartitionError> {
    if request.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let requested = LeaderEpoch(request.last_fetched_epoch);
    let Some((epoch, end)) = open.log.offset_for_leader_epoch(requested, current) else {
        let message = format!("the log knows no end of the last fetched epoch {requested}");
        return Err(PartitionError::of(ErrorCode::OffsetOutOfRange, message));
    };
    let diverges = epoch < requested || end < request.offset;
    Ok(diverges.then_some((epoch, end)))
}
