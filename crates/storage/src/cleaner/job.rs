//! One cleaning of one log: the part that runs without the log's lock.

use super::config::CleanerConfig;
use super::filter::{BatchFilter, LastRecord};
use super::groups::{SegmentSizes, group};
use super::offset_map::OffsetMap;
use super::source::Source;
use super::swap;
use super::throttle::Throttle;
use super::transactions::CleanedTransactions;
use super::writer::CleanedWriter;
use crate::LogError;
use crate::files::SegmentFile;
use crate::log::{AbortedLookup, LogIdentity};
use crate::segment::{OpenSegment, ScannedBatch, Segment};
use ottla_records::{Compacted, DECOMPRESSED_BATCH_BYTES_MAX, Records};
use ottla_runtime::Disk;
use ottla_types::ProducerId;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use tracing::info;

/// What a cleaner lends to a job.
#[derive(Clone, Copy)]
pub struct CleanContext<'a> {
    /// The configs of the cleaner.
    pub config: &'a CleanerConfig,
    /// Shared by all cleaners.
    pub throttle: &'a Throttle,
    /// Whether to stop as soon as possible: the partition is leaving, or the node.
    pub is_stopped: &'a (dyn Fn() -> bool + Send + Sync),
}

/// Why a cleaning ended early.
#[derive(Debug, thiserror::Error)]
pub enum CleaningError {
    /// It was asked to. The next one begins anew.
    #[error("the cleaning was stopped")]
    Stopped,
    /// It failed. On a full disk the next one may succeed; otherwise the log is uncleanable until it is looked at.
    #[error(transparent)]
    Failed(#[from] LogError),
}

/// What a cleaning did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CleanStats {
    /// Bytes read to fill the offset map.
    pub map_bytes_read: u64,
    /// Bytes of the segments before.
    pub bytes_read: u64,
    /// Bytes of the segments after.
    pub bytes_written: u64,
    /// Records before.
    pub records_read: u64,
    /// Records after.
    pub records_kept: u64,
    /// How full the offset map was, 0 to 1.
    pub buffer_utilization: f64,
}

/// The plan of a cleaning, taken under the log's lock.
#[derive(Debug)]
pub(crate) struct CleanPlan {
    pub(crate) identity: Arc<LogIdentity>,
    pub(crate) alive: Arc<()>,
    /// The sealed segments below `first_uncleanable_offset`, and the base offset after each.
    pub(crate) segments: Vec<(Arc<Segment>, i64)>,
    pub(crate) first_dirty_offset: i64,
    pub(crate) first_uncleanable_offset: i64,
    pub(crate) recovery_point: i64,
    pub(crate) aborted: AbortedLookup,
    pub(crate) last_records: BTreeMap<ProducerId, LastRecord>,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_index_bytes: u64,
    pub(crate) index_interval_bytes: u32,
    pub(crate) delete_retention_ms: i64,
    pub(crate) now_ms: i64,
}

/// A cleaning under way. It must be given to [`crate::Log::finish_cleaning`] in the end, however it went.
#[derive(Debug)]
pub struct CleanJob {
    plan: CleanPlan,
    state: Option<State>,
    stats: CleanStats,
}

/// After the offset map was built.
#[derive(Debug)]
struct State {
    map: OffsetMap,
    transactions: CleanedTransactions,
    groups: VecDeque<Vec<Arc<Segment>>>,
}

/// A group of segments that was replaced on disk; to be taken to [`crate::Log::finish_group`].
#[derive(Debug)]
pub struct CleanedGroup {
    pub(crate) new: Segment,
    pub(crate) opened: Arc<OpenSegment>,
    pub(crate) replaced: Vec<i64>,
    pub(crate) swapped: Result<(), LogError>,
    pub(crate) _alive: Arc<()>,
}

impl CleanJob {
    pub(crate) fn new(plan: CleanPlan) -> CleanJob {
        CleanJob { plan, state: None, stats: CleanStats::default() }
    }

    /// Cleans the next group of segments; `None` when all are. After an error the cleaning is over.
    pub async fn next_group(&mut self, context: CleanContext<'_>) -> Result<Option<CleanedGroup>, CleaningError> {
        let mut state = match self.state.take() {
            Some(state) => state,
            None => self.prepare(context).await?,
        };
        let Some(segments) = state.groups.pop_front() else {
            self.state = Some(state);
            return Ok(None);
        };
        let group = self.clean_group(context, &mut state, segments).await;
        if group.is_err() {
            // Only names: their space is wanted. The next cleaning, or start, removes them too.
            let _ = swap::remove_cleaned(self.plan.identity.dir.disk(), &self.plan.identity.path).await;
        }
        self.state = Some(state);
        group.map(Some)
    }

    /// Every group was cleaned: makes it durable how far the log is clean. Returns that offset and what was done.
    pub async fn complete(&self) -> Result<(i64, CleanStats), LogError> {
        let identity = &self.plan.identity;
        let end_offset = self.end_offset();
        identity.dir.set_cleaned(&identity.partition, &identity.progress, end_offset);
        identity.dir.cleaned.flush(identity.dir.disk()).await?;
        let stats = self.stats;
        info!(
            partition = %identity.partition, from = self.plan.first_dirty_offset, to = end_offset,
            bytes_before = stats.bytes_read, bytes_after = stats.bytes_written, records_before = stats.records_read,
            records_after = stats.records_kept, "the log was compacted"
        );
        Ok((end_offset, stats))
    }

    /// The log is clean below this once all groups are done.
    fn end_offset(&self) -> i64 {
        let latest = self.state.as_ref().map_or(-1, |state| state.map.latest_offset());
        (latest + 1).max(self.plan.first_dirty_offset)
    }

    /// Builds the offset map and groups the segments.
    async fn prepare(&mut self, context: CleanContext<'_>) -> Result<State, CleaningError> {
        let identity = self.plan.identity.clone();
        let disk = identity.dir.disk();
        swap::remove_cleaned(disk, &identity.path).await?;
        // After a crash nothing of what is replaced may be looked at: the recovery point on disk lies behind it.
        identity.dir.raise_recovery_point(&identity.partition, &identity.progress, self.plan.recovery_point);
        identity.dir.recovery_points.flush(disk).await?;
        let aborted = self.plan.aborted.clone().run().await?;
        // Those whose markers lie before the dirty part would never end.
        let in_dirty = aborted.iter().filter(|txn| txn.last_offset >= self.plan.first_dirty_offset).copied().collect();
        let map = self.build_map(context, CleanedTransactions::new(in_dirty)).await?;
        self.stats.buffer_utilization = map.utilization();
        let end_offset = map.latest_offset() + 1;
        let cleaned: Vec<_> =
            self.plan.segments.iter().filter(|(segment, _)| segment.base_offset() < end_offset).cloned().collect();
        let sizes = self.sizes(disk, &cleaned).await?;
        // With little space left segments become one only as far as there is room for both.
        let segment_bytes = self.plan.segment_bytes.min(identity.dir.room_for_cleaning().await?);
        let groups = group(&sizes, segment_bytes, self.plan.segment_index_bytes);
        let segments =
            |range: std::ops::Range<usize>| cleaned[range].iter().map(|(segment, _)| segment.clone()).collect();
        let groups = groups.into_iter().map(segments).collect();
        // From here on each group alone holds its segments: their space is free as soon as they were replaced.
        self.plan.segments = Vec::new();
        Ok(State { map, transactions: CleanedTransactions::new(aborted), groups })
    }

    async fn sizes(&self, disk: &Disk, segments: &[(Arc<Segment>, i64)]) -> Result<Vec<SegmentSizes>, LogError> {
        let dir = &self.plan.identity.path;
        let listed = disk.list(dir).await.map_err(LogError::io("list", dir))?;
        let lens: BTreeMap<String, u64> = listed.into_iter().map(|entry| (entry.name, entry.len)).collect();
        let len = |segment: &Segment, kind: SegmentFile| {
            let path = segment.path(kind);
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.and_then(|name| lens.get(&name).copied()).unwrap_or(0)
        };
        let sizes = segments.iter().map(|(segment, next_base_offset)| SegmentSizes {
            base_offset: segment.base_offset(),
            next_base_offset: *next_base_offset,
            log_bytes: segment.size(),
            index_bytes: len(segment, SegmentFile::Index),
            time_index_bytes: len(segment, SegmentFile::TimeIndex),
        });
        Ok(sizes.collect())
    }

    /// Reads the dirty segments until the map is full.
    async fn build_map(
        &mut self,
        context: CleanContext<'_>,
        mut transactions: CleanedTransactions,
    ) -> Result<OffsetMap, CleaningError> {
        let (config, plan) = (context.config, &self.plan);
        let rt = &plan.identity.dir.rt;
        let records = (plan.first_uncleanable_offset - plan.first_dirty_offset).unsigned_abs();
        let hash_key = [rt.random_u64(), rt.random_u64()];
        let mut map = OffsetMap::new(hash_key, config.dedupe_buffer_bytes, config.dedupe_buffer_load_factor, records);
        let first_dirty_offset = plan.first_dirty_offset;
        let dirty = plan.segments.iter().filter(|(_, next)| *next > first_dirty_offset);
        for (segment, next_base_offset) in dirty {
            let opened = plan.open(segment).await?;
            let from = opened.offsets.lookup(first_dirty_offset);
            let mut source = Source::new(plan, context, segment, &opened, from);
            while let Some(batch) = source.next().await? {
                if batch.header.is_control() {
                    let read = transactions.on_control(&batch.header, &batch.bytes);
                    read.map_err(|error| source.damaged(&batch, &error))?;
                } else if !transactions.on_data(&batch.header) {
                    let room = put_keys(&mut map, &batch, first_dirty_offset);
                    if !room.map_err(|error| source.damaged(&batch, &error))? {
                        self.stats.map_bytes_read += source.bytes_read;
                        return Ok(map);
                    }
                }
                if batch.header.last_offset() >= first_dirty_offset {
                    map.update_latest_offset(batch.header.last_offset());
                }
            }
            self.stats.map_bytes_read += source.bytes_read;
            // Behind the last batch there may be a gap.
            map.update_latest_offset(next_base_offset - 1);
        }
        Ok(map)
    }

    /// Writes one group anew and puts the result in its place on disk.
    async fn clean_group(
        &mut self,
        context: CleanContext<'_>,
        state: &mut State,
        segments: Vec<Arc<Segment>>,
    ) -> Result<CleanedGroup, CleaningError> {
        let plan = &self.plan;
        let (disk, dir) = (plan.identity.dir.disk(), plan.identity.path.as_path());
        let base_offset = segments[0].base_offset();
        let filter = BatchFilter {
            map: &state.map,
            last_records: &plan.last_records,
            now_ms: plan.now_ms,
            delete_retention_ms: plan.delete_retention_ms,
        };
        let chunk_bytes = context.config.chunk_bytes();
        let room = plan.identity.dir.room_for_cleaning().await?;
        let mut writer = CleanedWriter::create(disk, dir, base_offset, plan.index_interval_bytes, chunk_bytes).await?;
        let last = segments.iter().rposition(|segment| segment.size() > 0);
        for (at, segment) in segments.iter().enumerate() {
            let opened = plan.open(segment).await?;
            let mut source = Source::new(plan, context, segment, &opened, 0);
            while let Some(batch) = source.next().await? {
                let end = batch.position + batch.header.total_len() as u64;
                let is_last = Some(at) == last && end == segment.size();
                let compacted = filter.apply(&mut state.transactions, &batch.header, &batch.bytes, is_last);
                let compacted = compacted.map_err(|error| source.damaged(&batch, &error))?;
                self.stats.records_read += u64::from(compacted.records_read);
                self.stats.records_kept += u64::from(compacted.records_kept);
                let bytes = match compacted.outcome {
                    Compacted::Gone => continue,
                    Compacted::Whole => batch.bytes.clone(),
                    Compacted::Rebuilt(bytes) => bytes,
                };
                let written = writer.append(&bytes)?.map_err(|reason| source.damaged(&batch, &reason))?;
                if writer.len() > room {
                    return Err(no_room(segment, room).into());
                }
                context.throttle.pay(&plan.identity.dir.rt, written, context.is_stopped).await;
            }
            self.stats.bytes_read += source.bytes_read;
        }
        let aborted = state.transactions.take_kept();
        let files = writer.finish(disk, &aborted).await?;
        self.stats.bytes_written += files.size;
        // From here on names change: whoever reads an old segment finds its files open.
        for segment in &segments {
            plan.aborted.load(segment.base_offset()).await?;
            segment.pin(plan.open(segment).await?).await;
        }
        let replaced: Vec<i64> = segments.iter().map(|segment| segment.base_offset()).collect();
        let swapped = swap::swap_in(disk, dir, base_offset, &files.kinds, &replaced).await;
        let new = Segment::new(dir, base_offset, files.size, plan.index_interval_bytes, plan.now_ms);
        let new = new.with_known(files.opened.times.last(), Arc::from(aborted));
        let generation = segments[0].generation() + 1;
        Ok(CleanedGroup {
            new: new.with_generation(generation),
            opened: Arc::new(files.opened),
            replaced,
            swapped,
            _alive: plan.alive.clone(),
        })
    }
}

/// What is left of a segment does not fit beside it.
fn no_room(segment: &Segment, room: u64) -> LogError {
    let reason = format!(
        "what remains of it takes more than the {room} bytes that are left for it; its own space is free only after that. \
         Next step: make room in the log directory, by as much as segment.bytes"
    );
    let path = segment.path(SegmentFile::Log);
    LogError::io("compact", &path)(io::Error::new(io::ErrorKind::StorageFull, reason))
}

/// Puts the keys of a batch's records; `false` when there is no room for one.
fn put_keys(map: &mut OffsetMap, batch: &ScannedBatch, from: i64) -> Result<bool, ottla_records::BatchError> {
    let mut records = Records::new(&batch.bytes, DECOMPRESSED_BATCH_BYTES_MAX)?;
    while let Some(record) = records.next() {
        let record = record?;
        if let Some(key) = record.key
            && record.offset >= from
            && !map.put(key, record.offset)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

impl CleanPlan {
    async fn open(&self, segment: &Segment) -> Result<Arc<OpenSegment>, LogError> {
        let dir = &self.identity.dir;
        dir.node.cache.open(self.identity.number, segment, dir.disk()).await
    }
}
