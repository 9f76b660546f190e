//! Cuts a byte stream into frames: a four-byte size, then that many bytes.
//!
//! Pure: the connection feeds bytes into [`Framer::buffer`] and asks [`Framer::step`] what is next. Frames that fit
//! the read buffer are sliced out of it. A larger frame gets a buffer of its own, which never runs ahead of what has
//! arrived by more than a factor of two: the connection charges every step of growth to the budget first. Only the
//! first step trusts the connection's past: it is as large as the last large frame, so a producer that sends
//! batches of one size settles at one allocation and one copy from the socket per frame. What begins in the read
//! buffer (at most [`READ_BUFFER_BYTES`]) is copied over.

use crate::malformed::Malformed;
use bytes::{Bytes, BytesMut};

/// What a connection reads ahead of the size of a frame; frames up to this size need no buffer of their own.
pub(crate) const READ_BUFFER_BYTES: usize = 4096;
/// The first and smallest step in which a large frame's buffer grows.
const GROWTH_BYTES: usize = 64 * 1024;
/// The most that a connection's past is trusted with.
const TRUSTED_BYTES: usize = 8 * 1024 * 1024;
/// Below this much room a read would mostly be a wasted system call.
const ROOM_BYTES: usize = 512;
const SIZE_BYTES: usize = 4;

/// What the connection must do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Read into [`Framer::buffer`].
    Read,
    /// A frame begins that needs memory of its own: `size` bytes, of which `received` are here.
    Begin { size: usize, received: usize },
    /// Charge `want` more bytes for the frame that began, or `at_least`, then call [`Framer::grow`].
    Grow { want: usize, at_least: usize },
    /// A frame that fitted the read buffer; nothing is charged for it yet.
    Small(Bytes),
    /// The frame that began is complete.
    Large(Bytes),
}

/// The receiving half's buffers.
#[derive(Debug)]
pub(crate) struct Framer {
    largest: usize,
    between: BytesMut,
    large: Option<Large>,
    trusted: usize,
}

#[derive(Debug)]
struct Large {
    size: usize,
    body: BytesMut,
}

impl Framer {
    /// Refuses frames above `largest` bytes.
    pub(crate) fn new(largest: u32) -> Framer {
        Framer { largest: largest as usize, between: BytesMut::new(), large: None, trusted: GROWTH_BYTES }
    }

    /// What to do next. Bytes that were read since the last call are taken into account.
    pub(crate) fn step(&mut self) -> Result<Step, Malformed> {
        match self.large.take() {
            Some(large) => Ok(self.step_large(large)),
            None => self.step_between(),
        }
    }

    /// Where the next read goes: never more than the spare capacity.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        match &mut self.large {
            Some(large) => &mut large.body,
            None => &mut self.between,
        }
    }

    /// Makes room for `bytes` more of the frame that began.
    pub(crate) fn grow(&mut self, bytes: usize) {
        let large = self.large.as_mut().expect("a frame began");
        let mut body = BytesMut::with_capacity(large.body.capacity() + bytes);
        body.extend_from_slice(&large.body);
        body.extend_from_slice(&self.between);
        self.between.clear();
        large.body = body;
    }

    /// Bytes of an unfinished frame that have arrived, and the size it announced, if that is known.
    pub(crate) fn unfinished(&self) -> Option<(usize, Option<usize>)> {
        match &self.large {
            Some(large) => Some((large.body.len() + self.between.len(), Some(large.size))),
            None if self.between.is_empty() => None,
            None => Some((self.between.len(), None)),
        }
    }

    /// Gives back the read buffer when nothing is in it: a connection that waits for its next request holds no memory.
    pub(crate) fn release_when_empty(&mut self) -> bool {
        let empty = self.unfinished().is_none();
        if empty {
            self.between = BytesMut::new();
        }
        empty
    }

    fn step_between(&mut self) -> Result<Step, Malformed> {
        let Some(prefix) = self.between.first_chunk::<SIZE_BYTES>() else {
            self.make_room(ROOM_BYTES);
            return Ok(Step::Read);
        };
        let size = self.checked_size(*prefix)?;
        let whole = SIZE_BYTES + size;
        if self.between.len() >= whole {
            return Ok(Step::Small(self.between.split_to(whole).freeze().slice(SIZE_BYTES..)));
        }
        if whole <= READ_BUFFER_BYTES {
            self.make_room(whole - self.between.len());
            return Ok(Step::Read);
        }
        drop(self.between.split_to(SIZE_BYTES));
        self.large = Some(Large { size, body: BytesMut::new() });
        Ok(Step::Begin { size, received: self.between.len() })
    }

    fn step_large(&mut self, large: Large) -> Step {
        let capacity = large.body.capacity();
        if large.body.len() == large.size {
            self.trusted = large.size.clamp(GROWTH_BYTES, TRUSTED_BYTES);
            return Step::Large(large.body.freeze());
        }
        let full = large.body.len() == capacity;
        let lacks = large.size - capacity;
        self.large = Some(large);
        if !full {
            return Step::Read;
        }
        let doubled = if capacity == 0 { self.trusted } else { capacity.max(GROWTH_BYTES) };
        Step::Grow { want: doubled.min(lacks), at_least: GROWTH_BYTES.min(lacks) }
    }

    fn checked_size(&self, prefix: [u8; SIZE_BYTES]) -> Result<usize, Malformed> {
        let size = i32::from_be_bytes(prefix);
        match usize::try_from(size) {
            Ok(size) if size <= self.largest => Ok(size),
            _ => Err(Malformed::from_prefix(prefix, self.largest)),
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.between.capacity() - self.between.len() < bytes {
            self.between.reserve(READ_BUFFER_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LARGEST: u32 = 1 << 20;

    fn frame(body: &[u8]) -> Vec<u8> {
        [&u32::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
    }

    /// Feeds `input` in reads of at most `chunk` bytes; returns the frames and the largest lead of memory over bytes.
    fn run(input: &[u8], chunk: usize) -> (Vec<Bytes>, usize) {
        let mut framer = Framer::new(LARGEST);
        let (mut frames, mut rest, mut lead) = (Vec::new(), input, 0);
        loop {
            match framer.step().unwrap() {
                Step::Read if rest.is_empty() => return (frames, lead),
                Step::Read => {
                    let buffer = framer.buffer();
                    let n = (buffer.capacity() - buffer.len()).min(chunk).min(rest.len());
                    assert!(n > 0, "a read must have room");
                    buffer.extend_from_slice(&rest[..n]);
                    rest = &rest[n..];
                }
                Step::Begin { .. } => {}
                Step::Grow { want, at_least } => {
                    assert!(0 < at_least && at_least <= want);
                    lead = lead.max(want.saturating_sub(framer.buffer().len().max(GROWTH_BYTES)));
                    framer.grow(want);
                }
                Step::Small(frame) | Step::Large(frame) => frames.push(frame),
            }
        }
    }

    #[test]
    fn memory_grows_as_bytes_arrive() {
        let big = vec![7; LARGEST as usize];
        let (frames, lead) = run(&frame(&big), 1000);
        assert_eq!(frames, vec![Bytes::from(big)]);
        assert_eq!(lead, 0, "every step at most doubles what has arrived");
    }

    #[test]
    fn frames_above_the_limit_are_refused_by_their_size() {
        let mut framer = Framer::new(LARGEST);
        assert_eq!(framer.step(), Ok(Step::Read));
        framer.buffer().extend_from_slice(&(LARGEST + 1).to_be_bytes());
        assert_eq!(framer.step(), Err(Malformed::Oversized { size: LARGEST + 1, largest: LARGEST }));
    }

    #[test]
    fn an_unfinished_frame_is_known() {
        let mut framer = Framer::new(LARGEST);
        assert_eq!(framer.unfinished(), None);
        framer.step().unwrap();
        framer.buffer().extend_from_slice(&frame(&[0; 5000])[..4000]);
        assert_eq!(framer.step(), Ok(Step::Begin { size: 5000, received: 3996 }));
        assert_eq!(framer.unfinished(), Some((3996, Some(5000))));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            sizes in prop::collection::vec(prop_oneof![0usize..200, 3000usize..5000, 0usize..300_000], 1..8),
            chunk in 1usize..70_000,
        ) {
            let bodies: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(i, &size)| vec![i as u8; size]).collect();
            let input: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
            let (frames, _) = run(&input, chunk);
            prop_assert_eq!(frames, bodies.into_iter().map(Bytes::from).collect::<Vec<_>>());
        }
    }
}
