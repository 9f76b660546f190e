//! Whether a range of a file is in the page cache.

use rustix::io::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// `cachestat(2)`, from Linux 6.5 on; the number is the same on every architecture.
const SYS_CACHESTAT: libc::c_long = 451;
/// Set when the kernel has no such call, or does not let this process use it.
static IS_MISSING: AtomicBool = AtomicBool::new(false);

#[repr(C)]
struct Range {
    offset: u64,
    len: u64,
}

#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// Whether all pages of the range are cached, or just being read; `None` where the kernel cannot say.
pub(crate) fn is_cached(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Option<bool> {
    if len == 0 {
        return Some(true);
    }
    if IS_MISSING.load(Ordering::Relaxed) {
        return None;
    }
    match cached_pages(fd, offset, len) {
        Ok(cached) => {
            let page = page_size();
            Some(cached > (offset + len - 1) / page - offset / page)
        }
        Err(_) => {
            IS_MISSING.store(true, Ordering::Relaxed);
            None
        }
    }
}

#[allow(unsafe_code)]
fn page_size() -> u64 {
    // SAFETY: the call takes a number and returns one.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|&size| size > 0).unwrap_or(4096)
}

#[allow(unsafe_code)]
fn cached_pages(fd: BorrowedFd<'_>, offset: u64, len: u64) -> rustix::io::Result<u64> {
    let range = Range { offset, len };
    let mut counts = Counts::default();
    // SAFETY: the kernel reads a `Range` and writes a `Counts`, both laid out as it wants them and alive during the call; the borrow
    // keeps the descriptor open.
    let result = unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), &raw const range, &raw mut counts, 0u32) };
    if result == 0 {
        Ok(counts.cached)
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn what_was_just_written_is_cached_and_what_is_behind_the_end_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100_000]).unwrap();
        // Where the kernel cannot say there is nothing to test.
        if let Some(is_whole_cached) = is_cached(file.as_fd(), 1, 99_999) {
            assert!(is_whole_cached);
            assert_eq!(is_cached(file.as_fd(), 0, 200_000), Some(false));
            assert_eq!(is_cached(file.as_fd(), 99_999, 1), Some(true));
            assert_eq!(is_cached(file.as_fd(), 5, 0), Some(true));
        }
    }
}
