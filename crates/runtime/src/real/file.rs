//! One file on the real disk: positioned system calls, inline where they cannot block, else on a storage thread.

use crate::disk::Lane;
use crate::error::at_path;
use crate::real::send::short_file;
use crate::real::threads::StorageThreads;
use crate::real::writeback::Writeback;
use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate, fdatasync, sendfile};
use rustix::io::{Errno, ReadWriteFlags, fcntl_dupfd_cloexec, pread, preadv2, pwrite, pwritev, retry_on_intr};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

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
    writeback: Arc<Writeback>,
}

impl RealFile {
    pub(super) fn new(file: std::fs::File, path: PathBuf, lane: Lane, threads: Arc<StorageThreads>) -> RealFile {
        RealFile { file: Some(Arc::new(file)), path, lane, threads, writeback: Arc::default() }
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
        let writeback = self.writeback.clone();
        self.on_thread("sync", move |file| {
            sync_blocking(file)?;
            writeback.check()
        })
        .await
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

    /// # Errors
    /// Data could not be written; every later sync says so, too.
    pub(crate) async fn start_writeback(&self, offset: u64, len: u64) -> io::Result<()> {
        let writeback = self.writeback.clone();
        self.on_thread("start writeback of", move |file| writeback.start(file.as_fd(), offset, len)).await
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

    /// Sends up to `len` bytes from `offset` on to the socket on a storage thread, which waits for the disk but not for the
    /// receiver; how many. 0 if the socket has no room.
    ///
    /// # Errors
    /// Those of `sendfile(2)`; `UnexpectedEof` when the file has not even one of these bytes.
    pub(crate) async fn send_from_thread(&self, socket: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<u64> {
        // The caller may be dropped, and close its socket, while the thread still works.
        let socket = fcntl_dupfd_cloexec(socket, 0)?;
        let file = self.file().clone();
        self.threads.run(self.lane, move || send_until_full(&socket, &file, offset, len)).await
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
/// for committed. Where the file system was shut down, writes are refused before the journal is aborted, so a write of no bytes
/// tells.
fn sync_blocking(file: &std::fs::File) -> rustix::io::Result<()> {
    retry_on_intr(|| fdatasync(file))?;
    match retry_on_intr(|| pwrite(file, &[], 0)) {
        // Opened for reading alone: nothing of ours was written through it.
        Ok(_) | Err(Errno::BADF) => Ok(()),
        Err(error) => Err(error),
    }
}

fn send_until_full(socket: &OwnedFd, file: &std::fs::File, offset: u64, len: u64) -> io::Result<u64> {
    let mut sent = 0;
    while sent < len {
        let want = usize::try_from(len - sent).unwrap_or(usize::MAX);
        match retry_on_intr(|| sendfile(socket, file, Some(&mut (offset + sent)), want)) {
            Ok(0) if sent == 0 => return Err(short_file(offset, len)),
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(more) => sent += more as u64,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(sent)
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
