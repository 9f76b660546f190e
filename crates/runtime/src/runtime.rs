//! [`Runtime`]: the handle that everything above holds.

use crate::disk::{Disk, Lane};
use crate::net::{self, Connection, ListenOptions, Listener};
use crate::panics::PanicBoard;
use crate::real::{RealOptions, RealWorld};
use crate::sim::Life;
use crate::task::{self, TaskHandle};
use ottla_types::Uuid;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The time of [`Runtime::timeout`] passed first.
pub use tokio::time::error::Elapsed;

/// The door to clock, randomness, disk, network and tasks. Cheap to clone; clones are the same runtime.
#[derive(Clone, Debug)]
pub struct Runtime {
    world: WorldHandle,
    data_disk: Disk,
    metadata_disk: Disk,
    panics: Arc<PanicBoard>,
}

#[derive(Clone, Debug)]
pub(crate) enum WorldHandle {
    Real(Arc<RealWorld>),
    Sim(Arc<Life>),
}

impl Runtime {
    /// The real world. Must be called inside a tokio runtime, which runs the tasks spawned here.
    ///
    /// # Errors
    /// The storage threads cannot be started or the machine's boot id cannot be read.
    pub fn real(options: RealOptions) -> io::Result<Runtime> {
        let disk = Disk::real(options.storage_threads)?;
        Ok(Runtime::with_real_world(RealWorld::new(options)?, disk))
    }

    /// The real clock and network, and a disk in memory that is gone with the last handle. Must be called inside a tokio
    /// runtime.
    pub fn in_memory() -> Runtime {
        Runtime::with_real_world(RealWorld::with_boot_id("in-memory".to_owned()), Disk::memory())
    }

    fn with_real_world(world: RealWorld, disk: Disk) -> Runtime {
        Runtime::assemble(WorldHandle::Real(Arc::new(world)), disk, Arc::new(PanicBoard::new()))
    }

    pub(crate) fn assemble(world: WorldHandle, disk: Disk, panics: Arc<PanicBoard>) -> Runtime {
        let metadata_disk = disk.on_lane(Lane::Metadata);
        Runtime { world, data_disk: disk.on_lane(Lane::Data), metadata_disk, panics }
    }

    /// The current point on the monotonic clock.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Milliseconds since 1970-01-01 UTC. May jump, also backwards.
    pub fn wall_clock_ms(&self) -> i64 {
        match &self.world {
            WorldHandle::Real(_) => crate::real::wall_clock_ms(),
            WorldHandle::Sim(life) => life.shared.wall_clock_ms(),
        }
    }

    /// CPU time that the whole process has used; nothing in the simulator, where work takes no time.
    pub(crate) fn process_cpu_time(&self) -> Duration {
        match &self.world {
            WorldHandle::Real(_) => crate::real::process_cpu_time(),
            WorldHandle::Sim(_) => Duration::ZERO,
        }
    }

    /// CPU time that the calling thread has used; nothing in the simulator.
    pub(crate) fn thread_cpu_time(&self) -> Duration {
        match &self.world {
            WorldHandle::Real(_) => crate::real::thread_cpu_time(),
            WorldHandle::Sim(_) => Duration::ZERO,
        }
    }

    /// Cores that this process may use.
    pub(crate) fn cores(&self) -> usize {
        match &self.world {
            WorldHandle::Real(world) => world.cores,
            WorldHandle::Sim(_) => 1,
        }
    }

    /// Waits for `duration`. The timer's resolution is one millisecond.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Waits until `deadline`; at once when it has passed.
    pub async fn sleep_until(&self, deadline: Instant) {
        tokio::time::sleep_until(deadline).await;
    }

    /// `future`'s output, or [`Elapsed`] when `duration` passed first; the future is then dropped.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(duration, future).await
    }

    /// Fills `bytes` from the operating system's secure generator (in the simulator: from the seed).
    pub fn fill_random(&self, bytes: &mut [u8]) {
        match &self.world {
            WorldHandle::Real(_) => crate::real::fill_random(bytes),
            WorldHandle::Sim(life) => life.fill_random(bytes),
        }
    }

    /// 64 random bits.
    pub fn random_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A random number in `range`, which must not be empty. The bias is below 2^-64 times the range's width.
    pub fn random_range(&self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "empty random range {range:?}");
        let width = u128::from(range.end - range.start);
        range.start + ((u128::from(self.random_u64()) * width) >> 64) as u64
    }

    /// A random id of Kafka's kind: never reserved, and its text never starts with a dash.
    pub fn random_uuid(&self) -> Uuid {
        loop {
            if let Some(id) = Uuid::from_random_halves(self.random_u64(), self.random_u64()) {
                return id;
            }
        }
    }

    /// Starts a task. In the simulator it belongs to this runtime's node and dies with it. A panic in it is reported to
    /// [`Runtime::first_panic`]; the binary's hook aborts the process before that.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &'static str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> TaskHandle<T> {
        let future = task::report_panic(name, self.panics.clone(), future);
        match &self.world {
            WorldHandle::Real(world) => TaskHandle::new(world.tasks.spawn(future)),
            WorldHandle::Sim(life) => TaskHandle::new(life.spawn(future)),
        }
    }

    /// Resolves with its message when a task of this runtime has panicked; an embedded node must then stop.
    pub async fn first_panic(&self) -> String {
        self.panics.wait().await
    }

    /// The id of this machine's boot: equal after a process crash, different after a power loss.
    pub fn boot_id(&self) -> String {
        match &self.world {
            WorldHandle::Real(world) => world.boot_id.clone(),
            WorldHandle::Sim(life) => life.boot_id.clone(),
        }
    }

    /// This machine's host name, in the simulator the node's name.
    pub fn host_name(&self) -> String {
        match &self.world {
            WorldHandle::Real(_) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            WorldHandle::Sim(life) => life.node.name.clone(),
        }
    }

    /// The disk, its operations on the data lane's threads.
    pub fn disk(&self) -> &Disk {
        &self.data_disk
    }

    /// The same disk, its operations on the metadata lane's own thread: never behind data fsyncs.
    pub fn metadata_disk(&self) -> &Disk {
        &self.metadata_disk
    }

    /// Listens on `host:port`; port 0 takes a free one, see [`Listener::local_addr`].
    ///
    /// # Errors
    /// `InvalidInput` for an address that does not parse or resolve, `AddrInUse`, and whatever the system says.
    pub async fn listen(&self, addr: &str, options: ListenOptions) -> io::Result<Listener> {
        match &self.world {
            WorldHandle::Real(_) => net::listen_real(addr, options).await,
            WorldHandle::Sim(life) => net::listen_sim(life, addr, options),
        }
    }

    /// Connects to `host:port`.
    pub async fn connect(&self, addr: &str) -> io::Result<Connection> {
        match &self.world {
            WorldHandle::Real(_) => net::connect_real(addr).await,
            WorldHandle::Sim(life) => net::connect_sim(life, addr).await,
        }
    }

    /// Resolves with the signal's name when the process is asked to stop: SIGTERM or SIGINT, in the simulator
    /// [`World::terminate`](crate::sim::World::terminate). The handlers are installed when this is first polled.
    pub async fn shutdown_signal(&self) -> io::Result<&'static str> {
        match &self.world {
            WorldHandle::Real(_) => crate::real::shutdown_signal().await,
            WorldHandle::Sim(life) => {
                life.wait_stop_request().await;
                Ok("SIGTERM")
            }
        }
    }
}
