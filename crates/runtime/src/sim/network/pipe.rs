//! One direction of a simulated connection: bytes on their way, in order, each piece with its time of arrival.

use crate::net::Part;
use crate::real::send::short_file;
use crate::sim::life::Life;
use crate::sim::network::Link;
use crate::sim::trace::mix;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bytes that may be on their way or unread; then the sender waits.
const PIPE_BYTES_MAX: usize = 128 * 1024;

/// Bytes of a file range that are copied at once.
const COPY_BYTES: u64 = 64 * 1024;

/// A direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    /// Something may have arrived.
    arrived: Notify,
    /// There may be room, or the other side has gone.
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    arriving: VecDeque<(Instant, Arrival)>,
    last_arrival: Option<Instant>,
    unread: usize,
    is_reset: bool,
    is_unread_for_good: bool,
}

#[derive(Debug)]
enum Arrival {
    Data(Bytes),
    End,
    Reset,
}

/// What a reader finds.
enum Found {
    Something,
    Later(Instant),
    Nothing,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the world is intact")
    }

    /// Breaks the connection. With `after_what_was_sent` the reader first gets what is on its way.
    pub(crate) fn reset(&self, after_what_was_sent: bool) {
        let mut state = self.state();
        match state.last_arrival.filter(|_| after_what_was_sent) {
            Some(at) => state.arriving.push_back((at, Arrival::Reset)),
            None => state.is_reset = true,
        }
        self.arrived.notify_one();
        self.drained.notify_one();
    }

    fn find(&self) -> Found {
        let state = self.state();
        match state.arriving.front() {
            _ if state.is_reset => Found::Something,
            Some((at, _)) if *at <= Instant::now() => Found::Something,
            Some((at, _)) => Found::Later(*at),
            None => Found::Nothing,
        }
    }

    fn push(&self, at: Instant, arrival: Arrival) {
        let mut state = self.state();
        let at = state.last_arrival.map_or(at, |last| last.max(at));
        state.last_arrival = Some(at);
        state.arriving.push_back((at, arrival));
        self.arrived.notify_one();
    }
}

/// The receiving half of a simulated connection.
#[derive(Debug)]
pub(crate) struct SimReceiver {
    life: Arc<Life>,
    _link: Arc<Link>,
    pipe: Arc<Pipe>,
}

impl SimReceiver {
    pub(crate) fn new(life: Arc<Life>, link: Arc<Link>, pipe: Arc<Pipe>) -> SimReceiver {
        SimReceiver { life, _link: link, pipe }
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        loop {
            self.life.check_alive()?;
            match self.pipe.find() {
                Found::Something => return Ok(()),
                Found::Nothing => self.pipe.arrived.notified().await,
                Found::Later(at) => {
                    tokio::select! {
                        biased;
                        () = self.pipe.arrived.notified() => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
            }
        }
    }

    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.readable().await?;
        let most = (buffer.capacity() - buffer.len()).min(self.piece_max());
        let mut state = self.pipe.state();
        if state.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let (_, arrival) = state.arriving.front_mut().expect("something is there");
        let data = match arrival {
            Arrival::End => return Ok(0),
            Arrival::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Arrival::Data(data) => data,
        };
        let taken = data.split_to(most.min(data.len()));
        if data.is_empty() {
            state.arriving.pop_front();
        }
        state.unread -= taken.len();
        drop(state);
        self.pipe.drained.notify_one();
        buffer.extend_from_slice(&taken);
        self.life.event(format_args!("receive {} bytes {:x}", taken.len(), mix(0, &taken)));
        Ok(taken.len())
    }

    /// Every fourth read gets only a few bytes, so that frames arrive in pieces.
    fn piece_max(&self) -> usize {
        let mut network = self.life.shared.network();
        if network.rng.u8(0..4) == 0 { network.rng.usize(1..64) } else { usize::MAX }
    }
}

impl Drop for SimReceiver {
    fn drop(&mut self) {
        self.pipe.state().is_unread_for_good = true;
        self.pipe.drained.notify_one();
    }
}

/// The sending half of a simulated connection.
#[derive(Debug)]
pub(crate) struct SimSender {
    life: Arc<Life>,
    link: Arc<Link>,
    side: usize,
}

impl SimSender {
    pub(crate) fn new(life: Arc<Life>, link: Arc<Link>, side: usize) -> SimSender {
        SimSender { life, link, side }
    }

    fn pipe(&self) -> &Pipe {
        &self.link.pipes[self.side]
    }

    pub(crate) async fn send(&mut self, parts: Vec<Part>) -> io::Result<()> {
        for part in parts {
            match part {
                Part::Bytes(bytes) => self.send_bytes(bytes).await?,
                Part::File(range) => {
                    let end = range.offset + range.len;
                    let mut offset = range.offset;
                    while offset < end {
                        let len = (end - offset).min(COPY_BYTES);
                        let bytes = range.file.read_at(offset, len as usize).await?;
                        if (bytes.len() as u64) < len {
                            return Err(short_file(offset, len));
                        }
                        self.send_bytes(bytes).await?;
                        offset += len;
                    }
                }
            }
        }
        Ok(())
    }

    async fn send_bytes(&self, mut bytes: Bytes) -> io::Result<()> {
        while bytes.has_remaining() {
            self.life.check_alive()?;
            match self.take_room(bytes.len())? {
                0 => self.pipe().drained.notified().await,
                room => {
                    let now = bytes.split_to(room);
                    self.life.event(format_args!("send {} bytes {:x}", now.len(), mix(0, &now)));
                    self.push(Arrival::Data(now));
                }
            }
        }
        Ok(())
    }

    /// Reserves room for as many of `wanted` bytes as fit; 0 when the pipe is full.
    fn take_room(&self, wanted: usize) -> io::Result<usize> {
        let mut state = self.pipe().state();
        if state.is_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if state.is_unread_for_good {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let room = wanted.min(PIPE_BYTES_MAX - state.unread);
        state.unread += room;
        Ok(room)
    }

    fn push(&self, arrival: Arrival) {
        let travel_time = self.life.shared.network().travel_time();
        self.pipe().push(Instant::now() + travel_time, arrival);
    }

    /// Closes both directions.
    pub(crate) fn close(&self) {
        self.link.pipes.iter().for_each(|pipe| pipe.reset(false));
    }
}

impl Drop for SimSender {
    fn drop(&mut self) {
        if self.life.is_alive() {
            self.push(Arrival::End);
        }
    }
}
