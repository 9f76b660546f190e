//! What is fuzzed: each target makes valid seeds and feeds mutated ones to a decoder.

mod batch;
mod messages;

use fastrand::Rng;

/// A decoder under test.
pub(crate) struct Target {
    /// Name on the command line.
    pub(crate) name: &'static str,
    /// A valid input; `rng` chooses which.
    pub(crate) seed: fn(&mut Rng) -> Vec<u8>,
    /// Decodes the input; panics where the decoder is wrong.
    pub(crate) run: fn(&[u8]),
    /// Allocated bytes allowed for each input byte, and on top.
    pub(crate) allocation: Allocation,
}

/// Bound on the memory that decoding takes.
pub(crate) struct Allocation {
    pub(crate) per_input_byte: u64,
    pub(crate) fixed: u64,
}

/// Every target.
pub(crate) const ALL: &[Target] = &[
    messages::HEADER,
    messages::REQUEST,
    messages::RESPONSE,
    messages::METADATA_RECORD,
    batch::SCAN,
    batch::PRODUCE,
    batch::RECORDS,
];
