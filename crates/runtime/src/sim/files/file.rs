//! An open file of a simulated process.

use super::sync::{Sync, SyncFate};
use super::{go_down, rest};
use crate::disk::OpenMode;
use crate::error::at_path;
use crate::sim::disk::DiskState;
use crate::sim::disk::names::Number;
use crate::sim::life::Life;
use crate::sim::trace::mix;
use crate::sim::world::Outage;
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// An open file of a simulated process.
#[derive(Debug)]
pub(crate) struct SimFile {
    life: Arc<Life>,
    number: Number,
    path: PathBuf,
    mode: OpenMode,
}

impl SimFile {
    /// A handle of file `number`, which has been counted.
    pub(crate) fn new(life: Arc<Life>, number: Number, path: PathBuf, mode: OpenMode) -> SimFile {
        SimFile { life, number, path, mode }
    }

    pub(crate) fn number(&self) -> Number {
        self.number
    }

    fn error(&self, action: &'static str, error: io::Error) -> io::Error {
        at_path(action, &self.path, error)
    }

    fn check_writable(&self) -> io::Result<()> {
        self.life.check_alive()?;
        if self.mode == OpenMode::Read { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    pub(crate) fn write_at(&self, offset: u64, bufs: &[&[u8]]) -> io::Result<()> {
        let data = bufs.concat();
        let written = match offset.checked_add(data.len() as u64) {
            Some(end) if end <= i64::MAX as u64 => self.check_writable().and_then(|()| self.write(offset, data)),
            _ => Err(io::ErrorKind::FileTooLarge.into()),
        };
        written.map_err(|error| self.error("write", error))
    }

    fn write(&self, offset: u64, mut data: Vec<u8>) -> io::Result<()> {
        let (outage, result) = {
            let mut disk = self.life.node.disk();
            let outage = disk.faults.step();
            let result = match disk.faults.write_error(&self.path) {
                Some(error) => Err(error),
                None => self.check_room(&mut disk, offset, &mut data),
            };
            if outage == Some(Outage::Crash) || matches!(&result, Err(error) if !crate::is_disk_full(error)) {
                let done = disk.rng.usize(0..=data.len());
                data.truncate(done);
            }
            (outage, result)
        };
        let outcome = result.as_ref().map_err(io::Error::kind);
        let (len, hash) = (data.len(), mix(0, &data));
        self.life.event(format_args!("write {} at {offset}: {len} bytes {hash:x} {outcome:?}", self.number));
        self.life.node.disk().file(self.number).write(offset, data);
        go_down(&self.life, outage)?;
        result
    }

    /// Cuts `data` to what the disk can take.
    fn check_room(&self, disk: &mut DiskState, offset: u64, data: &mut Vec<u8>) -> io::Result<()> {
        let growth = disk.file(self.number).growth_to(offset + data.len() as u64);
        let room = disk.room_for(growth);
        if growth <= room {
            return Ok(());
        }
        data.truncate(data.len().saturating_sub((growth - room) as usize));
        Err(io::ErrorKind::StorageFull.into())
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable().map_err(|error| self.error("set the length of", error))?;
        let outage = {
            let mut disk = self.life.node.disk();
            disk.file(self.number).set_len(len);
            disk.faults.step()
        };
        self.life.event(format_args!("set_len {} {len}", self.number));
        go_down(&self.life, outage).map_err(|error| self.error("set the length of", error))
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        self.life.check_alive().map_err(|error| self.error("ask for the length of", error))?;
        Ok(self.life.node.disk().file(self.number).now().len())
    }

    pub(crate) async fn sync(&self, site: &str) -> io::Result<()> {
        let number = self.number;
        let begin = |disk: &mut DiskState| Ok(disk.file(number).next_change());
        let sync = Sync { life: &self.life, path: &self.path, site };
        let (up_to, fate) = sync.wait(begin).await.map_err(|error| self.error("sync", error))?;
        match fate {
            SyncFate::Done => self.life.node.disk().file(number).synced(up_to),
            SyncFate::Ignored => {}
            SyncFate::Failed(failure) => {
                let mut disk = self.life.node.disk();
                let mut rng = disk.rng.fork();
                disk.file(number).sync_failed(up_to, &mut rng);
                return Err(self.error("sync", failure));
            }
        }
        sync.reported().map_err(|error| self.error("sync", error))
    }

    pub(crate) async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.read(offset, len).await.map_err(|error| self.error("read", error))
    }

    async fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.life.check_alive()?;
        if self.is_cold() {
            let time = Duration::from_millis(self.life.node.disk().rng.u64(0..4));
            rest(time).await;
            self.life.check_alive()?;
            if let Some(error) = self.life.node.disk().faults.read_error(&self.path) {
                self.life.event(format_args!("read {} at {offset} failed", self.number));
                return Err(error);
            }
        }
        Ok(self.life.node.disk().file(self.number).now().read(offset, len).into())
    }

    pub(crate) fn read_resident(&self, offset: u64, len: usize) -> Option<Bytes> {
        if !self.life.is_alive() || self.is_cold() {
            return None;
        }
        Some(self.life.node.disk().file(self.number).now().read(offset, len).into())
    }

    fn is_cold(&self) -> bool {
        let mut disk = self.life.node.disk();
        let percent = disk.faults.cold_read_percent;
        disk.faults.has_read_error(&self.path) || disk.rng.u8(0..100) < percent
    }

    pub(crate) async fn allocate(&self, len: u64) -> io::Result<()> {
        let error = |error| self.error("allocate space for", error);
        tokio::task::yield_now().await;
        self.check_writable().map_err(error)?;
        let mut disk = self.life.node.disk();
        let growth = disk.file(self.number).growth_to(len);
        if disk.room_for(growth) < growth {
            return Err(error(io::ErrorKind::StorageFull.into()));
        }
        disk.file(self.number).allocate(len);
        Ok(())
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if self.life.is_alive() {
            self.life.node.disk().close(self.number);
        }
    }
}
