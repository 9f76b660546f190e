//! The sending half of a connection: takes replies in order, many small ones to a system call, and large ones in turns.

use crate::activity::Activity;
use crate::close::Close;
use crate::handler::{ConnectionInfo, Reply};
use crate::outbound::{Outbound, Pending, bytes_in_memory};
use crate::timing::{RequestTimes, Timing};
use futures_util::future::{BoxFuture, poll_immediate};
use ottla_runtime::{FileRange, Part, Runtime, Sender};
use ottla_telemetry::NetMetrics;

/// Small replies that are ready leave together up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Bytes handed to the socket at a time: progress of a large reply is seen at this grain.
const TURN_BYTES: u64 = 1024 * 1024;

/// Sends the replies of one connection until it has to end.
pub(crate) struct Writer<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) outbound: &'a Outbound,
    pub(crate) activity: &'a Activity,
    pub(crate) metrics: &'a NetMetrics,
    pub(crate) request_times: &'a RequestTimes,
    pub(crate) connection: &'a ConnectionInfo,
    pub(crate) sender: &'a mut Sender,
}

/// Replies that leave together.
#[derive(Default)]
struct Batch {
    parts: Vec<Part>,
    /// One for each reply.
    timings: Vec<Timing>,
    /// Bytes that [`Outbound`] counted when the replies were pushed.
    counted: usize,
    in_memory: usize,
    close: Option<Close>,
}

impl Writer<'_> {
    /// Runs until the socket fails or the order of replies ends; says why the connection ends.
    pub(crate) async fn run(&mut self) -> Close {
        let mut ahead: Option<(BoxFuture<'static, Reply>, Timing)> = None;
        loop {
            let first = match ahead.take() {
                Some((reply, timing)) => Pending::Later(reply, timing),
                None => self.outbound.next().await,
            };
            let mut batch = Batch::default();
            self.add_first(&mut batch, first).await;
            ahead = self.add_what_is_ready(&mut batch).await;
            let begun = self.runtime.now();
            batch.timings.iter_mut().for_each(|timing| timing.queued(begun));
            if let Err(error) = self.send(std::mem::take(&mut batch.parts)).await {
                return Close::Socket(error);
            }
            self.outbound.sent(batch.timings.len(), batch.counted);
            let sent = self.runtime.now();
            for timing in batch.timings {
                self.request_times.finish(self.connection, timing, sent);
            }
            if let Some(close) = batch.close {
                return close;
            }
        }
    }

    async fn add_first(&self, batch: &mut Batch, first: Pending) {
        match first {
            Pending::Ready(reply, timing) => self.add_counted(batch, reply, timing),
            Pending::Later(mut reply, mut timing) => {
                let working = self.activity.working();
                let reply = match self.look(&mut reply, &mut timing).await {
                    Some(reply) => reply,
                    None => {
                        let reply = reply.await;
                        timing.waited(self.runtime.now());
                        reply
                    }
                };
                drop(working);
                self.activity.touch(self.runtime.now());
                self.add(batch, reply, timing);
            }
            Pending::Close(close) => batch.close = Some(close),
        }
    }

    /// Lets an answer that comes later work until it has to wait.
    async fn look(&self, reply: &mut BoxFuture<'static, Reply>, timing: &mut Timing) -> Option<Reply> {
        timing.queued(self.runtime.now());
        let reply = poll_immediate(reply).await;
        timing.worked(self.runtime.now());
        reply
    }

    /// Adds small replies that need no waiting; returns the first that does.
    async fn add_what_is_ready(&self, batch: &mut Batch) -> Option<(BoxFuture<'static, Reply>, Timing)> {
        while batch.close.is_none() && batch.in_memory < BATCH_BYTES {
            match self.outbound.try_next()? {
                Pending::Ready(reply, timing) => self.add_counted(batch, reply, timing),
                Pending::Close(close) => batch.close = Some(close),
                Pending::Later(mut reply, mut timing) => match self.look(&mut reply, &mut timing).await {
                    Some(reply) => self.add(batch, reply, timing),
                    None => return Some((reply, timing)),
                },
            }
        }
        None
    }

    fn add_counted(&self, batch: &mut Batch, reply: Reply, timing: Timing) {
        batch.counted += bytes_in_memory(&reply);
        self.add(batch, reply, timing);
    }

    fn add(&self, batch: &mut Batch, reply: Reply, timing: Timing) {
        batch.timings.push(timing);
        batch.in_memory += bytes_in_memory(&reply);
        self.outbound.rest_until(reply.mute_until);
        batch.parts.extend(reply.parts);
        batch.close = reply.close.map(Close::ByHandler);
    }

    async fn send(&mut self, parts: Vec<Part>) -> std::io::Result<()> {
        for turn in turns(parts, TURN_BYTES) {
            let bytes = turn.iter().map(Part::len).sum();
            self.sender.send(turn).await?;
            self.metrics.bytes_sent.add(bytes);
            self.activity.sent(bytes, self.runtime.now());
        }
        Ok(())
    }
}

/// Splits parts into lists of at most `limit` bytes each.
fn turns(parts: Vec<Part>, limit: u64) -> Vec<Vec<Part>> {
    let (mut turns, mut turn, mut room) = (Vec::new(), Vec::new(), limit);
    for mut part in parts {
        while part.len() > room {
            let (head, tail) = split(part, room);
            turn.push(head);
            turns.push(std::mem::take(&mut turn));
            (part, room) = (tail, limit);
        }
        room -= part.len();
        turn.push(part);
    }
    if !turn.is_empty() {
        turns.push(turn);
    }
    turns
}

fn split(part: Part, at: u64) -> (Part, Part) {
    match part {
        Part::Bytes(mut bytes) => {
            let head = bytes.split_to(usize::try_from(at).expect("a turn fits memory"));
            (Part::Bytes(head), Part::Bytes(bytes))
        }
        Part::File(FileRange { file, offset, len }) => {
            let head = FileRange { file: file.clone(), offset, len: at };
            (Part::File(head), Part::File(FileRange { file, offset: offset + at, len: len - at }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_replies_leave_in_turns_and_in_order() {
        let parts: Vec<Part> = ["abcdefg", "", "hi", "jklmnopqr"].map(|text| Part::Bytes(text.into())).into();
        let turns = turns(parts, 4);
        let text = |turn: &Vec<Part>| -> String {
            let texts = turn.iter().map(|part| match part {
                Part::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Part::File(_) => unreachable!("no files here"),
            });
            texts.collect()
        };
        assert_eq!(turns.iter().map(text).collect::<Vec<_>>(), ["abcd", "efgh", "ijkl", "mnop", "qr"]);
    }
}
