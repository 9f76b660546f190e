//! When this node writes a snapshot of its own state, and what follows when it is durable.

use super::{Driver, Event};
use crate::config::limits;
use crate::disk::snapshots::position_of;
use crate::error::Fault;
use crate::handle::StorageState;
use ottla_runtime::Instant;
use raft::eraftpb::SnapshotMetadata;
use std::io;

/// What has happened since the last snapshot.
pub(crate) struct Snapshotting {
    /// Bytes of entries applied since the newest snapshot.
    bytes: u64,
    /// Bytes of them that the snapshot under way holds; `None` when none is.
    under_way: Option<u64>,
    last: Instant,
    not_before: Instant,
}

impl Snapshotting {
    pub(crate) fn new(now: Instant) -> Snapshotting {
        Snapshotting { bytes: 0, under_way: None, last: now, not_before: now }
    }

    pub(crate) fn note_applied(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
}

impl Driver {
    /// Begins a snapshot when the log is over one of its limits. The state is captured now; its bytes are made and written by
    /// a task of its own, so that heartbeats and proposals go on.
    pub(super) fn begin_snapshot_if_due(&mut self) {
        if !self.is_snapshot_due() {
            return;
        }
        let Some(events) = self.events_back.upgrade() else { return };
        let capture = self.machine.snapshot();
        let mut metadata =
            SnapshotMetadata { index: self.applied.index, term: self.applied.term, ..SnapshotMetadata::default() };
        metadata.set_conf_state(self.node.store().snapshot_metadata().get_conf_state().clone());
        self.snapshotting.under_way = Some(self.snapshotting.bytes);
        self.snapshotting.last = self.runtime.now();
        self.log.roll();
        let snapshots = self.snapshots.clone();
        self.runtime.spawn("metadata-snapshot", async move {
            let saved = snapshots.save(&metadata, &capture()).await;
            // A driver that has ended needs no snapshot.
            let _ = events.send(Event::SnapshotSaved(metadata, saved)).await;
        });
    }

    fn is_snapshot_due(&self) -> bool {
        let now = self.runtime.now();
        let has_news = self.applied.index > self.node.store().snapshot_metadata().index;
        let may_begin = self.snapshotting.under_way.is_none() && now >= self.snapshotting.not_before;
        let is_over_a_limit = self.snapshotting.bytes >= self.config.snapshot_after_bytes
            || (self.snapshotting.bytes > 0 && now - self.snapshotting.last >= self.config.snapshot_after)
            || self.log.segments() > limits::SEGMENTS_MAX;
        has_news && may_begin && is_over_a_limit
    }

    /// Forgets the log that the durable snapshot covers.
    pub(super) async fn snapshot_saved(
        &mut self,
        metadata: SnapshotMetadata,
        saved: io::Result<()>,
    ) -> Result<(), Fault> {
        let held = self.snapshotting.under_way.take().unwrap_or(0);
        if let Err(error) = saved {
            tracing::warn!(%error, "a snapshot of the metadata could not be written; the log is kept and it is tried again");
            self.snapshotting.not_before = self.runtime.now() + limits::SNAPSHOT_RETRY;
            return Ok(());
        }
        self.snapshotting.bytes -= held.min(self.snapshotting.bytes);
        let position = position_of(&metadata);
        if position.index > self.node.store().snapshot_metadata().index {
            self.node.mut_store().set_snapshot(metadata);
            let trailing = if self.is_only_voter() { 0 } else { self.config.trailing_entries };
            let through = position.index.saturating_sub(trailing);
            self.node.mut_store().compact_through(through);
            self.log.remove_through(through).await;
        }
        // The leader's may have come first; then this one is the one before it.
        self.snapshots.remove_before(position_of(self.node.store().snapshot_metadata())).await?;
        Ok(())
    }

    /// Allocates the reserve again when it is missing and there may be space.
    pub(super) async fn refill_reserve(&mut self) {
        if !self.log.reserve().is_missing() {
            return;
        }
        match self.log.reserve().fill().await {
            Ok(()) => self.storage = StorageState::Healthy,
            Err(error) => {
                if self.storage == StorageState::Healthy {
                    tracing::warn!(%error, "no space can be kept in reserve for the metadata log");
                }
                self.storage = StorageState::ReserveInUse;
            }
        }
    }
}
