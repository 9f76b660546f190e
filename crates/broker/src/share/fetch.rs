//! Records for one member: read from the log where something is available, acquired, and cut to what was acquired.
//!
//! A request that finds nothing waits for records, for locks that end, and for what others give back. Of one partition at most
//! [`READ_BYTES_MAX`] are read at a time (more if one batch is larger), whatever the request allows: a member gets some
//! hundred records, and what it does not get would be read in vain.

use super::cached::Cached;
use super::partitions::{SharePartitions, state_key};
use super::settings::Settings;
use crate::partition::{OffsetQuery, Partition, PartitionError, ReadRequest};
use crate::watchers::{Registration, Waiter};
use bytes::Bytes;
use futures_util::future::join_all;
use ottla_records::scan;
use ottla_runtime::Instant;
use ottla_share::{AcquireMode, Acquired, Acquiring, SessionKey, TopicIdPartition};
use ottla_storage::txn_index::AbortedTxn;
use ottla_types::ErrorCode;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of one partition that are read for one request.
const READ_BYTES_MAX: u64 = 1024 * 1024;

/// Share partitions of one request that are loaded at the same time.
const LOADED_AT_ONCE: usize = 64;

/// What a member wants.
pub(crate) struct Wanted {
    pub(crate) session: SessionKey,
    pub(crate) mode: AcquireMode,
    pub(crate) records_max: i64,
    pub(crate) batch_size: i64,
    pub(crate) min_bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) deadline: Instant,
}

/// What it gets of one partition.
#[derive(Default)]
pub(crate) struct Fetched {
    pub(crate) error: Option<PartitionError>,
    /// The log was read, whether or not there was anything.
    pub(crate) is_read: bool,
    pub(crate) records: Bytes,
    pub(crate) acquired: Vec<Acquired>,
}

/// A partition of the request.
struct Target {
    found: Result<(Arc<Cached>, Arc<Partition>), PartitionError>,
    registration: Option<Registration>,
}

/// What was read of a partition.
struct Read {
    fetch_offset: i64,
    bytes: Bytes,
    /// First and last offset of every batch, and where it lies in the bytes.
    batches: Vec<(i64, i64)>,
    /// Those of them whose transactions were aborted.
    aborted: Vec<(i64, i64)>,
    places: Vec<Range<usize>>,
}

impl SharePartitions {
    /// Acquires records of these partitions for a member, in their order; waits while there are none.
    pub(crate) async fn fetch(self: &Arc<Self>, wanted: &Wanted, places: &[TopicIdPartition]) -> Vec<Fetched> {
        let mut targets = Vec::with_capacity(places.len());
        for some in places.chunks(LOADED_AT_ONCE) {
            let found = join_all(some.iter().map(|place| self.find(wanted, *place))).await;
            targets.extend(found.into_iter().map(|found| Target { found, registration: None }));
        }
        let waiter = Waiter::new();
        loop {
            for (target, place) in targets.iter_mut().zip(places) {
                if target.found.as_ref().is_ok_and(|(cached, _)| cached.is_fenced()) {
                    *target = Target { found: self.find(wanted, *place).await, registration: None };
                }
            }
            let is_last = self.runtime.now() >= wanted.deadline;
            let settings = self.settings(&wanted.session.group_id);
            let reads = self.read(wanted, &settings, &mut targets, &waiter).await;
            let bytes: u64 = reads.iter().flatten().map(|read| read.bytes.len() as u64).sum();
            let waits_for_any = targets.iter().any(|target| target.found.is_ok());
            if bytes >= wanted.min_bytes.min(READ_BYTES_MAX) || is_last || !waits_for_any {
                let before = positions(&targets);
                let fetched = self.acquire(wanted, &settings, &targets, reads);
                let has_any = fetched.iter().any(|fetched| !fetched.acquired.is_empty());
                if has_any || is_last || !waits_for_any || wanted.min_bytes == 0 {
                    return fetched;
                }
                // What was read was not to be handed out; more may lie behind it.
                if positions(&targets) != before {
                    continue;
                }
            }
            let left = wanted.deadline.saturating_duration_since(self.runtime.now());
            // At the deadline whatever there is is taken.
            let _ = self.runtime.timeout(left, waiter.woken()).await;
        }
    }

    async fn find(
        self: &Arc<Self>,
        wanted: &Wanted,
        (topic_id, index): TopicIdPartition,
    ) -> Result<(Arc<Cached>, Arc<Partition>), PartitionError> {
        let cached = self.get_or_load(&state_key(&wanted.session.group_id, topic_id, index)).await?;
        Ok((cached, self.states.partitions.by_id(topic_id, index)?))
    }

    /// Reads every partition where something may be acquired.
    async fn read(
        &self,
        wanted: &Wanted,
        settings: &Settings,
        targets: &mut [Target],
        waiter: &Arc<Waiter>,
    ) -> Vec<Option<Read>> {
        let share = (wanted.max_bytes / targets.len().max(1) as u64).clamp(1, READ_BYTES_MAX);
        let mut reads = Vec::with_capacity(targets.len());
        let mut bytes_read = 0;
        for target in targets {
            let Ok((cached, partition)) = &target.found else {
                reads.push(None);
                continue;
            };
            // Registered first: what happens after the look wakes.
            cached.watch(waiter);
            let request = ReadRequest {
                offset: 0,
                current_leader_epoch: -1,
                last_fetched_epoch: -1,
                max_bytes: share,
                at_least_one_batch: bytes_read == 0,
                read_committed: settings.is_read_committed,
            };
            let watch = (waiter, &mut target.registration);
            match self.read_one(cached, partition, settings, request, watch).await {
                Ok(read) => {
                    bytes_read += read.as_ref().map_or(0, |read| read.bytes.len());
                    reads.push(read);
                }
                Err(error) => {
                    self.forget(cached);
                    target.found = Err(error);
                    reads.push(None);
                }
            }
        }
        reads
    }

    async fn read_one(
        &self,
        cached: &Arc<Cached>,
        partition: &Arc<Partition>,
        settings: &Settings,
        mut request: ReadRequest,
        (waiter, registration): (&Arc<Waiter>, &mut Option<Registration>),
    ) -> Result<Option<Read>, PartitionError> {
        // Once more when the log begins later by now.
        for is_retry in [false, true] {
            request.offset = {
                let core = cached.lock();
                if !core.may_acquire(&settings.limits) {
                    return Ok(None);
                }
                core.next_fetch_offset()
            };
            let outcome = match partition.read(&request, Some((waiter, &mut *registration))).await {
                Ok(outcome) => outcome,
                Err(error) if error.code == ErrorCode::OffsetOutOfRange && !is_retry => {
                    let earliest = self.offset(partition, OffsetQuery::Earliest).await?;
                    cached.lock().log_start_moved(earliest);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(range) = outcome.range else {
                return Ok(Some(Read::new(request.offset, Bytes::new(), Vec::new())));
            };
            let len = usize::try_from(range.len).unwrap_or(usize::MAX);
            let bytes = range.file.read_at(range.offset, len).await.map_err(|error| {
                PartitionError::storage(format!("records cannot be read: {error}. Next step: look at the disk"))
            })?;
            return Ok(Some(Read::new(request.offset, bytes, outcome.aborted.unwrap_or_default())));
        }
        Ok(None)
    }

    fn acquire(
        &self,
        wanted: &Wanted,
        settings: &Settings,
        targets: &[Target],
        reads: Vec<Option<Read>>,
    ) -> Vec<Fetched> {
        let mut left = wanted.records_max;
        let acquire = |(target, read): (&Target, Option<Read>)| {
            let (cached, read) = match (&target.found, read) {
                (Err(error), _) => return Fetched { error: Some(error.clone()), ..Fetched::default() },
                (Ok(_), None) => return Fetched::default(),
                (Ok((cached, _)), Some(read)) => (cached, read),
            };
            let now_ms = self.now_ms();
            let acquiring = Acquiring {
                member: &wanted.session.member_id,
                now_ms,
                mode: wanted.mode,
                records_max: left,
                batch_size: wanted.batch_size,
                fetch_offset: read.fetch_offset,
                batches: &read.batches,
                aborted: &read.aborted,
            };
            let acquired = {
                let mut core = cached.lock();
                if cached.is_fenced() {
                    return Fetched::default();
                }
                core.acquire(&acquiring, &settings.limits)
            };
            if !acquired.is_empty() {
                cached.locked_until(now_ms.saturating_add(settings.limits.lock_duration_ms));
            }
            let count = acquired.iter().map(|records| records.last_offset - records.first_offset + 1).sum::<i64>();
            left -= count;
            self.metrics().records_acquired.add(u64::try_from(count).unwrap_or(0));
            Fetched { error: None, is_read: true, records: read.cut_to(&acquired), acquired }
        };
        targets.iter().zip(reads).map(acquire).collect()
    }
}

/// From where each partition is read next.
fn positions(targets: &[Target]) -> Vec<Option<i64>> {
    let position = |target: &Target| Some(target.found.as_ref().ok()?.0.lock().next_fetch_offset());
    targets.iter().map(position).collect()
}

impl Read {
    /// `transactions` are those that were aborted, as the log's transaction index knows them.
    fn new(fetch_offset: i64, bytes: Bytes, mut transactions: Vec<AbortedTxn>) -> Read {
        let (mut batches, mut places, mut aborted) = (Vec::new(), Vec::new(), Vec::new());
        transactions.sort_by_key(|transaction| transaction.first_offset);
        let mut begun = transactions.into_iter().peekable();
        let mut open = BTreeSet::new();
        // A batch that is cut off at the end is not there; damage was found when it was written or recovered.
        for (header, place) in scan(&bytes, false).map_while(Result::ok) {
            let range = (header.base_offset, header.last_offset());
            while let Some(transaction) = begun.next_if(|transaction| transaction.first_offset <= range.1) {
                open.insert(transaction.producer_id);
            }
            // The marker ends a transaction; offsets of markers are handed out, and clients report them.
            if header.is_control() {
                open.remove(&header.producer_id);
            } else if header.is_transactional() && open.contains(&header.producer_id) {
                aborted.push(range);
            }
            batches.push(range);
            places.push(place);
        }
        Read { fetch_offset, bytes, batches, aborted, places }
    }

    /// The batches that hold what was acquired.
    fn cut_to(&self, acquired: &[Acquired]) -> Bytes {
        let (Some(first), Some(last)) = (acquired.first(), acquired.last()) else { return Bytes::new() };
        let holds = |(base, end): &(i64, i64)| *end >= first.first_offset && *base <= last.last_offset;
        let mut held = self.batches.iter().zip(&self.places).filter(|(batch, _)| holds(batch)).map(|(_, place)| place);
        let Some(begin) = held.next() else { return Bytes::new() };
        let end = held.next_back().unwrap_or(begin).end;
        self.bytes.slice(begin.start..end)
    }
}
