//! Connections: [`Listener`], [`Connection`] and its two halves.

use crate::file::FileRange;
use crate::real;
use crate::sim::{Life, SimConnection, SimListener, SimReceiver, SimSender};
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A piece of what [`Sender::send`] sends.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in memory; not copied in user space.
    Bytes(Bytes),
    /// A range of a file; `sendfile` where that cannot block.
    File(FileRange),
}

impl Part {
    /// Number of bytes this part puts on the wire.
    pub fn len(&self) -> u64 {
        match self {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File(range) => range.len,
        }
    }

    /// Whether it puts nothing on the wire.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a listener and the connections it accepts are set up.
#[derive(Debug, Clone)]
pub struct ListenOptions {
    /// Connections that wait to be accepted (`socket.listen.backlog.size`); the kernel may cap it.
    pub backlog: u32,
    /// SO_RCVBUF in bytes; `None` leaves it to the kernel's tuning (`socket.receive.buffer.bytes` = -1).
    pub receive_buffer_bytes: Option<usize>,
    /// SO_SNDBUF in bytes; `None` leaves it to the kernel's tuning (`socket.send.buffer.bytes` = -1).
    pub send_buffer_bytes: Option<usize>,
}

impl Default for ListenOptions {
    fn default() -> ListenOptions {
        ListenOptions { backlog: 1024, receive_buffer_bytes: None, send_buffer_bytes: None }
    }
}

/// A bound address that connections arrive at.
#[derive(Debug)]
pub struct Listener {
    kind: ListenerKind,
    local_addr: SocketAddr,
}

#[derive(Debug)]
enum ListenerKind {
    Real(TcpListener),
    Sim(SimListener),
}

impl Listener {
    /// The address with the actual port.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The next connection and who made it. Cancel safe.
    ///
    /// # Errors
    /// Those of `accept(2)`; being out of file descriptors passes, so wait a little and try again.
    pub async fn accept(&self) -> io::Result<(Connection, SocketAddr)> {
        match &self.kind {
            ListenerKind::Real(listener) => {
                let (stream, peer_addr) = listener.accept().await?;
                Ok((connection_of(stream, peer_addr)?, peer_addr))
            }
            ListenerKind::Sim(listener) => {
                let connection = connection_of_sim(listener.accept().await?);
                let peer_addr = connection.peer_addr;
                Ok((connection, peer_addr))
            }
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    local_addr: SocketAddr,
    peer_addr: SocketAddr,
}

impl Connection {
    /// This end's address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The other end's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer_addr
    }

    /// The two halves, for two tasks. The connection is closed when both are dropped; dropping the sender alone tells the
    /// other side that no more will come.
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct Receiver {
    kind: ReceiverKind,
}

#[derive(Debug)]
enum ReceiverKind {
    Real(OwnedReadHalf),
    Sim(SimReceiver),
}

impl Receiver {
    /// Waits until a read would give something (bytes, the end, or an error), so that an idle connection needs no buffer.
    /// Cancel safe.
    pub async fn readable(&mut self) -> io::Result<()> {
        match &mut self.kind {
            ReceiverKind::Real(stream) => stream.readable().await,
            ReceiverKind::Sim(stream) => stream.readable().await,
        }
    }

    /// Appends what has arrived, at least one byte, at most the buffer's spare capacity, which must not be zero. 0 means that
    /// the other side will send no more. Cancel safe.
    pub async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        assert!(buffer.capacity() > buffer.len(), "reading into a full buffer");
        match &mut self.kind {
            ReceiverKind::Real(stream) => real::net::read(stream, buffer).await,
            ReceiverKind::Sim(stream) => stream.read(buffer).await,
        }
    }
}

/// The sending half.
#[derive(Debug)]
pub struct Sender {
    kind: SenderKind,
    /// A send failed or was dropped half way: the other side can no longer tell where a message begins.
    is_broken: bool,
}

#[derive(Debug)]
enum SenderKind {
    Real(OwnedWriteHalf),
    Sim(SimSender),
}

impl Sender {
    /// Sends all parts in order. Returns when the kernel has taken them. Memory in flight is bounded by the socket's buffer.
    ///
    /// # Errors
    /// After any error, also when this future was dropped before it ended, the connection is closed in both directions and
    /// every later send fails: a partly sent message cannot be taken back. `UnexpectedEof` when a file was shorter than its range.
    pub async fn send(&mut self, parts: Vec<Part>) -> io::Result<()> {
        if self.is_broken {
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, "an earlier send did not complete"));
        }
        let mut closer = CloseUnlessDone { sender: self, is_done: false };
        let sent = match &mut closer.sender.kind {
            SenderKind::Real(stream) => real::send::send(stream.as_ref(), parts).await,
            SenderKind::Sim(stream) => stream.send(parts).await,
        };
        closer.is_done = sent.is_ok();
        sent
    }

    fn close(&mut self) {
        self.is_broken = true;
        match &self.kind {
            SenderKind::Real(stream) => real::send::close(stream.as_ref()),
            SenderKind::Sim(stream) => stream.close(),
        }
    }
}

/// Closes the connection when a send fails or is dropped half way.
struct CloseUnlessDone<'a> {
    sender: &'a mut Sender,
    is_done: bool,
}

impl Drop for CloseUnlessDone<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.sender.close();
        }
    }
}

pub(crate) async fn listen_real(addr: &str, options: ListenOptions) -> io::Result<Listener> {
    let listener = real::net::listen(addr, &options).await?;
    let local_addr = listener.local_addr()?;
    Ok(Listener { kind: ListenerKind::Real(listener), local_addr })
}

pub(crate) async fn connect_real(addr: &str) -> io::Result<Connection> {
    let stream = tokio::net::TcpStream::connect(addr).await?;
    let peer_addr = stream.peer_addr()?;
    connection_of(stream, peer_addr)
}

/// `peer_addr` is given because a connection that was reset before it was accepted no longer knows it.
fn connection_of(stream: tokio::net::TcpStream, peer_addr: SocketAddr) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let local_addr = stream.local_addr()?;
    let (read, write) = stream.into_split();
    Ok(Connection {
        receiver: Receiver { kind: ReceiverKind::Real(read) },
        sender: Sender { kind: SenderKind::Real(write), is_broken: false },
        local_addr,
        peer_addr,
    })
}

pub(crate) fn listen_sim(life: &Arc<Life>, addr: &str, options: ListenOptions) -> io::Result<Listener> {
    let listener = SimListener::listen(life, addr, &options)?;
    Ok(Listener { local_addr: listener.addr, kind: ListenerKind::Sim(listener) })
}

pub(crate) async fn connect_sim(life: &Arc<Life>, addr: &str) -> io::Result<Connection> {
    Ok(connection_of_sim(SimConnection::connect(life, addr).await?))
}

fn connection_of_sim(connection: SimConnection) -> Connection {
    let SimConnection { receiver, sender, local_addr, peer_addr } = connection;
    Connection {
        receiver: Receiver { kind: ReceiverKind::Sim(receiver) },
        sender: Sender { kind: SenderKind::Sim(sender), is_broken: false },
        local_addr,
        peer_addr,
    }
}
