//! Settling: what raft-rs wants done after its input, in the one order that is safe.
//!
//! 1. Durable: a snapshot that was received, then entries and hard state in one frame, one fsync.
//! 2. Out: messages to peers. They may promise what step 1 made durable (a vote, an entry), so never before it.
//! 3. Applied: committed entries change the state machine, and whoever proposed them is answered.

use super::Driver;
use crate::config::limits;
use crate::disk::batch::Batch;
use crate::disk::recovery::SnapshotPosition;
use crate::disk::snapshots::position_of;
use crate::error::{Fault, ProposeError};
use crate::handle::StorageState;
use crate::machine::Role;
use ottla_runtime::is_disk_full;
use raft::eraftpb::{Entry, EntryType, SnapshotMetadata};
use raft::{Ready, StateRole};

impl Driver {
    /// Does everything that raft-rs wants done.
    pub(super) async fn settle(&mut self) -> Result<(), Fault> {
        while self.node.has_ready() {
            let mut ready = self.node.ready();
            self.persist(&mut ready).await?;
            self.send(ready.take_messages()).await;
            self.send(ready.take_persisted_messages()).await;
            self.apply(ready.take_committed_entries())?;
            let mut light = self.node.advance_append(ready);
            if let Some(commit) = light.commit_index() {
                self.node.mut_store().set_commit(commit);
            }
            self.send(light.take_messages()).await;
            self.apply(light.take_committed_entries())?;
            self.node.advance_apply();
        }
        if self.is_only_voter() {
            self.node.mut_store().compact_through(self.applied.index);
        }
        self.note_role();
        Ok(())
    }

    async fn persist(&mut self, ready: &mut Ready) -> Result<(), Fault> {
        let snapshot = Some(ready.snapshot()).filter(|snapshot| !snapshot.is_empty());
        let snapshot = snapshot.map(|snapshot| snapshot.get_metadata().clone());
        if let Some(metadata) = &snapshot {
            self.publish_received(position_of(metadata)).await?;
            self.log.supersede();
        }
        let hard_state = ready.hs().unwrap_or(self.node.store().hard_state()).clone();
        let batch = Batch { hard_state, entries: ready.take_entries() };
        if ready.must_sync() {
            self.make_durable(&batch).await?;
        }
        if let Some(metadata) = snapshot {
            self.install(metadata).await?;
        }
        let store = self.node.mut_store();
        store.append(&batch.entries);
        store.set_hard_state(batch.hard_state);
        Ok(())
    }

    /// Appends to the log. On a full disk waits for space; the bytes that could not be written were never promised.
    async fn make_durable(&mut self, batch: &Batch) -> Result<(), Fault> {
        loop {
            match self.log.append(batch).await {
                Ok(()) => break,
                Err(error) if is_disk_full(&error) => {
                    if self.storage != StorageState::OutOfSpace {
                        tracing::error!(%error, "the disk is full: metadata cannot be changed until there is space");
                    }
                    self.storage = StorageState::OutOfSpace;
                    self.publish_status();
                    self.pause(limits::FULL_DISK_RETRY).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if self.storage == StorageState::OutOfSpace {
            tracing::info!("the disk has space again: metadata can be changed");
            self.storage = StorageState::Healthy;
        }
        if self.log.reserve_was_used() {
            self.storage = StorageState::ReserveInUse;
        }
        Ok(())
    }

    /// A durable snapshot becomes the state.
    async fn install(&mut self, metadata: SnapshotMetadata) -> Result<(), Fault> {
        let position = position_of(&metadata);
        let loaded = self.snapshots.load(position).await?;
        let restored = self.machine.restore(position.index, loaded.chunks);
        restored.map_err(|reason| Fault::Refused { index: position.index, reason })?;
        self.applied = position;
        self.node.mut_store().install_snapshot(metadata);
        self.snapshots.remove_before(position).await?;
        Ok(())
    }

    fn apply(&mut self, entries: Vec<Entry>) -> Result<(), Fault> {
        for entry in entries {
            if entry.get_entry_type() != EntryType::EntryNormal {
                return Err(Fault::UnknownEntry { index: entry.index });
            }
            assert_eq!(entry.index, self.applied.index + 1, "entries are applied in order, each once");
            // raft-rs itself appends an empty entry when a term begins.
            if !entry.data.is_empty() {
                let applied = self.machine.apply(entry.index, entry.term, &entry.data);
                applied.map_err(|reason| Fault::Refused { index: entry.index, reason })?;
                self.snapshotting.note_applied(entry.data.len());
            }
            self.applied = SnapshotPosition { index: entry.index, term: entry.term };
            self.proposals.settle(entry.index, entry.term);
        }
        Ok(())
    }

    /// Tells the state machine and whoever waits when the role has changed.
    fn note_role(&mut self) {
        let term = self.node.raft.term;
        let leads = self.node.raft.state == StateRole::Leader;
        if !(leads && self.proposals.are_of_term(term)) {
            self.proposals.fail_all(&ProposeError::LeadershipLost);
        }
        if !leads {
            self.sending.clear();
        }
        // A leader begins its term with an entry of its own; when that is applied, everything before it is.
        let role = match leads && self.applied.term == term {
            true => Role::Leader { term },
            false => Role::Follower { leader: self.leader().filter(|leader| *leader != self.peer_id) },
        };
        if role != self.role {
            tracing::debug!(?role, term, "role in the metadata quorum");
            self.role = role;
            self.machine.on_role(role);
        }
    }
}
