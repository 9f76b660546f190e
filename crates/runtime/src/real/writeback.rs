//! Early write-back of a file, and what it finds out.

use rustix::io::{Errno, retry_on_intr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The write-back of one file that was started before a sync asked for it.
///
/// Where ext4 cannot allocate space for data that was written, it drops the data and tells whoever started the write-back,
/// and nobody after that: `fdatasync` then finds nothing to do and succeeds. So the failure is kept here, and a sync asks.
#[derive(Debug, Default)]
pub(super) struct Writeback {
    /// Held while a write-back is started, so that whoever asks hears of it.
    has_failed: Mutex<bool>,
}

impl Writeback {
    /// Starts writing the dirty pages of the range and does not wait for them.
    ///
    /// # Errors
    /// Data could not be written. Where there is no such call, or only now no memory for it, nothing is wrong.
    pub(super) fn start(&self, fd: BorrowedFd<'_>, offset: u64, len: u64) -> rustix::io::Result<()> {
        let mut has_failed = self.lock();
        let started = retry_on_intr(|| sync_file_range(fd, offset, len)).or_else(|error| match error {
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM | Errno::NOMEM | Errno::AGAIN => Ok(()),
            error => Err(error),
        });
        *has_failed |= started.is_err();
        started
    }

    /// Waits for the write-back that is being started.
    ///
    /// # Errors
    /// One has failed: what was written may be lost.
    pub(super) fn check(&self) -> rustix::io::Result<()> {
        if *self.lock() { Err(Errno::IO) } else { Ok(()) }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.has_failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one system call that rustix does not wrap.
#[allow(unsafe_code)]
fn sync_file_range(fd: BorrowedFd<'_>, offset: u64, len: u64) -> rustix::io::Result<()> {
    let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return Err(Errno::INVAL) };
    // SAFETY: the call takes no pointer and reads or writes no memory of ours; the borrow keeps the descriptor open.
    let result = unsafe { libc::sync_file_range(fd.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    if result == 0 { Ok(()) } else { Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_failure_is_kept_and_a_missing_call_is_none() {
        let (writeback, file) = (Writeback::default(), tempfile::tempfile().unwrap());
        assert_eq!(writeback.start(file.as_fd(), u64::MAX, 1), Ok(()), "no such range");
        assert_eq!((writeback.start(file.as_fd(), 0, 1), writeback.check()), (Ok(()), Ok(())));
        // A pipe has nothing to write back.
        let (pipe, _end) = std::io::pipe().unwrap();
        assert_eq!(writeback.start(pipe.as_fd(), 0, 1), Err(Errno::SPIPE));
        assert_eq!(writeback.start(file.as_fd(), 0, 1), Ok(()));
        assert_eq!(writeback.check(), Err(Errno::IO));
    }
}
