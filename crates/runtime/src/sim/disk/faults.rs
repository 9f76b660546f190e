//! Planned faults of one node's disk.

use crate::sim::life::NodeShared;
use crate::sim::world::Outage;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Decides by a sync site's name.
type SiteMatcher = Box<dyn Fn(&str) -> bool + Send>;

/// What is planned for a disk.
pub(crate) struct FaultPlan {
    pub(crate) capacity: Option<u64>,
    pub(crate) open_files_max: Option<usize>,
    write_errors: Vec<Fault>,
    sync_errors: Vec<Fault>,
    read_errors: Vec<Fault>,
    slow_syncs: Vec<Fault>,
    slow_sync_time: Duration,
    pub(crate) sync_time: Range<Duration>,
    pub(crate) cold_read_percent: u8,
    ignored_syncs: Option<SiteMatcher>,
    /// Syncs of paths that contain this are ignored, too.
    ignored_paths: Option<String>,
    outage: Option<(u64, Outage)>,
    pub(crate) sites: BTreeMap<String, u64>,
}

/// The next `count` operations on paths that contain `path` go wrong.
#[derive(Debug)]
struct Fault {
    path: String,
    count: u32,
}

impl Default for FaultPlan {
    fn default() -> FaultPlan {
        FaultPlan {
            capacity: None,
            open_files_max: None,
            write_errors: Vec::new(),
            sync_errors: Vec::new(),
            read_errors: Vec::new(),
            slow_syncs: Vec::new(),
            slow_sync_time: Duration::ZERO,
            sync_time: Duration::ZERO..Duration::from_millis(6),
            cold_read_percent: 10,
            ignored_syncs: None,
            ignored_paths: None,
            outage: None,
            sites: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultPlan").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl FaultPlan {
    /// Counts one disk operation; the outage that is planned for it.
    pub(crate) fn step(&mut self) -> Option<Outage> {
        let (left, outage) = self.outage.as_mut()?;
        *left -= 1;
        let outage = (*left == 0).then_some(*outage)?;
        self.outage = None;
        Some(outage)
    }

    pub(crate) fn write_error(&mut self, path: &Path) -> Option<io::Error> {
        take(&mut self.write_errors, path).then(eio)
    }

    pub(crate) fn sync_error(&mut self, path: &Path) -> Option<io::Error> {
        take(&mut self.sync_errors, path).then(eio)
    }

    pub(crate) fn read_error(&mut self, path: &Path) -> Option<io::Error> {
        take(&mut self.read_errors, path).then(eio)
    }

    /// Whether a read of `path` is to fail; does not use the fault up.
    pub(crate) fn has_read_error(&self, path: &Path) -> bool {
        let path = path.to_string_lossy();
        self.read_errors.iter().any(|fault| path.contains(&fault.path))
    }

    /// The time that is added to this sync.
    pub(crate) fn sync_delay(&mut self, path: &Path) -> Duration {
        if take(&mut self.slow_syncs, path) { self.slow_sync_time } else { Duration::ZERO }
    }

    /// Notes that `site` syncs `path`; whether it is to be a no-op.
    pub(crate) fn visit_site(&mut self, site: &str, path: &Path) -> bool {
        *self.sites.entry(site.to_owned()).or_default() += 1;
        self.ignored_syncs.as_ref().is_some_and(|matches| matches(site))
            || self.ignored_paths.as_ref().is_some_and(|part| path.to_string_lossy().contains(part.as_str()))
    }
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error())
}

/// What opening a file beyond the limit says.
pub(crate) fn emfile() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())
}

/// Whether a fault waits for `path`; uses it up.
fn take(faults: &mut Vec<Fault>, path: &Path) -> bool {
    let path = path.to_string_lossy();
    let Some(index) = faults.iter().position(|fault| path.contains(&fault.path)) else { return false };
    faults[index].count -= 1;
    if faults[index].count == 0 {
        faults.remove(index);
    }
    true
}

/// Plans faults of one node's disk. They outlive the node's processes.
///
/// `path` arguments are parts of a path: a fault hits the next operations on paths that contain it; `""` is any path.
#[derive(Debug)]
pub struct DiskFaults {
    pub(crate) node: Arc<NodeShared>,
}

impl DiskFaults {
    fn plan<T>(&self, change: impl FnOnce(&mut FaultPlan) -> T) -> T {
        change(&mut self.node.disk().faults)
    }

    /// The next `count` writes fail with EIO, after writing a random part (possibly nothing) of what they were given.
    pub fn fail_writes(&self, path: &str, count: u32) {
        self.plan(|plan| plan.write_errors.extend(fault(path, count)));
    }

    /// The next `count` file or directory syncs fail with EIO. A file's data that such a sync was to write never becomes durable,
    /// although the next sync succeeds.
    pub fn fail_syncs(&self, path: &str, count: u32) {
        self.plan(|plan| plan.sync_errors.extend(fault(path, count)));
    }

    /// The next `count` reads that go to the disk fail with EIO.
    pub fn fail_reads(&self, path: &str, count: u32) {
        self.plan(|plan| plan.read_errors.extend(fault(path, count)));
    }

    /// The next `count` syncs take `time` longer.
    pub fn slow_syncs(&self, path: &str, count: u32, time: Duration) {
        self.plan(|plan| {
            plan.slow_syncs.extend(fault(path, count));
            plan.slow_sync_time = time;
        });
    }

    /// Drops all planned write, sync and read errors and slow syncs.
    pub fn clear_errors(&self) {
        self.plan(|plan| {
            for faults in [&mut plan.write_errors, &mut plan.sync_errors, &mut plan.read_errors, &mut plan.slow_syncs] {
                faults.clear();
            }
        });
    }

    /// The disk holds this many bytes of file content; a write beyond it writes what fits and fails. `None`: no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.plan(|plan| plan.capacity = bytes);
    }

    /// The node may have this many files open; opening beyond it fails with EMFILE. `None`: no limit.
    pub fn set_open_files_max(&self, files: Option<usize>) {
        self.plan(|plan| plan.open_files_max = files);
    }

    /// Files that the node has open, each handle counted.
    pub fn open_files(&self) -> usize {
        self.node.disk().open_files()
    }

    /// How long syncs take, drawn at random from this range. At first 0 to 6 ms.
    pub fn set_sync_time(&self, time: Range<Duration>) {
        assert!(time.start < time.end, "empty range of sync times");
        self.plan(|plan| plan.sync_time = time);
    }

    /// How many of 100 reads find that their bytes are not in the page cache. At first 10.
    pub fn set_cold_read_percent(&self, percent: u8) {
        self.plan(|plan| plan.cold_read_percent = percent);
    }

    /// From now on a sync whose site `matches` does nothing and reports success: the planted switch that shows that each sync
    /// is needed. Replaces the former matcher.
    pub fn ignore_syncs(&self, matches: impl Fn(&str) -> bool + Send + 'static) {
        self.plan(|plan| plan.ignored_syncs = Some(Box::new(matches)));
    }

    /// The same for all syncs of paths that contain `path`.
    pub fn ignore_syncs_of(&self, path: &str) {
        self.plan(|plan| plan.ignored_paths = Some(path.to_owned()));
    }

    /// All syncs work again.
    pub fn honour_all_syncs(&self) {
        self.plan(|plan| (plan.ignored_syncs, plan.ignored_paths) = (None, None));
    }

    /// The node goes down in its `operations`-th disk operation from now (1 is the next one). A write is then torn at a random
    /// byte (crash) or like everything unsynced (power loss); a sync counts twice, when it begins and when it has ended but
    /// has not been reported. [`World::down`](crate::sim::World::down) tells when it happened.
    pub fn plan_outage(&self, operations: u64, outage: Outage) {
        assert!(operations > 0, "the first operation from now is number 1");
        self.plan(|plan| plan.outage = Some((operations, outage)));
    }

    /// Takes a planned outage back.
    pub fn cancel_outage(&self) {
        self.plan(|plan| plan.outage = None);
    }

    /// Flips a bit of the byte at `offset` of the file at `path`, in memory and on disk: damage at rest.
    ///
    /// # Errors
    /// There is no such file or byte.
    pub fn corrupt(&self, path: &Path, offset: u64) -> io::Result<()> {
        let mut disk = self.node.disk();
        let number = disk.names.find(path)?.ok_or(io::ErrorKind::NotFound)?;
        let file = disk.files.get_mut(&number).ok_or(io::ErrorKind::IsADirectory)?;
        if file.corrupt(offset) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn fault(path: &str, count: u32) -> Option<Fault> {
    (count > 0).then(|| Fault { path: path.to_owned(), count })
}
