//! A node of a world, and one life of its process: what [`crate::Runtime`] keeps of the simulation.
//!
//! Every handle a process makes (files, connections, tasks, locks) holds its [`Life`]. When the life ends they all fail, so
//! that nothing a dying task still does reaches the disk or the network.

use crate::panics::PanicBoard;
use crate::sim::disk::DiskState;
use crate::sim::network::Network;
use crate::sim::trace::{Trace, mix};
use crate::sim::world::Outage;
use crate::watch;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

/// 2023-11-14 22:13:20 UTC: what a world's wall clock shows at its start.
const WALL_CLOCK_START_MS: i64 = 1_700_000_000_000;

/// What all nodes of a world share. Locks are held for single operations only, and in this order: disk, network, trace.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) seed: u64,
    pub(crate) trace: Mutex<Trace>,
    pub(crate) network: Mutex<Network>,
    pub(crate) panics: Arc<PanicBoard>,
    pub(crate) started: OnceLock<Instant>,
    pub(crate) wall_clock_skew_ms: AtomicI64,
}

impl Shared {
    pub(crate) fn event(&self, node: &str, event: fmt::Arguments<'_>) {
        let micros = self.elapsed().as_micros();
        self.trace.lock().expect("the world is intact").event(micros, node, event);
    }

    pub(crate) fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().expect("the world is intact")
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.get().map_or(Duration::ZERO, |started| started.elapsed())
    }

    pub(crate) fn wall_clock_ms(&self) -> i64 {
        let skew_ms = self.wall_clock_skew_ms.load(Ordering::Relaxed);
        WALL_CLOCK_START_MS + self.elapsed().as_millis() as i64 + skew_ms
    }

    /// A generator of its own for `purpose`.
    pub(crate) fn rng(&self, purpose: &str) -> Rng {
        Rng::with_seed(mix(self.seed, purpose.as_bytes()))
    }
}

/// The machine: what outlives its processes.
#[derive(Debug)]
pub(crate) struct NodeShared {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
    boot: AtomicU32,
    disk: Mutex<DiskState>,
}

impl NodeShared {
    pub(crate) fn new(name: String, ip: IpAddr, disk: DiskState) -> NodeShared {
        NodeShared { name, ip, boot: AtomicU32::new(1), disk: Mutex::new(disk) }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, DiskState> {
        self.disk.lock().expect("the world is intact")
    }

    /// The machine loses power: its disk forgets, the next boot is another one.
    pub(crate) fn lose_power(&self) {
        self.disk().power_lost();
        self.boot.fetch_add(1, Ordering::Relaxed);
    }
}

/// One process of a node, from its start to its end.
pub(crate) struct Life {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Arc<NodeShared>,
    pub(crate) boot_id: String,
    is_alive: AtomicBool,
    ended: watch::Sender<bool>,
    terminate: watch::Sender<bool>,
    rng: Mutex<Rng>,
    tasks: Mutex<Tasks>,
    pub(crate) locks: Mutex<BTreeSet<PathBuf>>,
}

#[derive(Default)]
struct Tasks {
    running: BTreeMap<u64, AbortHandle>,
    next: u64,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Life({}, {})", self.node.name, self.boot_id)
    }
}

impl Life {
    pub(crate) fn begin(shared: Arc<Shared>, node: Arc<NodeShared>, number: u32) -> Arc<Life> {
        let boot = node.boot.load(Ordering::Relaxed);
        shared.event(&node.name, format_args!("start life {number} boot {boot}"));
        Arc::new(Life {
            boot_id: format!("{}-boot-{boot}", node.name),
            is_alive: AtomicBool::new(true),
            ended: watch::Sender::new(false),
            terminate: watch::Sender::new(false),
            rng: Mutex::new(shared.rng(&format!("life {number} of {}", node.name))),
            tasks: Mutex::default(),
            locks: Mutex::default(),
            shared,
            node,
        })
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }

    /// An error once the process is gone.
    pub(crate) fn check_alive(&self) -> io::Result<()> {
        if self.is_alive() { Ok(()) } else { Err(io::Error::other(format!("node {} is down", self.node.name))) }
    }

    pub(crate) fn event(&self, event: fmt::Arguments<'_>) {
        self.shared.event(&self.node.name, event);
    }

    pub(crate) fn fill_random(&self, bytes: &mut [u8]) {
        self.rng.lock().expect("the world is intact").fill(bytes);
    }

    /// Starts a task that ends with this life.
    pub(crate) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let number = {
            let mut tasks = self.tasks();
            tasks.next += 1;
            tasks.next
        };
        let done = TaskDone { life: self.clone(), number };
        let handle = tokio::spawn(async move {
            let _done = done;
            future.await
        });
        if self.is_alive() {
            self.tasks().running.insert(number, handle.abort_handle());
        } else {
            handle.abort();
        }
        handle
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().expect("the world is intact")
    }

    /// Ends the process, and with [`Outage::PowerLoss`] the machine.
    pub(crate) fn end(&self, outage: Outage) {
        if !self.is_alive.swap(false, Ordering::Relaxed) {
            return;
        }
        self.event(format_args!("{outage:?}"));
        match outage {
            Outage::Crash => self.node.disk().process_ended(),
            Outage::PowerLoss => self.node.lose_power(),
        }
        // Dropped without the network's lock: what waits in them are connections.
        let _closed = self.shared.network().node_down(&self.node.name, outage);
        let running = std::mem::take(&mut self.tasks().running);
        running.values().for_each(AbortHandle::abort);
        self.ended.send_replace(true);
    }

    pub(crate) async fn wait_end(&self) {
        wait_true(&self.ended).await;
    }

    pub(crate) fn request_stop(&self) {
        self.event(format_args!("SIGTERM"));
        self.terminate.send_replace(true);
    }

    pub(crate) async fn wait_stop_request(&self) {
        wait_true(&self.terminate).await;
    }
}

async fn wait_true(flag: &watch::Sender<bool>) {
    let mut receiver = flag.subscribe();
    receiver.wait_for(|set| *set).await.expect("the flag outlives its waiters");
}

/// Takes its task off the list when it ends.
struct TaskDone {
    life: Arc<Life>,
    number: u64,
}

impl Drop for TaskDone {
    fn drop(&mut self) {
        self.life.tasks().running.remove(&self.number);
    }
}
