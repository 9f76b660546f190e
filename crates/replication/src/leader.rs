//! [`LeaderState`]: one partition as its leader sees it, for one leader epoch.
//!
//! Rules, in the order in which they matter:
//! 1. The high watermark is the lowest counted offset among the maximal ISR, and among replicas that are about to join
//!    it. What counts is the flushed offset, or the log end with `write.caching`.
//! 2. It stands still while the committed ISR is smaller than `min.insync.replicas` (capped at the replication factor).
//! 3. It never goes back.
//! 4. A follower joins the ISR when what counts of it reaches the high watermark and the start of this leader epoch; it
//!    leaves when it has not been caught up for `replica.lag.time.max.ms`.
//!
//! Time is the caller's monotonic clock in milliseconds. Followers' reports and [`LeaderState::propose_isr`] tell it; the
//! caller asks for a proposal after every report and a few times within `replica.lag.time.max.ms`.

use crate::isr::Isr;
use crate::{Counted, FollowerReport, IsrChange, IsrProposal, ReplicaProgress, UnknownReplica, WriteCaching};
use ottla_types::{LeaderEpoch, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// What the committed metadata and the configs say about a partition when a node becomes its leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderConfig {
    /// This node; a member of replicas and ISR.
    pub node: NodeId,
    /// The epoch that it leads in.
    pub leader_epoch: LeaderEpoch,
    /// All replicas.
    pub replicas: Vec<NodeId>,
    /// The in-sync ones.
    pub isr: Vec<NodeId>,
    /// `min.insync.replicas`.
    pub min_insync_replicas: usize,
    /// `write.caching`.
    pub write_caching: bool,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max_ms: i64,
}

/// One partition as its leader sees it. See the module's rules.
#[derive(Debug, Clone)]
pub struct LeaderState {
    node: NodeId,
    leader_epoch: LeaderEpoch,
    leader_epoch_start_offset: i64,
    replicas: BTreeMap<NodeId, ReplicaProgress>,
    isr: Isr,
    /// Broker epoch of each node that may join the ISR: neither fenced nor shutting down.
    eligible: BTreeMap<NodeId, i64>,
    min_insync_replicas: usize,
    write_caching: WriteCaching,
    replica_lag_time_max_ms: i64,
    high_watermark: i64,
    /// The latest time that was told.
    now_ms: i64,
}

impl LeaderState {
    /// A leader whose log ends at `log_end_offset` and is flushed to `flushed_offset`. `high_watermark` is the one that
    /// is known from before (its checkpoint, or as a follower); above the log end, after a power loss with
    /// `write.caching`, it counts as the log end.
    pub fn new(
        config: LeaderConfig,
        log_end_offset: i64,
        flushed_offset: i64,
        high_watermark: i64,
        now_ms: i64,
    ) -> LeaderState {
        assert!(config.replicas.contains(&config.node) && config.isr.contains(&config.node), "a leader is in sync");
        let caught_up = |node: &NodeId| config.isr.contains(node).then_some(now_ms);
        let progress = |node: NodeId| (node, ReplicaProgress::unknown(caught_up(&node)));
        let mut leader = LeaderState {
            node: config.node,
            leader_epoch: config.leader_epoch,
            leader_epoch_start_offset: log_end_offset,
            replicas: config.replicas.iter().copied().map(progress).collect(),
            isr: Isr::new(config.isr),
            eligible: BTreeMap::new(),
            min_insync_replicas: config.min_insync_replicas,
            write_caching: WriteCaching::at_start(config.write_caching),
            replica_lag_time_max_ms: config.replica_lag_time_max_ms,
            high_watermark: high_watermark.min(log_end_offset),
            now_ms,
        };
        leader.on_local_progress(log_end_offset, flushed_offset);
        leader
    }

    /// This node's log has grown, or more of it is flushed.
    pub fn on_local_progress(&mut self, log_end_offset: i64, flushed_offset: i64) {
        assert!(flushed_offset <= log_end_offset, "only what is in the log is flushed");
        assert!(log_end_offset >= self.high_watermark, "a leader keeps what is committed");
        let own = self.replicas.get_mut(&self.node).expect("a leader is one of the replicas");
        own.log_end_offset = log_end_offset;
        own.flushed_offset = flushed_offset;
        self.advance();
    }

    /// A follower has told how far it is.
    pub fn on_follower_report(
        &mut self,
        follower: NodeId,
        report: &FollowerReport,
        now_ms: i64,
    ) -> Result<(), UnknownReplica> {
        assert!(follower != self.node, "a leader does not report to itself");
        let (counted, end) = (self.counted(), self.log_end_offset());
        let replica = self.replicas.get_mut(&follower).ok_or(UnknownReplica(follower))?;
        replica.on_report(report, counted, end, now_ms);
        self.now_ms = self.now_ms.max(now_ms);
        self.advance();
        Ok(())
    }

    /// The nodes that may join the ISR now, with their broker epochs: neither fenced nor shutting down (KIP-903).
    pub fn set_eligible(&mut self, eligible: BTreeMap<NodeId, i64>) {
        self.eligible = eligible;
    }

    /// The ISR change that is due, if any; it counts as proposed from now on, until it is committed or withdrawn.
    /// Members that fell behind go before others join.
    pub fn propose_isr(&mut self, now_ms: i64) -> Option<IsrProposal> {
        self.now_ms = self.now_ms.max(now_ms);
        self.advance();
        if self.isr.is_in_flight() {
            return None;
        }
        let proposal = self.shrink().or_else(|| self.expand())?;
        self.isr.propose(proposal.isr.iter().copied().collect());
        Some(proposal)
    }

    /// The committed ISR of this leader epoch has changed, by this leader's proposal or otherwise.
    pub fn on_isr_committed(&mut self, isr: &[NodeId]) {
        assert!(isr.contains(&self.node), "a leader is in sync");
        self.isr.commit(isr.iter().copied());
        self.advance();
    }

    /// The proposal was refused, or nobody knows what became of it and the committed ISR was read again.
    pub fn on_isr_withdrawn(&mut self) {
        self.isr.withdraw();
        self.advance();
    }

    /// The replicas have changed (reassignment); new ones have no progress yet.
    pub fn set_replicas(&mut self, replicas: &[NodeId]) {
        assert!(replicas.contains(&self.node), "a leader is one of the replicas");
        self.replicas.retain(|node, _| replicas.contains(node));
        for &node in replicas {
            self.replicas.entry(node).or_insert_with(|| ReplicaProgress::unknown(None));
        }
        self.advance();
    }

    /// `min.insync.replicas` has changed.
    pub fn set_min_insync_replicas(&mut self, min_insync_replicas: usize) {
        self.min_insync_replicas = min_insync_replicas;
        self.advance();
    }

    /// `write.caching` has changed. Whether it is off in effect says [`LeaderState::write_caching`].
    pub fn set_write_caching(&mut self, is_on: bool) {
        self.write_caching = self.write_caching.set(is_on);
        self.advance();
    }

    /// Everything below is committed.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Whether records up to `next_offset` (exclusive) may be acknowledged to acks=all. Whether enough replicas are in
    /// sync is a question of its own: [`LeaderState::has_min_isr`], asked before the append and again here.
    pub fn acks_all_satisfied(&self, next_offset: i64) -> bool {
        self.high_watermark >= next_offset
    }

    /// Whether the committed ISR has `min.insync.replicas` members, or as many as there are replicas.
    pub fn has_min_isr(&self) -> bool {
        self.isr.committed().len() >= self.min_insync_replicas.min(self.replicas.len())
    }

    /// Whether the high watermark waits for no other node: who waits only for this node's flush may wait for it.
    pub fn is_alone(&self) -> bool {
        self.isr.is_only(self.node)
    }

    /// The epoch that this node leads in.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Where the log ended when this epoch began.
    pub fn leader_epoch_start_offset(&self) -> i64 {
        self.leader_epoch_start_offset
    }

    /// The end of this node's log.
    pub fn log_end_offset(&self) -> i64 {
        self.replicas[&self.node].log_end_offset
    }

    /// The state of `write.caching`. `Off` has to be recorded durably before it counts at an unclean restart.
    pub fn write_caching(&self) -> WriteCaching {
        self.write_caching
    }

    /// The committed ISR.
    pub fn isr(&self) -> &BTreeSet<NodeId> {
        self.isr.committed()
    }

    /// How far a replica has got.
    pub fn replica(&self, node: NodeId) -> Option<&ReplicaProgress> {
        self.replicas.get(&node)
    }

    /// The lowest log start among this node's `log_start_offset` and the replicas for which `is_alive`: what
    /// DeleteRecords waits for.
    pub fn low_watermark(&self, log_start_offset: i64, is_alive: impl Fn(NodeId) -> bool) -> i64 {
        let followers = self.replicas.iter().filter(|&(&node, _)| node != self.node && is_alive(node));
        followers.map(|(_, replica)| replica.log_start_offset).fold(log_start_offset, i64::min)
    }

    fn counted(&self) -> Counted {
        self.write_caching.counted()
    }

    /// Raises the high watermark as far as the rules allow.
    fn advance(&mut self) {
        let counted = self.counted();
        let counts =
            |node: NodeId, replica: &ReplicaProgress| self.isr.counts(node) || self.is_about_to_join(node, replica);
        let members = self.replicas.iter().filter(|&(&node, replica)| counts(node, replica));
        let lowest = members.map(|(_, replica)| replica.counted(counted)).min();
        let lowest = lowest.expect("the leader itself counts");
        if self.has_min_isr() {
            self.high_watermark = self.high_watermark.max(lowest);
        }
        let mut in_sync = self.replicas.iter().filter(|&(&node, _)| self.isr.counts(node));
        if in_sync.all(|(_, replica)| replica.flushed_offset >= self.high_watermark) {
            self.write_caching = self.write_caching.all_flushed();
        }
    }

    /// Kafka's `shouldWaitForReplicaToJoinIsr`: without it the high watermark of a busy partition could run ahead of a
    /// replica for ever.
    fn is_about_to_join(&self, node: NodeId, replica: &ReplicaProgress) -> bool {
        self.is_eligible(node, replica) && self.is_caught_up(replica)
    }

    fn is_caught_up(&self, replica: &ReplicaProgress) -> bool {
        replica.is_caught_up(self.counted(), self.log_end_offset(), self.now_ms, self.replica_lag_time_max_ms)
    }

    fn is_eligible(&self, node: NodeId, replica: &ReplicaProgress) -> bool {
        replica.broker_epoch.is_some() && self.eligible.get(&node).copied() == replica.broker_epoch
    }

    fn shrink(&self) -> Option<IsrProposal> {
        let stays = |node: &NodeId| {
            *node == self.node || self.replicas.get(node).is_some_and(|replica| self.is_caught_up(replica))
        };
        let isr: Vec<NodeId> = self.isr.committed().iter().copied().filter(stays).collect();
        (isr.len() < self.isr.committed().len()).then_some(IsrProposal { change: IsrChange::Shrink, isr })
    }

    fn expand(&self) -> Option<IsrProposal> {
        let least = self.high_watermark.max(self.leader_epoch_start_offset);
        let joins = |&(&node, replica): &(&NodeId, &ReplicaProgress)| {
            let is_member = self.isr.committed().contains(&node);
            !is_member && self.is_eligible(node, replica) && replica.counted(self.counted()) >= least
        };
        let joining: BTreeSet<NodeId> = self.replicas.iter().filter(joins).map(|(&node, _)| node).collect();
        if joining.is_empty() {
            return None;
        }
        let isr = self.isr.committed().union(&joining).copied().collect();
        Some(IsrProposal { change: IsrChange::Expand, isr })
    }
}

#[cfg(test)]
mod stories;
