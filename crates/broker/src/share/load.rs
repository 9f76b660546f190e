//! A share partition comes to this node: its state is read, and where it has no start yet one is decided and written down, so
//! that a crash before the first acknowledgement does not move it.

use super::cached::Cached;
use super::partitions::{SharePartitions, partition_error};
use super::settings::OffsetReset;
use crate::partition::{OffsetQuery, Partition, PartitionError};
use ottla_share::state::{StateKey, StateRequest};
use ottla_share::{LoadedState, SharePartition};
use ottla_types::ErrorCode;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// How long offsets of the log are waited for.
const OFFSETS_PATIENCE: Duration = Duration::from_secs(10);

impl SharePartitions {
    /// The share partition, loaded when it is not here yet, or was loaded for another leader epoch.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) async fn get_or_load(self: &Arc<Self>, key: &StateKey) -> Result<Arc<Cached>, PartitionError> {
        let leader_epoch = self.leader_epoch(key);
        if let Some(cached) = self.get(key).filter(|cached| Some(cached.leader_epoch) == leader_epoch) {
            return Ok(cached);
        }
        let partition = self.states.partitions.by_id(key.topic_id, key.partition)?;
        let turn = {
            let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loading.entry(key.clone()).or_default())
        };
        let held = turn.lock().await;
        let loaded = match self.get(key).filter(|cached| Some(cached.leader_epoch) == leader_epoch) {
            Some(cached) => Ok(cached),
            None => self.load(key, &partition, leader_epoch.unwrap_or(-1)).await,
        };
        drop(held);
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        // This one and the map's.
        if Arc::strong_count(&turn) <= 2 {
            loading.remove(key);
        }
        loaded
    }

    fn leader_epoch(&self, key: &StateKey) -> Option<i32> {
        let image = self.states.images.borrow();
        let partition = image.topic_by_id(key.topic_id)?.partition(key.partition)?;
        Some(partition.leader_epoch.0)
    }

    async fn load(
        self: &Arc<Self>,
        key: &StateKey,
        partition: &Arc<Partition>,
        leader_epoch: i32,
    ) -> Result<Arc<Cached>, PartitionError> {
        let earliest = self.offset(partition, OffsetQuery::Earliest).await?;
        let read = self.states.ask(key.clone(), StateRequest::Read { leader_epoch }).await.map_err(partition_error)?;
        let mut start_offset = read.start_offset;
        if start_offset < 0 {
            start_offset = self.first_offset(key, partition).await?;
            let request = StateRequest::Write {
                state_epoch: read.state_epoch,
                leader_epoch,
                start_offset,
                delivery_complete_count: 0,
                batches: Vec::new(),
            };
            self.states.ask(key.clone(), request).await.map_err(partition_error)?;
        }
        let state = LoadedState { state_epoch: read.state_epoch, start_offset, batches: read.batches };
        let mut core = SharePartition::load(&state).map_err(|error| {
            tracing::error!(share_partition = key.coordinator_key(), %error, "a share partition cannot be loaded");
            PartitionError::of(ErrorCode::UnknownServerError, error.to_string())
        })?;
        core.log_start_moved(earliest);
        let cached = Arc::new(Cached::new(key.clone(), leader_epoch, core));
        self.put(&cached);
        self.begin_dead_letters(&cached);
        Ok(cached)
    }

    /// Where a share group begins that never read the partition.
    async fn first_offset(&self, key: &StateKey, partition: &Arc<Partition>) -> Result<i64, PartitionError> {
        let query = match self.settings(&key.group_id).offset_reset {
            OffsetReset::Earliest => OffsetQuery::Earliest,
            OffsetReset::Latest => OffsetQuery::Latest,
            OffsetReset::ByDuration(ms) => {
                OffsetQuery::AtOrAfter(self.runtime.wall_clock_ms().saturating_sub(ms).max(0))
            }
        };
        match self.offset(partition, query).await? {
            // Nothing is that young.
            -1 => self.offset(partition, OffsetQuery::Latest).await,
            offset => Ok(offset),
        }
    }

    pub(super) async fn offset(&self, partition: &Arc<Partition>, query: OffsetQuery) -> Result<i64, PartitionError> {
        let deadline = self.runtime.now() + OFFSETS_PATIENCE;
        Ok(partition.find_offset(query, -1, false, deadline).await?.offset)
    }
}
