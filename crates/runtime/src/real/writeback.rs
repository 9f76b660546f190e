//! `sync_file_range`: the one system call that rustix does not wrap.

use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Starts writing the dirty pages of the range and does not wait for them.
#[allow(unsafe_code)]
pub(crate) fn start(fd: BorrowedFd<'_>, offset: u64, len: u64) -> rustix::io::Result<()> {
    let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else { return Err(Errno::INVAL) };
    // SAFETY: the call takes no pointer and reads or writes no memory of ours; the borrow keeps the descriptor open.
    let result = unsafe { libc::sync_file_range(fd.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    if result == 0 { Ok(()) } else { Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)) }
}
