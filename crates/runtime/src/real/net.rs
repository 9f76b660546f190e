//! Real listeners, and reading from a socket.

use crate::net::ListenOptions;
use bytes::BytesMut;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedReadHalf;

/// Binds the first address that `addr` resolves to and that lets itself be bound.
pub(crate) async fn listen(addr: &str, options: &ListenOptions) -> io::Result<TcpListener> {
    let describe = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {addr}: {error}"));
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for candidate in tokio::net::lookup_host(addr).await.map_err(describe)? {
        match bind(candidate, options) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(describe(last))
}

fn bind(addr: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted node takes its port back although old connections linger in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted connections inherit the buffer sizes; they must be set before listen for the window scale to fit.
    if let Some(bytes) = options.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// Waits for bytes and appends them to `buffer`'s spare capacity. A read that does not fill it has emptied the socket, which
/// tokio takes note of: the next wait costs no system call in vain.
pub(crate) async fn read(stream: &mut OwnedReadHalf, buffer: &mut BytesMut) -> io::Result<usize> {
    stream.read_buf(buffer).await
}
