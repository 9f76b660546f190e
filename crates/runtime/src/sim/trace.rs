//! What happened in a world: a rolling hash of every event and, when asked for, its text.

use std::fmt::{self, Write};

/// Events kept as text, at most; the hash covers all of them.
const LINES_MAX: usize = 1_000_000;

/// The events of one world in order.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
    is_closed: bool,
    buffer: String,
}

impl Trace {
    pub(crate) fn keep_text(&mut self) {
        self.lines.get_or_insert_with(Vec::new);
    }

    /// Later events (tasks being dropped at the end) no longer count.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(crate) fn event(&mut self, micros: u128, node: &str, event: fmt::Arguments<'_>) {
        if self.is_closed {
            return;
        }
        self.buffer.clear();
        write!(self.buffer, "{micros} {node} {event}").expect("writing to a string");
        self.hash = mix(self.hash, self.buffer.as_bytes());
        if let Some(lines) = &mut self.lines
            && lines.len() < LINES_MAX
        {
            lines.push(self.buffer.clone());
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.clone().unwrap_or_default()
    }
}

/// Adds `bytes` to a running hash. Not for anything that is stored.
pub(crate) fn mix(hash: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| {
        let mixed = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
        (mixed as u64) ^ ((mixed >> 64) as u64)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(step(hash, bytes.len() as u64), |hash, word| step(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}
