//! Several voters in one simulated world, joined by a transport that delays, loses and cuts.

use super::disks::prepare_log_directory;
use super::journal::Journal;
use crate::{
    DirectoryId, InitialVoters, PeerId, PeerMessage, ProposeError, Quorum, QuorumConfig, QuorumHandle, Role, Transport,
};
use bytes::Bytes;
use ottla_runtime::Runtime;
use ottla_runtime::sim::{Outage, World};
use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The wires between the voters.
#[derive(Default)]
pub(super) struct Wires {
    ends: BTreeMap<PeerId, QuorumHandle>,
    isolated: BTreeSet<PeerId>,
    lost_percent: u64,
}

struct Wire {
    from: PeerId,
    runtime: Runtime,
    wires: Arc<Mutex<Wires>>,
}

impl Transport for Wire {
    fn send(&self, to: PeerId, message: PeerMessage) {
        let bytes = message.encode();
        let (wires, runtime, from) = (self.wires.clone(), self.runtime.clone(), self.from);
        self.runtime.spawn("wire", async move {
            runtime.sleep(Duration::from_micros(runtime.random_range(100..20_000))).await;
            let is_lost = runtime.random_range(0..100);
            let wires = wires.lock().unwrap();
            let is_cut = wires.isolated.contains(&from) || wires.isolated.contains(&to);
            if is_cut || is_lost < wires.lost_percent {
                return;
            }
            if let Some(end) = wires.ends.get(&to) {
                end.receive(PeerMessage::decode(bytes).unwrap());
            }
        });
    }
}

pub(super) struct Cluster {
    pub(super) world: World,
    pub(super) names: Vec<String>,
    directories: Vec<Uuid>,
    wires: Arc<Mutex<Wires>>,
    quorums: BTreeMap<usize, Quorum>,
    pub(super) journals: Vec<Journal>,
    /// What any node has applied: no other node may ever apply something else there.
    pub(super) agreed: BTreeMap<u64, Bytes>,
    pub(super) acknowledged: Vec<(u64, Bytes)>,
    pub(super) snapshot_after_bytes: u64,
    pub(super) trailing_entries: u64,
}

impl Cluster {
    pub(super) fn new(world: &World, voters: usize) -> Cluster {
        let directory = |number: usize| Uuid::from_random_halves(world.seed(), number as u64 + 1).unwrap();
        Cluster {
            world: world.clone(),
            names: (0..voters).map(|number| format!("voter-{number}")).collect(),
            directories: (0..voters).map(directory).collect(),
            wires: Arc::default(),
            quorums: BTreeMap::new(),
            journals: (0..voters).map(|_| Journal::default()).collect(),
            agreed: BTreeMap::new(),
            acknowledged: Vec::new(),
            snapshot_after_bytes: 4000,
            trailing_entries: 8,
        }
    }

    pub(super) fn lose_percent(&self, percent: u64) {
        self.wires.lock().unwrap().lost_percent = percent;
    }

    pub(super) fn isolate(&self, number: usize) {
        self.wires.lock().unwrap().isolated.insert(self.peer(number));
    }

    pub(super) fn join_all(&self) {
        self.wires.lock().unwrap().isolated.clear();
    }

    pub(super) fn is_up(&self, number: usize) -> bool {
        self.quorums.contains_key(&number)
    }

    fn peer(&self, number: usize) -> PeerId {
        PeerId::of_directory(self.directories[number])
    }

    pub(super) async fn start(&mut self, number: usize) {
        let runtime = self.world.node(&self.names[number]);
        self.world.disk_faults(&self.names[number]).cancel_outage();
        prepare_log_directory(&runtime).await;
        let config = QuorumConfig {
            directory_id: DirectoryId::Known(self.directories[number]),
            initial_voters: InitialVoters::Listed(self.directories.clone()),
            snapshot_after_bytes: self.snapshot_after_bytes,
            trailing_entries: self.trailing_entries,
            reserve_bytes: 0,
            ..QuorumConfig::new("/data/metadata")
        };
        let wire = Wire { from: self.peer(number), runtime: runtime.clone(), wires: self.wires.clone() };
        self.journals[number] = Journal::default();
        let machine = Box::new(self.journals[number].clone());
        let quorum = Quorum::open(&runtime, config, machine, Arc::new(wire)).await.unwrap();
        self.wires.lock().unwrap().ends.insert(self.peer(number), quorum.handle().clone());
        self.quorums.insert(number, quorum);
    }

    pub(super) fn power_loss(&mut self, number: usize) {
        self.note_applied();
        self.wires.lock().unwrap().ends.remove(&self.peer(number));
        self.quorums.remove(&number);
        self.world.power_loss(&self.names[number]);
    }

    /// The node loses power in the middle of one of its next disk operations.
    pub(super) fn plan_power_loss(&self, number: usize) {
        let operations = self.world.random_range(1..60);
        self.world.disk_faults(&self.names[number]).plan_outage(operations, Outage::PowerLoss);
    }

    /// Notes which nodes have gone down as planned.
    pub(super) fn note_outages(&mut self) {
        for number in 0..self.names.len() {
            if self.is_up(number) && !self.world.is_up(&self.names[number]) {
                self.power_loss(number);
            }
        }
    }

    pub(super) fn handle(&self, number: usize) -> &QuorumHandle {
        self.quorums[&number].handle()
    }

    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |number: &usize| matches!(self.journals[*number].look().role, Role::Leader { .. });
        // During a cut there may be two; the one of the later term is the leader.
        let leaders = self.quorums.keys().copied().filter(leads);
        leaders.max_by_key(|number| self.handle(*number).status().borrow().term)
    }

    pub(super) async fn sleep(&self, ms: u64) {
        self.world.node("observer").sleep(Duration::from_millis(ms)).await;
    }

    /// Waits for a leader, for at most a minute.
    pub(super) async fn wait_for_leader(&self) -> usize {
        for _ in 0..600 {
            if let Some(leader) = self.leader() {
                return leader;
            }
            self.sleep(100).await;
        }
        panic!("no leader within a minute");
    }

    /// Proposes to whoever leads, if anyone. Gives up after 5 seconds.
    pub(super) async fn propose(&mut self, text: String) {
        let Some(leader) = self.leader() else { return };
        let handle = self.handle(leader).clone();
        let entry = Bytes::from(text);
        let observer = self.world.node("observer");
        let proposed = observer.timeout(Duration::from_secs(5), handle.propose(entry.clone())).await;
        if let Ok(Ok(index)) = proposed {
            self.acknowledged.push((index, entry));
        }
    }

    /// Notes what the nodes have applied, and that they agree.
    pub(super) fn note_applied(&mut self) {
        for journal in &self.journals {
            for (index, entry) in &journal.look().entries {
                let agreed = self.agreed.entry(*index).or_insert_with(|| entry.clone());
                assert_eq!(agreed, entry, "two nodes differ at {index}");
            }
        }
    }

    /// Heals everything, and checks that all nodes come to hold all that was acknowledged.
    pub(super) async fn check_convergence(&mut self) {
        self.join_all();
        self.lose_percent(0);
        self.note_outages();
        for number in 0..self.names.len() {
            match self.is_up(number) {
                true => self.world.disk_faults(&self.names[number]).cancel_outage(),
                false => self.start(number).await,
            }
        }
        let last = loop {
            let leader = self.wait_for_leader().await;
            match self.handle(leader).clone().propose(Bytes::from_static(b"last")).await {
                Ok(index) => break index,
                Err(ProposeError::Failed { reason }) => panic!("{reason}"),
                Err(_) => self.sleep(100).await,
            }
        };
        for number in 0..self.names.len() {
            let mut status = self.handle(number).status();
            status.wait_for(|status| status.applied_index >= last).await.unwrap();
        }
        self.note_applied();
        for journal in &self.journals {
            let entries: BTreeMap<u64, Bytes> = journal.look().entries.iter().cloned().collect();
            let held = |index: &u64| entries.get(index).cloned();
            for (index, entry) in &self.acknowledged {
                assert_eq!(held(index).as_ref(), Some(entry), "an acknowledged entry at {index} is lost");
            }
            for (index, entry) in &self.agreed {
                assert_eq!(held(index).as_ref(), Some(entry), "an applied entry at {index} is lost");
            }
        }
    }
}
