//! The simulated disk's state: an inode table whose directories and files each have a present (the page cache) and a durable
//! side, joined by the changes between them that are still pending.
//!
//! 1. A change is made to the present and queued as pending.
//! 2. A sync that began after the change makes it durable.
//! 3. At a power loss a random part of what is pending becomes durable, and the durable side is the new present.
//!
//! A directory's names and a file's content are synced separately, as POSIX promises no more than that.

pub(crate) mod content;
pub(crate) mod faults;
pub(crate) mod names;

use crate::disk::{DirEntry, OpenMode, Space};
use content::FileState;
use fastrand::Rng;
use faults::FaultPlan;
use names::{Names, Number};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Size of a disk without a set capacity.
const UNLIMITED_BYTES: u64 = 1 << 40;

/// One node's disk. It outlives the node's processes.
#[derive(Debug)]
pub(crate) struct DiskState {
    pub(crate) names: Names,
    pub(crate) files: BTreeMap<Number, FileState>,
    pub(crate) faults: FaultPlan,
    pub(crate) rng: Rng,
}

impl DiskState {
    pub(crate) fn new(seed: u64) -> DiskState {
        DiskState {
            names: Names::new(),
            files: BTreeMap::new(),
            faults: FaultPlan::default(),
            rng: Rng::with_seed(seed),
        }
    }

    /// Opens or makes the file at `path` and counts the new handle.
    pub(crate) fn open(&mut self, path: &Path, mode: OpenMode) -> io::Result<Number> {
        if self.faults.open_files_max.is_some_and(|max| self.open_files() >= max) {
            return Err(faults::emfile());
        }
        let number = match (self.names.find(path)?, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(number), _) if self.names.is_dir(number) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(number), _) => number,
            (None, OpenMode::Read | OpenMode::ReadWrite) => return Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::CreateNew | OpenMode::Create) => {
                let number = self.names.create_file(path)?;
                self.files.insert(number, FileState::default());
                number
            }
        };
        self.file(number).handles += 1;
        Ok(number)
    }

    pub(crate) fn open_files(&self) -> usize {
        self.files.values().map(|file| file.handles as usize).sum()
    }

    /// The state of an open file.
    pub(crate) fn file(&mut self, number: Number) -> &mut FileState {
        self.files.get_mut(&number).expect("a file lives while it has a handle")
    }

    pub(crate) fn close(&mut self, number: Number) {
        let file = self.file(number);
        file.handles -= 1;
        if file.handles == 0 && !self.names.is_linked_now(number) {
            self.collect();
        }
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let children = self.names.children(path)?;
        let entry = |(name, number): (&String, &Number)| {
            let is_dir = self.names.is_dir(*number);
            let len = if is_dir { 0 } else { self.files[number].now().len() };
            DirEntry { name: name.clone(), is_dir, len }
        };
        Ok(children.iter().map(entry).collect())
    }

    /// How many bytes of `growth` the disk can still take.
    pub(crate) fn room_for(&self, growth: u64) -> u64 {
        self.faults.capacity.map_or(growth, |_| growth.min(self.space().available))
    }

    pub(crate) fn space(&self) -> Space {
        let total = self.faults.capacity.unwrap_or(UNLIMITED_BYTES);
        let held = |(number, file): (&Number, &FileState)| {
            if file.handles > 0 || self.names.is_linked_now(*number) { file.charge() } else { 0 }
        };
        let used: u64 = self.files.iter().map(held).sum();
        Space { total, available: total.saturating_sub(used) }
    }

    pub(crate) fn sync_dir(&mut self, directory: Number, up_to: u64) {
        self.names.sync(directory, up_to);
        self.collect();
    }

    /// The process is gone and the page cache stays.
    pub(crate) fn process_ended(&mut self) {
        self.files.values_mut().for_each(|file| file.handles = 0);
        self.collect();
    }

    /// The machine is gone: what is pending is kept or lost at random.
    pub(crate) fn power_lost(&mut self) {
        self.names.power_lost(&mut self.rng);
        for file in self.files.values_mut() {
            file.handles = 0;
            file.power_lost(&mut self.rng);
        }
        self.collect();
    }

    /// Forgets files that nothing can reach any more.
    fn collect(&mut self) {
        self.names.collect();
        self.files.retain(|number, file| file.handles > 0 || self.names.is_referenced(*number));
    }
}
