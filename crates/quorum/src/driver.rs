//! The owner task: the only one that touches raft-rs, the log and the state machine.
//!
//! A turn is: take what waits (ticks, proposals, messages), give it to raft-rs, then settle: make durable what raft-rs
//! wants durable, *then* send, *then* apply ([`turn`]). Everything that waited shares one fsync.

mod proposals;
mod receiving;
mod sending;
mod snapshotting;
mod timeouts;
mod turn;

use crate::config::{PeerId, QuorumConfig, limits};
use crate::disk::identity::Identity;
use crate::disk::log::RaftLog;
use crate::disk::recovery::SnapshotPosition;
use crate::disk::snapshots::{FinishedSnapshot, Snapshots, position_of};
use crate::error::{Fault, ProposeError};
use crate::handle::{QuorumStatus, StorageState};
use crate::logger::logger;
use crate::machine::{Role, StateMachine};
use crate::peer_message::{Body, PeerMessage};
use crate::store::Store;
use crate::transport::Transport;
use ottla_runtime::watch;
use ottla_runtime::{Instant, Runtime};
use proposals::Proposals;
use raft::eraftpb::{MessageType, SnapshotMetadata};
use raft::{Config, RawNode, StateRole, Storage};
use receiving::Receiving;
use sending::Sending;
use snapshotting::Snapshotting;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use timeouts::Timeouts;
use tokio::sync::mpsc;

pub(crate) use proposals::Proposal;

/// Everything that can happen to the owner task.
pub(crate) enum Event {
    /// A tick of the clock.
    Tick,
    /// Someone wants an entry committed.
    Propose(Proposal),
    /// A peer sent something.
    Message(PeerMessage),
    /// The snapshot that was being written is durable, or could not be written.
    SnapshotSaved(SnapshotMetadata, io::Result<()>),
}

/// What a driver is made of.
pub(crate) struct Parts {
    pub(crate) runtime: Runtime,
    pub(crate) config: QuorumConfig,
    pub(crate) identity: Identity,
    pub(crate) log: RaftLog,
    pub(crate) snapshots: Snapshots,
    pub(crate) store: Store,
    pub(crate) machine: Box<dyn StateMachine>,
    pub(crate) transport: Arc<dyn Transport>,
}

pub(crate) struct Driver {
    runtime: Runtime,
    config: QuorumConfig,
    peer_id: PeerId,
    voters: Vec<PeerId>,
    node: RawNode<Store>,
    log: RaftLog,
    snapshots: Snapshots,
    machine: Box<dyn StateMachine>,
    transport: Arc<dyn Transport>,
    /// The last entry that the state machine has applied.
    applied: SnapshotPosition,
    role: Role,
    proposals: Proposals,
    timeouts: Timeouts,
    snapshotting: Snapshotting,
    sending: BTreeMap<PeerId, Sending>,
    receiving: Option<Receiving>,
    /// A whole snapshot from the leader, until raft-rs wants it installed.
    received: Option<FinishedSnapshot>,
    storage: StorageState,
    next_tick: Instant,
    events: mpsc::Receiver<Event>,
    events_back: mpsc::WeakSender<Event>,
    status: watch::Sender<QuorumStatus>,
    stopped: watch::Receiver<bool>,
}

impl Driver {
    /// A driver, the way to reach it, and its status.
    pub(crate) fn new(
        parts: Parts,
        stopped: watch::Receiver<bool>,
    ) -> (Driver, mpsc::Sender<Event>, watch::Receiver<QuorumStatus>) {
        let Parts { runtime, config, identity, log, snapshots, store, machine, transport } = parts;
        let applied = position_of(store.snapshot_metadata());
        let voters: Vec<PeerId> =
            store.snapshot_metadata().get_conf_state().voters.iter().map(|peer| PeerId(*peer)).collect();
        // Its only errors are those of a configuration that is wrong in the code.
        let node = RawNode::new(&raft_config(identity.peer_id, applied.index), store, &logger())
            .expect("the configuration of raft is valid");
        let (sender, events) = mpsc::channel(limits::EVENTS_QUEUED_MAX);
        let status = watch::Sender::new(QuorumStatus {
            peer_id: identity.peer_id,
            role: Role::Follower { leader: None },
            term: 0,
            voters: voters.clone(),
            last_index: applied.index,
            committed_index: applied.index,
            applied_index: applied.index,
            snapshot_index: applied.index,
            log_bytes: 0,
            storage: StorageState::Healthy,
        });
        let status_receiver = status.subscribe();
        let driver = Driver {
            peer_id: identity.peer_id,
            voters,
            node,
            log,
            snapshots,
            machine,
            transport,
            applied,
            role: Role::Follower { leader: None },
            proposals: Proposals::default(),
            timeouts: Timeouts::default(),
            snapshotting: Snapshotting::new(runtime.now()),
            sending: BTreeMap::new(),
            receiving: None,
            received: None,
            storage: StorageState::Healthy,
            next_tick: runtime.now(),
            events,
            events_back: sender.downgrade(),
            status,
            stopped,
            runtime,
            config,
        };
        (driver, sender, status_receiver)
    }

    /// Serves until it is stopped or the disk fails; then answers everyone who waits.
    pub(crate) async fn run(mut self) {
        let end = match self.serve().await {
            Ok(()) | Err(Fault::Stopped) => ProposeError::Stopped,
            Err(fault) => {
                tracing::error!(
                    error = %fault,
                    "the metadata log of this node failed; metadata cannot be changed here until the node is restarted"
                );
                let reason: Arc<str> = Arc::from(fault.to_string());
                self.storage = StorageState::Failed(reason.clone());
                ProposeError::Failed { reason }
            }
        };
        self.role = Role::Follower { leader: None };
        self.machine.on_role(self.role);
        self.publish_status();
        self.events.close();
        self.proposals.fail_all(&end);
        while let Ok(event) = self.events.try_recv() {
            if let Event::Propose(proposal) = event {
                proposal.answer(Err(end.clone()));
            }
        }
    }

    async fn serve(&mut self) -> Result<(), Fault> {
        self.timeouts.hold(&mut self.node, &self.runtime, false);
        if self.is_only_voter() {
            self.node.campaign()?;
        }
        loop {
            self.settle().await?;
            self.begin_snapshot_if_due();
            self.publish_status();
            let Some(event) = self.next_event().await else { return Ok(()) };
            self.handle(event).await?;
            for _ in 1..limits::EVENTS_PER_TURN_MAX {
                let Ok(event) = self.events.try_recv() else { break };
                self.handle(event).await?;
            }
        }
    }

    /// `None` when the task is to stop.
    async fn next_event(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            _ = self.stopped.changed() => None,
            () = self.runtime.sleep_until(self.next_tick) => Some(Event::Tick),
            event = self.events.recv() => event,
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Fault> {
        match event {
            Event::Tick => self.tick().await,
            Event::Propose(proposal) => self.propose(proposal),
            Event::Message(message) => self.receive(message).await,
            Event::SnapshotSaved(metadata, saved) => self.snapshot_saved(metadata, saved).await,
        }
    }

    async fn tick(&mut self) -> Result<(), Fault> {
        let interval = if self.is_only_voter() { limits::HOUSEKEEPING_INTERVAL } else { self.config.tick };
        self.next_tick = self.runtime.now() + interval;
        if !self.is_only_voter() {
            let fired = self.node.tick();
            self.timeouts.hold(&mut self.node, &self.runtime, fired);
            self.tend_transfers();
        }
        self.refill_reserve().await;
        Ok(())
    }

    fn propose(&mut self, proposal: Proposal) -> Result<(), Fault> {
        if self.node.raft.state != StateRole::Leader {
            proposal.answer(Err(ProposeError::NotLeader { leader: self.leader() }));
            return Ok(());
        }
        self.proposals.propose(&mut self.node, proposal)
    }

    async fn receive(&mut self, message: PeerMessage) -> Result<(), Fault> {
        let from = message.from;
        match message.body {
            Body::Raft(message) => {
                let is_for_us = message.to == self.peer_id.0 && message.from == from.0;
                let travels_alone =
                    !matches!(message.get_msg_type(), MessageType::MsgSnapshot | MessageType::MsgPropose);
                if is_for_us && travels_alone {
                    self.step(message);
                }
                Ok(())
            }
            Body::SnapshotChunk { message, chunk, chunk_count, data } => {
                self.receive_chunk(from, message, chunk, chunk_count, data).await
            }
            Body::SnapshotChunkTaken { position, chunk } => {
                self.chunk_taken(from, position, chunk);
                Ok(())
            }
        }
    }

    fn step(&mut self, message: raft::eraftpb::Message) {
        if let Err(error) = self.node.step(message) {
            tracing::debug!(%error, "raft refused a message from a peer");
        }
        self.timeouts.hold(&mut self.node, &self.runtime, false);
    }

    fn is_only_voter(&self) -> bool {
        self.voters == [self.peer_id]
    }

    fn leader(&self) -> Option<PeerId> {
        Some(PeerId(self.node.raft.leader_id)).filter(|leader| leader.0 != 0)
    }

    fn publish_status(&mut self) {
        let store = self.node.store();
        let now = QuorumStatus {
            peer_id: self.peer_id,
            role: self.role,
            term: self.node.raft.term,
            voters: self.voters.clone(),
            last_index: store.last_index().unwrap_or(self.applied.index),
            committed_index: self.node.raft.raft_log.committed,
            applied_index: self.applied.index,
            snapshot_index: store.snapshot_metadata().index,
            log_bytes: self.log.bytes(),
            storage: self.storage.clone(),
        };
        self.status.send_if_modified(|status| {
            let changed = *status != now;
            *status = now;
            changed
        });
    }

    /// Waits, unless the task is to stop.
    async fn pause(&mut self, duration: Duration) -> Result<(), Fault> {
        tokio::select! {
            biased;
            _ = self.stopped.changed() => Err(Fault::Stopped),
            () = self.runtime.sleep(duration) => Ok(()),
        }
    }
}

fn raft_config(peer_id: PeerId, applied: u64) -> Config {
    Config {
        id: peer_id.0,
        election_tick: limits::ELECTION_TICKS,
        heartbeat_tick: limits::HEARTBEAT_TICKS,
        applied,
        max_size_per_msg: limits::MESSAGE_BYTES_MAX,
        max_inflight_msgs: limits::MESSAGES_IN_FLIGHT_MAX,
        check_quorum: true,
        pre_vote: true,
        max_uncommitted_size: limits::UNCOMMITTED_BYTES_MAX,
        ..Config::default()
    }
}
