//! [`World`]: the test's view of a simulation.

use crate::disk::Disk;
use crate::panics::PanicBoard;
use crate::runtime::{Runtime, WorldHandle};
use crate::sim::disk::DiskState;
use crate::sim::disk::faults::DiskFaults;
use crate::sim::files::SimDisk;
use crate::sim::life::{Life, NodeShared, Shared};
use crate::sim::network::Network;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// Simulated time after which a run counts as stuck.
const RUN_TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// How a node goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// The process ends (`kill -9`): memory and connections are gone, files stay as they are.
    Crash,
    /// The machine ends: a random part of what was not synced survives, and the next boot has a new boot id.
    PowerLoss,
}

/// A simulated world. Clones are the same world.
#[derive(Clone, Debug)]
pub struct World {
    shared: Arc<Shared>,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug)]
struct Inside {
    nodes: BTreeMap<String, Node>,
    rng: Rng,
}

#[derive(Debug)]
struct Node {
    shared: Arc<NodeShared>,
    life: Option<Arc<Life>>,
    lives: u32,
}

impl World {
    /// A world whose every choice follows from `seed`.
    pub fn new(seed: u64) -> World {
        let shared = Shared {
            seed,
            trace: Mutex::default(),
            network: Mutex::new(Network::new(seed)),
            panics: Arc::new(PanicBoard::new()),
            started: OnceLock::new(),
            wall_clock_skew_ms: AtomicI64::new(0),
        };
        let rng = shared.rng("world");
        World { shared: Arc::new(shared), inside: Arc::new(Mutex::new(Inside { nodes: BTreeMap::new(), rng })) }
    }

    /// The seed that this world was made from.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Runs `driver`, and with it all nodes, until it ends; then all tasks are dropped. Once per world. Timers fire in order as
    /// soon as nothing else can happen, so simulated hours take no time.
    ///
    /// # Panics
    /// When the driver or any node's task panics, and when the driver has not ended after 24 simulated hours, which is how a
    /// deadlock shows. The seed is printed.
    pub fn run<F: Future>(&self, driver: F) -> F::Output {
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without io needs nothing from the system");
        let _seed_printer = SeedPrinter { seed: self.shared.seed };
        tokio.block_on(async {
            self.shared.started.set(Instant::now()).expect("a world runs once");
            tokio::select! {
                biased;
                message = self.shared.panics.wait() => panic!("{message}"),
                output = driver => {
                    self.shared.trace.lock().expect("the world is intact").close();
                    // A task that panicked in the driver's last turn was not polled for again.
                    if let Some(message) = self.shared.panics.first() {
                        panic!("{message}");
                    }
                    output
                }
                () = tokio::time::sleep(RUN_TIME_MAX) => panic!("the run is stuck"),
            }
        })
    }

    /// The runtime of node `name`; starts its process when there is none. Also how test clients get theirs: give them a name.
    /// Nodes have the addresses 10.0.0.1, 10.0.0.2, ... in the order of their first start; their names resolve to those.
    pub fn node(&self, name: &str) -> Runtime {
        let life = {
            let mut inside = self.inside();
            let index = inside.nodes.len();
            let node = inside.nodes.entry(name.to_owned()).or_insert_with(|| self.new_node(name, index));
            match &node.life {
                Some(life) if life.is_alive() => life.clone(),
                _ => {
                    node.lives += 1;
                    let life = Life::begin(self.shared.clone(), node.shared.clone(), node.lives);
                    node.life.insert(life).clone()
                }
            }
        };
        let disk = Disk::sim(SimDisk::new(life.clone()));
        Runtime::assemble(WorldHandle::Sim(life), disk, self.shared.panics.clone())
    }

    fn new_node(&self, name: &str, index: usize) -> Node {
        let octet = u8::try_from(index + 1).expect("a world has at most 255 nodes");
        let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, octet));
        self.shared.network().add_host(name, ip);
        let disk = DiskState::new(self.shared.rng(&format!("disk of {name}")).u64(..));
        Node { shared: Arc::new(NodeShared::new(name.to_owned(), ip, disk)), life: None, lives: 0 }
    }

    /// Whether the node's process runs.
    pub fn is_up(&self, name: &str) -> bool {
        self.life(name).is_some_and(|life| life.is_alive())
    }

    /// Takes the node down. All handles of its process fail from now on. A machine can also lose power while no process runs.
    pub fn take_down(&self, name: &str, outage: Outage) {
        match (self.life(name).filter(|life| life.is_alive()), outage) {
            (Some(life), _) => life.end(outage),
            (None, Outage::Crash) => {}
            (None, Outage::PowerLoss) => {
                self.shared.event(name, format_args!("PowerLoss without a process"));
                self.node_shared(name).lose_power();
            }
        }
    }

    /// [`World::take_down`] with [`Outage::Crash`].
    pub fn crash(&self, name: &str) {
        self.take_down(name, Outage::Crash);
    }

    /// [`World::take_down`] with [`Outage::PowerLoss`].
    pub fn power_loss(&self, name: &str) {
        self.take_down(name, Outage::PowerLoss);
    }

    /// Resolves when the node's process has gone; at once when there is none.
    pub async fn down(&self, name: &str) {
        if let Some(life) = self.life(name) {
            life.wait_end().await;
        }
    }

    /// Delivers SIGTERM to the node's process: [`Runtime::shutdown_signal`] resolves.
    pub fn terminate(&self, name: &str) {
        if let Some(life) = self.life(name) {
            life.request_stop();
        }
    }

    /// Plans faults of the node's disk, which exists from the node's first start on.
    pub fn disk_faults(&self, name: &str) -> DiskFaults {
        DiskFaults { node: self.node_shared(name) }
    }

    /// From now on nothing passes between the two nodes: their connections are reset, new ones time out.
    pub fn cut(&self, one: &str, other: &str) {
        self.shared.event("world", format_args!("cut {one} {other}"));
        self.shared.network().cut(one, other);
    }

    /// Undoes [`World::cut`].
    pub fn heal(&self, one: &str, other: &str) {
        self.shared.event("world", format_args!("heal {one} {other}"));
        self.shared.network().heal(one, other);
    }

    /// How long bytes travel, drawn at random from this range. At first 0 to 3 ms.
    pub fn set_network_time(&self, time: Range<Duration>) {
        assert!(time.start < time.end, "empty range of network times");
        self.shared.network().travel_time = time;
    }

    /// Puts the wall clock ahead (or back) of where it would stand. The monotonic clock is not touched.
    pub fn set_wall_clock_skew_ms(&self, skew_ms: i64) {
        self.shared.wall_clock_skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// A random number for the driver, from a generator of its own.
    pub fn random_range(&self, range: Range<u64>) -> u64 {
        self.inside().rng.u64(range)
    }

    /// The sync sites that nodes have passed so far, and how often.
    pub fn sync_sites(&self) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for node in self.inside().nodes.values() {
            for (site, count) in &node.shared.disk().faults.sites {
                *all.entry(site.clone()).or_default() += count;
            }
        }
        all
    }

    /// A hash of everything that happened: disk operations, network traffic, starts and outages.
    pub fn trace_hash(&self) -> u64 {
        self.shared.trace.lock().expect("the world is intact").hash()
    }

    /// From now on keeps each event's text (a million at most).
    pub fn keep_trace(&self) {
        self.shared.trace.lock().expect("the world is intact").keep_text();
    }

    /// The events since [`World::keep_trace`]: microseconds since the start, node, what.
    pub fn trace(&self) -> Vec<String> {
        self.shared.trace.lock().expect("the world is intact").lines()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("the world is intact")
    }

    fn life(&self, name: &str) -> Option<Arc<Life>> {
        self.inside().nodes.get(name)?.life.clone()
    }

    fn node_shared(&self, name: &str) -> Arc<NodeShared> {
        let inside = self.inside();
        let node = inside.nodes.get(name).unwrap_or_else(|| panic!("no node '{name}' was started"));
        node.shared.clone()
    }
}

/// Says which seed to replay when a run panics.
struct SeedPrinter {
    seed: u64,
}

impl Drop for SeedPrinter {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the simulated run with seed {} failed", self.seed);
        }
    }
}
