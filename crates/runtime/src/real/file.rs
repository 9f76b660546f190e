//! One file on the real disk: positioned system calls, inline where they cannot block, else on a storage thread.

use crate::disk::Lane;
use crate::error::at_path;
use crate::real::threads::StorageThreads;
use bytes::Bytes;
use rustix::fs::{Advice, FallocateFlags, FileType, Mode, OFlags, fadvise, fallocate, fdatasync, sendfile};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, pwrite, pwritev, retry_on_intr};
use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Buffers per `pwritev`: an append has two (patched header, rest of the batch).
const WRITE_BUFFERS_MAX: usize = 16;

/// Distance of the one-byte probes that judge whether a range is in the page cache.
const PROBE_STRIDE: u64 = 128 * 1024;

/// An open file and the threads that do its blocking work.
#[derive(Debug)]
pub(crate) struct RealFile {
    /// `None` only while being dropped.
    file: Option<Arc<std::fs::File>>,
    path: PathBuf,
    lane: Lane,
    threads: Arc<StorageThreads>,
}

impl RealFile {
    pub(crate) fn new(file: std::fs::File, path: PathBuf, lane: Lane, threads: Arc<StorageThreads>) -> RealFile {
        RealFile { file: Some(Arc::new(file)), path, lane, threads }
    }

    fn file(&self) -> &Arc<std::fs::File> {
        self.file.as_ref().expect("only taken while being dropped")
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file().as_fd()
    }

    /// Closes the file on this thread, unless an operation on it is under way.
    pub(crate) fn close_here(mut self) {
        drop(self.file.take());
    }

    /// Device and inode.
    pub(crate) fn identity(&self) -> io::Result<(u64, u64)> {
        let metadata = self.file().metadata().map_err(|error| self.error("look at", error))?;
        Ok((metadata.dev(), metadata.ino()))
    }

    fn error(&self, action: &'static str, error: impl Into<io::Error>) -> io::Error {
        at_path(action, &self.path, error)
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        action: &'static str,
        operation: impl FnOnce(&std::fs::File) -> rustix::io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = self.file().clone();
        self.threads.run(self.lane, move || operation(&file)).await.map_err(|error| self.error(action, error))
    }

    pub(crate) fn write_at(&self, offset: u64, bufs: &[&[u8]]) -> io::Result<()> {
        let mut position = offset;
        for group in bufs.chunks(WRITE_BUFFERS_MAX) {
            position = write_group(self.fd(), position, group).map_err(|error| self.error("write", error))?;
        }
        Ok(())
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        self.file().set_len(len).map_err(|error| self.error("set the length of", error))
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.file().metadata().map_err(|error| self.error("ask for the length of", error))?.len())
    }

    pub(crate) async fn sync(&self) -> io::Result<()> {
        self.on_thread("sync", sync_blocking).await
    }

    pub(crate) async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let len = self.len_to_read(offset, len)?;
        let mut buffer = vec![0; len];
        let resident = read_nowait(self.fd(), offset, &mut buffer);
        if resident == len {
            return Ok(buffer.into());
        }
        let read = move |file: &std::fs::File| read_blocking(file, offset, buffer, resident);
        Ok(self.on_thread("read", read).await?.into())
    }

    pub(crate) fn read_resident(&self, offset: u64, len: usize) -> Option<Bytes> {
        self.read_cached(offset, self.len_to_read(offset, len).ok()?)
    }

    /// `len` bytes if they are there and no disk has to be asked; the caller bounds `len`.
    pub(crate) fn read_cached(&self, offset: u64, len: usize) -> Option<Bytes> {
        let mut buffer = vec![0; len];
        (read_nowait(self.fd(), offset, &mut buffer) == len).then(|| buffer.into())
    }

    /// `len`, but not beyond the end of the file: the buffer is never larger than what can be read.
    fn len_to_read(&self, offset: u64, len: usize) -> io::Result<usize> {
        let available = self.len()?.saturating_sub(offset);
        Ok(usize::try_from(available).unwrap_or(usize::MAX).min(len))
    }

    pub(crate) async fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.on_thread("allocate space for", move |file| {
            match retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, 0, len)) {
                // This file system cannot reserve; writes then find out themselves.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
                other => other,
            }
        })
        .await
    }

    pub(crate) async fn start_writeback(&self, offset: u64, len: u64) {
        let hint = move |file: &std::fs::File| super::writeback::start(file.as_fd(), offset, len);
        // Only a hint: where it fails, the next sync writes everything and says what is wrong.
        let _ = self.on_thread("start writeback of", hint).await;
    }

    /// Whether the range is believed to be in the page cache: one-byte reads that refuse to block, at its ends and every
    /// 128 KiB between them (the kernel reads and evicts in steps that are hardly smaller). `cachestat(2)` would count pages that
    /// are only being read.
    pub(crate) fn is_resident(&self, offset: u64, len: u64) -> bool {
        let last = offset + len.saturating_sub(1);
        let mut probes = (offset..last).step_by(PROBE_STRIDE as usize).chain(std::iter::once(last));
        let mut byte = [0];
        probes.all(|position| read_nowait(self.fd(), position, &mut byte) == 1)
    }

    /// Brings `offset..offset + len` into the page cache on a storage thread, and lets the kernel start on the `more` bytes
    /// behind it.
    pub(crate) async fn read_ahead(&self, offset: u64, len: u64, more: u64) -> io::Result<()> {
        self.on_thread("read ahead in", move |file| {
            fadvise(file, offset, NonZeroU64::new(len + more), Advice::WillNeed)?;
            discard(file, offset, len)
        })
        .await
    }
}

impl Drop for RealFile {
    /// Closing the last handle of a removed file frees its blocks, which takes long for a large one: not on the caller's thread.
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        self.threads.run_detached(self.lane, move || drop(file));
    }
}

/// `fdatasync`, and then the question whether the file system still takes writes.
///
/// Success alone is not enough: when the journal of ext4 is aborted (a failed disk, or a file system that was shut down) while
/// several files wait for the same transaction, the one that looks after the others finds the transaction gone and takes it
/// for committed. The state that refuses writes is set before the journal is aborted, so a write of no bytes tells.
fn sync_blocking(file: &std::fs::File) -> rustix::io::Result<()> {
    retry_on_intr(|| fdatasync(file))?;
    match retry_on_intr(|| pwrite(file, &[], 0)) {
        // Opened for reading alone: nothing of ours was written through it.
        Ok(_) | Err(Errno::BADF) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Waits until the range is in the page cache: it goes to `/dev/null`, which takes pages without copying them, or into a buffer
/// where there is no such device.
fn discard(file: &std::fs::File, offset: u64, len: u64) -> rustix::io::Result<()> {
    static NULL: OnceLock<Option<OwnedFd>> = OnceLock::new();
    let null = NULL.get_or_init(null_device).as_ref();
    let mut scratch = vec![0; if null.is_some() { 0 } else { len.min(64 * 1024) as usize }];
    let mut position = offset;
    while position < offset + len {
        let want = usize::try_from(offset + len - position).unwrap_or(usize::MAX);
        let read = match null {
            Some(null) => retry_on_intr(|| sendfile(null, file, Some(&mut position.clone()), want))?,
            None => {
                let want = want.min(scratch.len());
                retry_on_intr(|| pread(file, &mut scratch[..want], position))?
            }
        };
        if read == 0 {
            break;
        }
        position += read as u64;
    }
    Ok(())
}

fn null_device() -> Option<OwnedFd> {
    let null = rustix::fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&null).ok()?.st_mode);
    (kind == FileType::CharacterDevice).then_some(null)
}

/// Writes all of `bufs` and returns the position behind them.
fn write_group(fd: BorrowedFd<'_>, offset: u64, bufs: &[&[u8]]) -> io::Result<u64> {
    let mut slices = [IoSlice::new(&[]); WRITE_BUFFERS_MAX];
    for (slice, buf) in slices.iter_mut().zip(bufs) {
        *slice = IoSlice::new(buf);
    }
    let mut rest = &mut slices[..bufs.len()];
    let mut position = offset;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let written = retry_on_intr(|| pwritev(fd, rest, position))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        position += written as u64;
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(position)
}

/// Fills `buffer` as far as that needs no disk; returns how far. Any error counts as "not here": the blocking read meets it.
fn read_nowait(fd: BorrowedFd<'_>, offset: u64, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        let mut rest = [IoSliceMut::new(&mut buffer[filled..])];
        match preadv2(fd, &mut rest, offset + filled as u64, ReadWriteFlags::NOWAIT) {
            Ok(0) | Err(_) => break,
            Ok(read) => filled += read,
        }
    }
    filled
}

/// Fills the rest of `buffer` from `filled` on; cuts it where the file ends.
fn read_blocking(
    file: &std::fs::File,
    offset: u64,
    mut buffer: Vec<u8>,
    mut filled: usize,
) -> rustix::io::Result<Vec<u8>> {
    while filled < buffer.len() {
        match retry_on_intr(|| pread(file, &mut buffer[filled..], offset + filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}
