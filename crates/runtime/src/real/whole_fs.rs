//! `syncfs` as a proof that all files of a file system are durable, or an error.
//!
//! The system call alone is none: it reports failed write-back of data, but not every other failure. It is used on ext4 and on Linux
//! 6.6 or newer (older ones answer 0 for a file system that was made read-only after an error), and
//!
//! 1. it is called on a descriptor that is opened before anything is written: a failed write-back is told once to each descriptor
//!    that was open then;
//! 2. the directory's times are set before it, so that there is a transaction to wait for. On a journal that was aborted behind
//!    everybody's back that fails, and so does the round;
//! 3. the count of errors that ext4 found must not have risen: where it cannot allocate space for data that was written, it drops
//!    the data, counts, and tells nobody else;
//! 4. without a journal, the inodes are written behind the flush of the disk's cache: one more sync, of the directory, flushes again.

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, fsync, futimens, major, minor, syncfs};
use rustix::io::{Errno, pread, retry_on_intr};
use std::fs::File;
use std::path::PathBuf;

/// The first Linux whose `syncfs` of ext4 fails for a file system that has shut itself down.
const LINUX_MIN: (u32, u32) = (6, 6);

/// A file system that can be synced as a whole.
#[derive(Debug)]
pub(super) struct WholeFs {
    directory: File,
    /// The count of errors that the file system found, and what it was at first; none in tests.
    errors: Option<(File, u64)>,
    has_journal: bool,
}

impl WholeFs {
    /// The file system on `device` that holds the open `directory`, if its files can be synced as a whole.
    pub(super) fn open(directory: File, device: u64) -> Option<WholeFs> {
        if !is_linux_since(LINUX_MIN) {
            return None;
        }
        // For example /sys/dev/block/8:1 -> ../../devices/.../sda1.
        let link = std::fs::read_link(format!("/sys/dev/block/{}:{}", major(device), minor(device))).ok()?;
        let of_file_system = PathBuf::from("/sys/fs/ext4").join(link.file_name()?);
        let journal = std::fs::read_to_string(of_file_system.join("journal_task")).ok()?;
        let errors = File::open(of_file_system.join("errors_count")).ok()?;
        let at_first = count(&errors).ok()?;
        Some(WholeFs {
            directory,
            errors: Some((errors, at_first)),
            has_journal: journal.trim().parse::<u32>().is_ok(),
        })
    }

    /// One that is not known to be safe.
    #[cfg(test)]
    pub(super) fn of(directory: File) -> WholeFs {
        WholeFs { directory, errors: None, has_journal: false }
    }

    /// Makes durable what was written to any file before this is called.
    pub(super) fn sync(&self) -> rustix::io::Result<()> {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        futimens(&self.directory, &Timestamps { last_access: now, last_modification: now })?;
        retry_on_intr(|| syncfs(&self.directory))?;
        if !self.has_journal {
            retry_on_intr(|| fsync(&self.directory))?;
        }
        match &self.errors {
            Some((errors, at_first)) if count(errors)? != *at_first => Err(Errno::IO),
            _ => Ok(()),
        }
    }
}

/// The number that a file of sysfs shows.
fn count(file: &File) -> rustix::io::Result<u64> {
    let mut text = [0; 32];
    let len = retry_on_intr(|| pread(file, &mut text, 0))?;
    let text = std::str::from_utf8(&text[..len]).map_err(|_| Errno::INVAL)?;
    text.trim().parse().map_err(|_| Errno::INVAL)
}

/// Whether the kernel is at least so new; one that does not tell is not.
fn is_linux_since(least: (u32, u32)) -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= least
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_count_of_errors_that_rose_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut shown = File::create(dir.path().join("errors_count")).unwrap();
        shown.write_all(b"7\n").unwrap();
        let errors = File::open(dir.path().join("errors_count")).unwrap();
        let mut whole = WholeFs::of(File::open(dir.path()).unwrap());
        whole.errors = Some((errors, 7));
        assert_eq!(whole.sync(), Ok(()));
        std::fs::write(dir.path().join("errors_count"), "8\n").unwrap();
        assert_eq!(whole.sync(), Err(Errno::IO));
    }

    #[test]
    fn only_what_is_known_is_synced_as_a_whole() {
        let directory = File::open("/dev").unwrap();
        let device = rustix::fs::fstat(&directory).unwrap().st_dev;
        assert!(WholeFs::open(directory, device).is_none(), "a file system in memory");
        assert!(is_linux_since((2, 6)) && !is_linux_since((1000, 0)));
    }
}
