//! The real world's clock, randomness, boot id and signals; files and sockets are in the submodules.

pub(crate) mod disk;
pub(crate) mod file;
pub(crate) mod net;
pub(crate) mod send;
pub(crate) mod threads;
mod writeback;

use rustix::time::ClockId;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle;

/// Where Linux says which boot this is: a random UUID, new at every boot of the machine.
const BOOT_ID_PATH: &str = "/proc/sys/kernel/random/boot_id";

/// How the real world is set up.
#[derive(Debug, Clone)]
pub struct RealOptions {
    /// Most threads of the data lane: how many fsyncs and cold reads run at once. The metadata lane has its own thread beside them.
    pub storage_threads: usize,
    /// Used instead of the machine's boot id. Only for tests that make a power loss happen without a reboot, such as shutting
    /// down a mounted file system: recovery judges torn writes by whether the boot id changed.
    pub boot_id_override: Option<String>,
}

impl Default for RealOptions {
    fn default() -> RealOptions {
        RealOptions { storage_threads: 64, boot_id_override: None }
    }
}

/// What [`crate::Runtime`] keeps of the real world.
#[derive(Debug)]
pub(crate) struct RealWorld {
    pub(crate) tasks: Handle,
    pub(crate) boot_id: String,
    pub(crate) cores: usize,
}

impl RealWorld {
    pub(crate) fn new(options: RealOptions) -> io::Result<RealWorld> {
        let boot_id = match options.boot_id_override {
            Some(id) => id,
            None => std::fs::read_to_string(BOOT_ID_PATH)
                .map_err(|error| crate::error::at_path("read", BOOT_ID_PATH.as_ref(), error))?
                .trim()
                .to_owned(),
        };
        Ok(RealWorld::with_boot_id(boot_id))
    }

    pub(crate) fn with_boot_id(boot_id: String) -> RealWorld {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        RealWorld { tasks: Handle::current(), boot_id, cores }
    }
}

/// Milliseconds since 1970-01-01 UTC; negative on a machine whose clock stands before that.
pub(crate) fn wall_clock_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_millis() as i64,
        Err(before) => -(before.duration().as_millis() as i64),
    }
}

/// CPU time that the whole process has used.
pub(crate) fn process_cpu_time() -> Duration {
    cpu_time(ClockId::ProcessCPUTime)
}

/// CPU time that the calling thread has used.
pub(crate) fn thread_cpu_time() -> Duration {
    cpu_time(ClockId::ThreadCPUTime)
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Fills `bytes` from the operating system. It cannot fail on a machine that has booted.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Waits for SIGTERM or SIGINT and says which came.
pub(crate) async fn shutdown_signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        biased;
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
