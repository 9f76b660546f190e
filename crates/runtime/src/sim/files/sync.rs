//! What syncs of files and of directories have in common: their time, their faults, the planted switches.

use super::{go_down, rest};
use crate::sim::disk::DiskState;
use crate::sim::life::Life;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A sync of a file or a directory on its way.
pub(super) struct Sync<'a> {
    pub(super) life: &'a Life,
    pub(super) path: &'a Path,
    pub(super) site: &'a str,
}

/// How a sync ends.
pub(super) enum SyncFate {
    Done,
    /// A planted switch: success is reported and nothing done.
    Ignored,
    Failed(io::Error),
}

impl Sync<'_> {
    /// Notes with `begin` what the sync covers, takes its time, and says how it ends.
    pub(super) async fn wait<T>(
        &self,
        begin: impl FnOnce(&mut DiskState) -> io::Result<T> + Send,
    ) -> io::Result<(T, SyncFate)> {
        self.life.check_alive()?;
        let (covered, outage, is_ignored, time) = {
            let mut disk = self.life.node.disk();
            let covered = begin(&mut disk)?;
            let outage = disk.faults.step();
            let is_ignored = disk.faults.visit_site(self.site, self.path);
            let (range, delay) = (disk.faults.sync_time.clone(), disk.faults.sync_delay(self.path));
            let micros = disk.rng.u64(range.start.as_micros() as u64..range.end.as_micros() as u64);
            (covered, outage, is_ignored, Duration::from_micros(micros) + delay)
        };
        self.life.event(format_args!("sync {} of {} begins", self.site, self.path.display()));
        go_down(self.life, outage)?;
        rest(time).await;
        self.life.check_alive()?;
        let failure = self.life.node.disk().faults.sync_error(self.path);
        let fate = match (failure, is_ignored) {
            (Some(failure), _) => SyncFate::Failed(failure),
            (None, true) => SyncFate::Ignored,
            (None, false) => SyncFate::Done,
        };
        let ended_well = !matches!(fate, SyncFate::Failed(_));
        self.life.event(format_args!("sync {} of {} ends {ended_well}", self.site, self.path.display()));
        Ok((covered, fate))
    }

    /// The last moment in which the machine can go down before the caller learns of the success.
    pub(super) fn reported(&self) -> io::Result<()> {
        let outage = self.life.node.disk().faults.step();
        go_down(self.life, outage)
    }
}
