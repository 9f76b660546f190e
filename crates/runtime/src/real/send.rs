//! Sending parts over a real socket: neighbouring byte parts leave in one system call, file ranges by `sendfile`.
//!
//! `sendfile` of bytes that are not in the page cache would block the network worker on the disk. So each range is sent in
//! turns of bounded size, and a turn whose pages are not believed resident is sent by a storage thread, which waits for the
//! disk; the kernel reads ahead for it.
//!
//! What is small is copied instead: one read and one system call to send cost less than `sendfile` between two of them.

use crate::error::is_out_of_files;
use crate::file::{File, FileKind, FileRange};
use crate::net::Part;
use crate::real::file::RealFile;
use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown, sendmsg, shutdown};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes of a file range between two looks at the page cache; afterwards other tasks have their turn.
const TURN_BYTES: u64 = 512 * 1024;
/// File ranges that together have at most so many bytes are copied.
const COPY_BYTES_MAX: u64 = 32 * 1024;

/// Byte parts per system call.
const SLICES_MAX: usize = 64;

/// Sends all parts in order.
pub(crate) async fn send(stream: &TcpStream, parts: Vec<Part>) -> io::Result<()> {
    let mut pending = Vec::new();
    let in_files: u64 = parts.iter().map(|part| if matches!(part, Part::File(_)) { part.len() } else { 0 }).sum();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        match if in_files <= COPY_BYTES_MAX { copied(part).await? } else { part } {
            Part::Bytes(bytes) => pending.push(bytes),
            Part::File(range) => {
                // More follows at once: the header shares a segment with the first bytes of the file.
                send_bytes(stream, &mut pending, SendFlags::MORE).await?;
                send_range(stream, range).await?;
            }
        }
    }
    send_bytes(stream, &mut pending, SendFlags::empty()).await
}

/// A part in memory, if its bytes are in the page cache and no sync has failed before they were read.
async fn copied(part: Part) -> io::Result<Part> {
    let Part::File(range) = &part else { return Ok(part) };
    let held = range.file.hold().await?;
    let FileKind::Real(file) = held.kind() else { return Ok(part) };
    Ok(match file.read_cached(range.offset, range.len as usize) {
        Some(bytes) if held.check_synced().is_ok() => Part::Bytes(bytes),
        _ => part,
    })
}

/// Closes the connection in both directions. It may be closed already.
pub(crate) fn close(stream: &TcpStream) {
    let _ = shutdown(stream, Shutdown::Both);
}

/// Sends and empties `pending`.
async fn send_bytes(stream: &TcpStream, pending: &mut Vec<Bytes>, flags: SendFlags) -> io::Result<()> {
    let mut first = 0;
    while first < pending.len() {
        let sent = stream.async_io(Interest::WRITABLE, || send_some(stream, &pending[first..], flags)).await?;
        first += advance(&mut pending[first..], sent);
    }
    pending.clear();
    Ok(())
}

fn send_some(stream: &TcpStream, pending: &[Bytes], flags: SendFlags) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let count = pending.len().min(SLICES_MAX);
    for (slice, bytes) in slices.iter_mut().zip(pending) {
        *slice = IoSlice::new(bytes);
    }
    // What does not fit into this call follows in the next one.
    let flags = if count < pending.len() { flags | SendFlags::MORE } else { flags };
    let sent = sendmsg(stream, &slices[..count], &mut SendAncillaryBuffer::default(), flags | SendFlags::NOSIGNAL)?;
    Ok(sent)
}

/// Takes `sent` bytes off the front; returns how many buffers are done.
fn advance(pending: &mut [Bytes], mut sent: usize) -> usize {
    for (done, bytes) in pending.iter_mut().enumerate() {
        if sent < bytes.len() {
            bytes.advance(sent);
            return done;
        }
        sent -= bytes.len();
    }
    pending.len()
}

async fn send_range(stream: &TcpStream, range: FileRange) -> io::Result<()> {
    let end = range.offset.checked_add(range.len).ok_or(io::ErrorKind::InvalidInput)?;
    let mut offset = range.offset;
    let range = FileRange { file: range.file.hold().await?, ..range };
    while offset < end {
        let len = (end - offset).min(TURN_BYTES);
        match range.file.kind() {
            FileKind::Real(file) => send_turn(stream, &range.file, file, offset, len).await?,
            FileKind::Memory(_) | FileKind::Sim(_) | FileKind::Lazy(_) => {
                copy(stream, &range.file, offset, len).await?
            }
        }
        offset += len;
        if offset < end {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// Sends `len` bytes of the file from `offset` on without waiting for the disk on this thread. The receiver may take its time:
/// before each piece the file is asked anew whether it may still be believed.
async fn send_turn(stream: &TcpStream, file: &File, real: &RealFile, offset: u64, len: u64) -> io::Result<()> {
    let mut position = offset;
    while position < offset + len {
        let left = offset + len - position;
        if real.is_resident(position, left) {
            position += send_resident(stream, file, real, position, left).await?;
            continue;
        }
        room(stream).await?;
        file.check_synced()?;
        match real.send_from_thread(stream.as_fd(), position, left).await {
            Ok(sent) => position += sent,
            Err(error) if is_out_of_files(&error) => {
                copy(stream, file, position, left).await?;
                position += left;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sends up to `len` bytes, which are in the page cache; how many.
async fn send_resident(stream: &TcpStream, file: &File, real: &RealFile, offset: u64, len: u64) -> io::Result<u64> {
    let send = || {
        file.check_synced()?;
        Ok(sendfile(stream, real.fd(), Some(&mut offset.clone()), len as usize)?)
    };
    match stream.async_io(Interest::WRITABLE, send).await? {
        0 => Err(short_file(offset, len)),
        sent => Ok(sent as u64),
    }
}

/// Waits until the socket has room. It is asked itself: what is known of it may be older than what a storage thread sent.
async fn room(stream: &TcpStream) -> io::Result<()> {
    let ask = || match poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&Timespec::default()))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    };
    stream.async_io(Interest::WRITABLE, ask).await
}

/// Sends `len` bytes that are read into memory.
async fn copy(stream: &TcpStream, file: &File, offset: u64, len: u64) -> io::Result<()> {
    let bytes = file.read_at(offset, len as usize).await?;
    if (bytes.len() as u64) < len {
        return Err(short_file(offset, len));
    }
    send_bytes(stream, &mut vec![bytes], SendFlags::empty()).await
}

/// The receiver was promised bytes that the file does not have: only closing the connection tells it so.
pub(crate) fn short_file(offset: u64, len: u64) -> io::Error {
    let text = format!("the file ends before byte {} that was to be sent", offset + len);
    io::Error::new(io::ErrorKind::UnexpectedEof, text)
}
