//! The names on a simulated disk: directories with a present and a durable side, and the pending changes between them.

mod change;

use change::{Change, Touched};
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};

/// An inode number, of a file or a directory.
pub(crate) type Number = u64;

/// The root directory, which is always there.
const ROOT: Number = 0;

type Entries = BTreeMap<String, Number>;

/// A name in a directory.
type Slot = (Number, String);

#[derive(Debug, Default)]
struct Directory {
    now: Entries,
    durable: Entries,
}

/// All directories of one disk.
#[derive(Debug)]
pub(crate) struct Names {
    directories: BTreeMap<Number, Directory>,
    pending: Vec<Change>,
    next_number: Number,
    next_order: u64,
    linked_now: BTreeSet<Number>,
    referenced: BTreeSet<Number>,
}

impl Names {
    pub(crate) fn new() -> Names {
        Names {
            directories: BTreeMap::from([(ROOT, Directory::default())]),
            pending: Vec::new(),
            next_number: ROOT + 1,
            next_order: 0,
            linked_now: BTreeSet::new(),
            referenced: BTreeSet::new(),
        }
    }

    pub(crate) fn is_dir(&self, number: Number) -> bool {
        self.directories.contains_key(&number)
    }

    /// Whether a name leads to it now.
    pub(crate) fn is_linked_now(&self, number: Number) -> bool {
        self.linked_now.contains(&number)
    }

    /// Whether a name leads to it, now or after a power loss.
    pub(crate) fn is_referenced(&self, number: Number) -> bool {
        self.referenced.contains(&number)
    }

    /// What `path` leads to; `None` when only the last name is missing.
    pub(crate) fn find(&self, path: &Path) -> io::Result<Option<Number>> {
        let mut parts = parts(path)?;
        let Some(last) = parts.pop() else { return Ok(Some(ROOT)) };
        let directory = self.walk(&parts)?;
        Ok(self.directories[&directory].now.get(&last).copied())
    }

    /// The directory at `path`.
    pub(crate) fn directory(&self, path: &Path) -> io::Result<Number> {
        self.walk(&parts(path)?)
    }

    fn walk(&self, parts: &[String]) -> io::Result<Number> {
        let mut at = ROOT;
        for part in parts {
            at = *self.directories[&at].now.get(part).ok_or(io::ErrorKind::NotFound)?;
            if !self.is_dir(at) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
        Ok(at)
    }

    /// The directory and name that `path` stands for.
    fn slot(&self, path: &Path) -> io::Result<Slot> {
        let mut parts = parts(path)?;
        let name = parts.pop().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.walk(&parts)?, name))
    }

    /// The names in the directory at `path`.
    pub(crate) fn children(&self, path: &Path) -> io::Result<&Entries> {
        Ok(&self.directories[&self.directory(path)?].now)
    }

    pub(crate) fn create_file(&mut self, path: &Path) -> io::Result<Number> {
        let slot = self.slot(path)?;
        Ok(self.create(slot))
    }

    pub(crate) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for part in parts(path)? {
            let known = self.directories[&at].now.get(&part).copied();
            at = match known {
                Some(number) if self.is_dir(number) => number,
                Some(_) => return Err(io::ErrorKind::AlreadyExists.into()),
                None => {
                    let number = self.create((at, part));
                    self.directories.insert(number, Directory::default());
                    number
                }
            };
        }
        Ok(())
    }

    fn create(&mut self, slot: Slot) -> Number {
        let number = self.next_number;
        self.next_number += 1;
        self.change(number, None, Some(slot));
        number
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = self.find(from)?.ok_or(io::ErrorKind::NotFound)?;
        let (from, to) = (self.slot(from)?, self.slot(to)?);
        match self.directories[&to.0].now.get(&to.1) {
            Some(replaced) if *replaced == number => return Ok(()),
            Some(replaced) if self.is_dir(number) || self.is_dir(*replaced) => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            _ => {}
        }
        self.change(number, Some(from), Some(to));
        Ok(())
    }

    pub(crate) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let number = self.find(path)?.ok_or(io::ErrorKind::NotFound)?;
        if self.is_dir(number) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let slot = self.slot(path)?;
        self.change(number, Some(slot), None);
        Ok(())
    }

    pub(crate) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let number = self.directory(path)?;
        let slot = self.slot(path)?;
        self.remove_children(number);
        self.change(number, Some(slot), None);
        Ok(())
    }

    fn remove_children(&mut self, directory: Number) {
        for (name, number) in self.directories[&directory].now.clone() {
            if self.is_dir(number) {
                self.remove_children(number);
            }
            self.change(number, Some((directory, name)), None);
        }
    }

    fn change(&mut self, number: Number, from: Option<Slot>, to: Option<Slot>) {
        let change = Change { order: self.next_order, number, from, to };
        self.next_order += 1;
        if let Some((directory, name)) = &change.from {
            self.directory_mut(*directory).now.remove(name);
            self.linked_now.remove(&number);
        }
        if let Some((directory, name)) = &change.to {
            let replaced = self.directory_mut(*directory).now.insert(name.clone(), number);
            replaced.map(|replaced| self.linked_now.remove(&replaced));
            self.linked_now.insert(number);
        }
        self.referenced.insert(number);
        self.pending.push(change);
    }

    fn directory_mut(&mut self, number: Number) -> &mut Directory {
        self.directories.get_mut(&number).expect("a directory lives while it is referenced")
    }

    /// A sync that begins now covers the changes below this.
    pub(crate) fn next_order(&self) -> u64 {
        self.next_order
    }

    /// Makes the changes of `directory` below `up_to` durable, and with them the earlier changes that they build on.
    pub(crate) fn sync(&mut self, directory: Number, up_to: u64) {
        let mut needed = Touched::default();
        let mut covered = BTreeSet::new();
        for change in self.pending.iter().rev().filter(|change| change.order < up_to) {
            if change.directory() == directory || needed.overlaps(change) {
                needed.add(change);
                covered.insert(change.order);
            }
        }
        let (durable, pending) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| covered.contains(&change.order));
        self.pending = pending;
        self.make_durable(durable);
    }

    fn make_durable(&mut self, changes: Vec<Change>) {
        for Change { number, from, to, .. } in changes {
            if let Some((directory, name)) = from {
                let entries = &mut self.directory_mut(directory).durable;
                if entries.get(&name) == Some(&number) {
                    entries.remove(&name);
                }
            }
            if let Some((directory, name)) = to {
                self.directory_mut(directory).durable.insert(name, number);
            }
        }
    }

    /// A random part of the pending changes becomes durable, none without those it builds on; that is the new present.
    pub(crate) fn power_lost(&mut self, rng: &mut Rng) {
        let kept_percent = *rng.choice(&[0, 0, 50, 90]).expect("not empty");
        let mut lost = Touched::default();
        let mut kept = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            if lost.overlaps(&change) || rng.u32(0..100) >= kept_percent {
                lost.add(&change);
            } else {
                kept.push(change);
            }
        }
        self.make_durable(kept);
        for directory in self.directories.values_mut() {
            directory.now = directory.durable.clone();
        }
    }

    /// Forgets directories that no name leads to, now or after a power loss.
    pub(crate) fn collect(&mut self) {
        let pending: BTreeSet<Number> = self.pending.iter().map(|change| change.number).collect();
        let places = self.pending.iter().flat_map(|change| change.slots().map(|slot| slot.0));
        let roots: BTreeSet<Number> = pending.iter().copied().chain(places).chain([ROOT]).collect();
        self.linked_now = self.reachable([ROOT].into(), |directory| directory.now.values().copied().collect());
        self.referenced = self
            .reachable(roots, |directory| directory.now.values().chain(directory.durable.values()).copied().collect());
        self.directories.retain(|number, _| self.referenced.contains(number));
    }

    fn reachable(&self, roots: BTreeSet<Number>, children: impl Fn(&Directory) -> Vec<Number>) -> BTreeSet<Number> {
        let mut found = roots;
        let mut unvisited: Vec<Number> = found.iter().copied().collect();
        while let Some(number) = unvisited.pop() {
            let Some(directory) = self.directories.get(&number) else { continue };
            unvisited.extend(children(directory).into_iter().filter(|child| found.insert(*child)));
        }
        found
    }
}

/// The names along `path`, from the root.
fn parts(path: &Path) -> io::Result<Vec<String>> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => parts.push(name.to_str().ok_or(io::ErrorKind::InvalidInput)?.to_owned()),
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
