//! One simulated file: what readers see now, what is durable, and the changes between them.

use crate::memory::content::Content;
use fastrand::Rng;
use std::collections::VecDeque;

/// What a disk writes all or nothing of.
const SECTOR: u64 = 512;

/// A change that is visible but not yet durable.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
}

impl Change {
    fn apply(&self, content: &mut Content) {
        match self {
            Change::Write { offset, data } => content.write(*offset, data),
            Change::SetLen(len) => content.set_len(*len),
        }
    }
}

/// A file's two sides and the pending changes, oldest first, numbered without gaps up to `next_change`.
#[derive(Debug, Default)]
pub(crate) struct FileState {
    now: Content,
    durable: Content,
    pending: VecDeque<(u64, Change)>,
    next_change: u64,
    /// Bytes reserved by `allocate`.
    allocated: u64,
    /// What of that the last sync covered.
    allocated_for_good: u64,
    pub(crate) handles: u32,
}

impl FileState {
    pub(crate) fn now(&self) -> &Content {
        &self.now
    }

    #[cfg(test)]
    pub(crate) fn durable(&self) -> &Content {
        &self.durable
    }

    pub(crate) fn write(&mut self, offset: u64, data: Vec<u8>) {
        if !data.is_empty() {
            self.change(Change::Write { offset, data });
        }
    }

    pub(crate) fn set_len(&mut self, len: u64) {
        self.allocated = self.allocated.min(len);
        self.allocated_for_good = self.allocated_for_good.min(len);
        self.change(Change::SetLen(len));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push_back((self.next_change, change));
        self.next_change += 1;
    }

    pub(crate) fn allocate(&mut self, len: u64) {
        self.allocated = self.allocated.max(len);
    }

    /// Bytes that the file takes from the disk.
    pub(crate) fn charge(&self) -> u64 {
        self.now.stored().max(self.allocated)
    }

    /// Bytes that reaching `end` adds to the charge.
    pub(crate) fn growth_to(&self, end: u64) -> u64 {
        end.saturating_sub(self.now.len().max(self.allocated))
    }

    /// A sync that begins now covers the changes below this number.
    pub(crate) fn next_change(&self) -> u64 {
        self.next_change
    }

    /// A sync that covered the changes below `up_to` has ended well.
    pub(crate) fn synced(&mut self, up_to: u64) {
        while let Some((_, change)) = self.pending.pop_front_if(|(number, _)| *number < up_to) {
            change.apply(&mut self.durable);
        }
        self.allocated_for_good = self.allocated;
    }

    /// A sync that covered the changes below `up_to` has failed. As on Linux, their pages now count as clean: they will never
    /// be written, and readers see them until they are evicted, which may be at once.
    pub(crate) fn sync_failed(&mut self, up_to: u64, rng: &mut Rng) {
        self.pending.retain(|(number, _)| *number >= up_to);
        if rng.bool() {
            self.now = self.durable.clone();
            self.pending.iter().for_each(|(_, change)| change.apply(&mut self.now));
        }
    }

    /// Flips the lowest bit of one byte on both sides. Whether there is such a byte.
    pub(crate) fn corrupt(&mut self, offset: u64) -> bool {
        for side in [&mut self.now, &mut self.durable] {
            let byte = side.read(offset, 1);
            if let Some(byte) = byte.first() {
                side.write(offset, &[byte ^ 1]);
            }
        }
        offset < self.now.len()
    }

    /// A random part of the pending changes becomes durable, and that is what is left.
    pub(crate) fn power_lost(&mut self, rng: &mut Rng) {
        let fates = fates(self.pending.len(), rng);
        let mut cache = self.durable.clone();
        for ((_, change), fate) in std::mem::take(&mut self.pending).iter().zip(fates) {
            change.apply(&mut cache);
            match change {
                Change::SetLen(len) if fate == Fate::Kept => self.durable.set_len(*len),
                Change::SetLen(_) => {}
                Change::Write { offset, data } => {
                    let end = offset + data.len() as u64;
                    copy_sectors(&cache, &mut self.durable, *offset, end, || match fate {
                        Fate::Kept => true,
                        Fate::Lost => false,
                        Fate::Torn => rng.bool(),
                    });
                }
            }
        }
        self.now = self.durable.clone();
        self.allocated = self.allocated_for_good;
    }
}

/// Copies the sectors that hold `offset..end`, as the cache had them then, to the durable side where `survives` says so. A
/// sector holds everything written into it before, never a part of one write without an earlier one.
fn copy_sectors(cache: &Content, durable: &mut Content, offset: u64, end: u64, mut survives: impl FnMut() -> bool) {
    let mut sector = offset - offset % SECTOR;
    while sector < end {
        if survives() {
            durable.write(sector, &cache.read(sector, SECTOR as usize));
        }
        sector += SECTOR;
    }
}

/// What becomes of one pending change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    /// Each sector by itself.
    Torn,
}

/// Draws the fates of `count` changes: all lost, all kept, kept up to a torn one, or any mixture.
fn fates(count: usize, rng: &mut Rng) -> Vec<Fate> {
    match rng.u32(0..10) {
        0..3 => vec![Fate::Lost; count],
        3 => vec![Fate::Kept; count],
        4..7 => {
            let torn = rng.usize(0..=count);
            let fate = |index: usize| match index.cmp(&torn) {
                std::cmp::Ordering::Less => Fate::Kept,
                std::cmp::Ordering::Equal => Fate::Torn,
                std::cmp::Ordering::Greater => Fate::Lost,
            };
            (0..count).map(fate).collect()
        }
        _ => (0..count).map(|_| *rng.choice(&[Fate::Kept, Fate::Lost, Fate::Torn]).expect("not empty")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with 2 synced kilobytes of `s`, then `count` pending writes of one kilobyte each: `a`, `b`, ...
    fn file_with_pending(count: u8) -> FileState {
        let mut file = FileState::default();
        file.write(0, vec![b's'; 2048]);
        file.synced(file.next_change());
        for index in 0..count {
            file.write(2048 + 1024 * u64::from(index), vec![b'a' + index; 1024]);
        }
        file
    }

    #[test]
    fn synced_bytes_survive_every_power_loss() {
        for seed in 0..200 {
            let mut file = file_with_pending(3);
            file.power_lost(&mut Rng::with_seed(seed));
            assert_eq!(file.now().read(0, 2048), vec![b's'; 2048], "seed {seed}");
        }
    }

    #[test]
    fn a_power_loss_can_lose_keep_reorder_and_tear() {
        let (mut lost, mut kept, mut reordered, mut torn) = (0, 0, 0, 0);
        for seed in 0..500 {
            let mut file = file_with_pending(2);
            file.power_lost(&mut Rng::with_seed(seed));
            let [first, second] = [(2048, b'a'), (3072, b'b')]
                .map(|(offset, letter)| file.now().read(offset, 1024).iter().filter(|byte| **byte == letter).count());
            match (first, second) {
                (0, 0) => lost += 1,
                (1024, 1024) => kept += 1,
                (0, 1024) => reordered += 1,
                (512, _) | (_, 512) => torn += 1,
                _ => {}
            }
        }
        assert!(lost > 0 && kept > 0 && reordered > 0 && torn > 0, "{lost} {kept} {reordered} {torn}");
    }

    #[test]
    fn a_sector_never_holds_a_later_write_without_the_earlier_one() {
        for seed in 0..200 {
            let mut file = FileState::default();
            file.write(0, vec![b'a'; 100]);
            file.write(100, vec![b'b'; 100]);
            file.power_lost(&mut Rng::with_seed(seed));
            let left = file.now().read(0, 1000);
            let whole: Vec<u8> = [vec![b'a'; 100], vec![b'b'; 100]].concat();
            assert!(whole.starts_with(&left), "seed {seed}: {left:?}");
        }
    }

    #[test]
    fn a_sync_covers_only_what_came_before_it_began() {
        let mut file = FileState::default();
        file.write(0, vec![b'a'; 512]);
        let began = file.next_change();
        file.write(512, vec![b'b'; 512]);
        file.synced(began);
        assert_eq!(file.durable().len(), 512);
    }

    #[test]
    fn a_failed_sync_loses_its_changes_for_good() {
        for seed in 0..20 {
            let mut rng = Rng::with_seed(seed);
            let mut file = file_with_pending(1);
            file.sync_failed(file.next_change(), &mut rng);
            file.synced(file.next_change());
            file.power_lost(&mut rng);
            assert_eq!(file.now().len(), 2048);
        }
    }
}
