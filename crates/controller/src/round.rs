//! A round: requests decided one after another, and the entries that hold their records.

use crate::limits;
use bytes::{BufMut, Bytes, BytesMut};
use ottla_config::BrokerConfig;
use ottla_metadata::decide::decide;
use ottla_metadata::{
    ControllerError, ControllerRequest, ControllerResponse, DecideContext, Decision, MetadataImage, QuorumView, entry,
    limits::ENTRY_RECORDS_MAX,
};
use ottla_quorum::limits::ENTRY_BYTES_MAX;
use tokio::sync::oneshot;

/// Where the answer to a request goes.
pub(crate) type Answer = oneshot::Sender<Result<ControllerResponse, ControllerError>>;

/// A request that waits for its decision.
pub(crate) struct PendingRequest {
    pub(crate) request: ControllerRequest,
    pub(crate) answer: Answer,
}

/// A reply that leaves when its entry is committed and applied.
pub(crate) struct PendingReply {
    pub(crate) answer: Answer,
    pub(crate) response: ControllerResponse,
    /// Some of its records are in an entry before this one.
    pub(crate) began_before: bool,
}

/// One entry to propose, and the replies that depend on it.
pub(crate) struct PlannedEntry {
    bytes: BytesMut,
    records: usize,
    pub(crate) replies: Vec<PendingReply>,
}

impl PlannedEntry {
    /// The entry's bytes, and its replies.
    pub(crate) fn into_parts(self) -> (Bytes, Vec<PendingReply>) {
        (self.bytes.freeze(), self.replies)
    }
}

/// The requests of one round.
pub(crate) struct Round<'a> {
    config: &'a BrokerConfig,
    quorum: QuorumView,
    /// The committed image with what this round has decided so far.
    image: MetadataImage,
    /// Records committed, and decided in this round.
    records: i64,
    entries: Vec<PlannedEntry>,
}

impl<'a> Round<'a> {
    /// A round that begins from `image`, which `records` records made.
    pub(crate) fn new(config: &'a BrokerConfig, quorum: QuorumView, image: MetadataImage, records: i64) -> Round<'a> {
        Round { config, quorum, image, records, entries: Vec::new() }
    }

    /// Decides one request. `random` is a number of its own.
    pub(crate) fn add(&mut self, pending: PendingRequest, random: u64) {
        let context = DecideContext { config: self.config, random, metadata_index: self.records, quorum: self.quorum };
        // Sessions of remote brokers come with clustering; here the lock of the data directory has already made sure
        // that no other incarnation of the local broker runs.
        let has_live_session = false;
        let decision = decide(&self.image, &pending.request, has_live_session, &context);
        let encoded = match encode(&decision) {
            Ok(encoded) => encoded,
            Err(error) => return answer(pending.answer, Err(error)),
        };
        let first = self.entries.len().saturating_sub(1);
        let entry_of_first_part = match encoded.first() {
            Some(part) if !self.fits(part) => self.entries.len(),
            _ => first,
        };
        self.advance(&decision);
        encoded.into_iter().for_each(|part| self.pack(part));
        let last = self.entries.len().saturating_sub(1);
        match self.entries.last_mut() {
            // Also a decision without records saw what this round has decided before it.
            Some(entry) => entry.replies.push(PendingReply {
                answer: pending.answer,
                response: decision.response,
                began_before: entry_of_first_part < last && !decision.entries.is_empty(),
            }),
            None => answer(pending.answer, Ok(decision.response)),
        }
    }

    /// The entries, in the order in which they are to be proposed.
    pub(crate) fn into_entries(self) -> Vec<PlannedEntry> {
        self.entries
    }

    fn advance<R>(&mut self, decision: &Decision<R>) {
        for record in decision.records() {
            self.image.apply(record).expect("a decision fits the image that it was made on");
            self.records += 1;
        }
    }

    /// Whether `part` still goes into the last entry.
    fn fits(&self, part: &Part) -> bool {
        self.entries.last().is_some_and(|entry| {
            entry.bytes.len() + part.bytes.len() <= limits::ENTRY_PACKED_BYTES_MAX
                && entry.records + part.records <= ENTRY_RECORDS_MAX
        })
    }

    fn pack(&mut self, part: Part) {
        if !self.fits(&part) {
            let bytes = BytesMut::from(part.bytes.as_ref());
            return self.entries.push(PlannedEntry { bytes, records: part.records, replies: Vec::new() });
        }
        let entry = self.entries.last_mut().expect("something fits only into an entry that is there");
        entry.bytes.put_slice(records_of(&part.bytes));
        entry.records += part.records;
    }
}

/// An encoded entry of one decision.
struct Part {
    bytes: Bytes,
    records: usize,
}

/// An entry is its format version (one byte), then its records one after another; so two are joined without the second's
/// version.
fn records_of(entry: &[u8]) -> &[u8] {
    assert_eq!(entry[0], entry::FORMAT_VERSION, "entries of one format are joined");
    &entry[1..]
}

fn encode<R>(decision: &Decision<R>) -> Result<Vec<Part>, ControllerError> {
    let mut parts = Vec::with_capacity(decision.entries.len());
    for records in &decision.entries {
        let bytes = entry::encode(records).map_err(|error| ControllerError::Storage(error.to_string()))?;
        if bytes.len() > ENTRY_BYTES_MAX {
            let text = format!(
                "the request leads to {} bytes of metadata that must be committed together, and the limit is {ENTRY_BYTES_MAX}; \
                 split it into several requests",
                bytes.len()
            );
            return Err(ControllerError::Storage(text));
        }
        parts.push(Part { bytes, records: records.len() });
    }
    Ok(parts)
}

/// Sends an answer; who does not wait any more does not want to know.
pub(crate) fn answer(answer: Answer, result: Result<ControllerResponse, ControllerError>) {
    let _ = answer.send(result);
}

#[cfg(test)]
mod tests;
