//! The `.txnindex` of a segment: the aborted transactions whose markers are in it, so that read_committed fetches can
//! name them. Byte for byte Kafka's: entries of 34 bytes, in the order of their markers.

use ottla_types::ProducerId;

/// Bytes of an entry: version i16, producer id i64, first offset i64, last offset i64, last stable offset i64.
pub const ABORTED_TXN_BYTES: usize = 34;
const VERSION: i16 = 0;

/// An aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTxn {
    /// Whose transaction it was.
    pub producer_id: ProducerId,
    /// Its first offset on the partition.
    pub first_offset: i64,
    /// The offset of its abort marker.
    pub last_offset: i64,
    /// The last stable offset when the marker was appended: transactions that end later begin at or after it.
    pub last_stable_offset: i64,
}

/// The transaction index of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionIndex {
    base_offset: i64,
    entries: Vec<AbortedTxn>,
}

/// What a search in one segment's index found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbortedTxns {
    /// Those that overlap with the range.
    pub txns: Vec<AbortedTxn>,
    /// Whether the following segments cannot hold any more.
    pub is_complete: bool,
}

/// Why the bytes are not a transaction index. It can be rebuilt from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TxnIndexError {
    /// Written by a newer version.
    #[error("aborted transaction version {0} is not supported: only {VERSION} is")]
    UnknownVersion(i16),
    /// Not a whole number of entries.
    #[error("the transaction index is cut off inside an entry")]
    Torn,
    /// Entries that cannot be of this segment, or in this order.
    #[error("the transaction index is corrupt: {0}")]
    Corrupt(&'static str),
}

impl TransactionIndex {
    /// An empty index of the segment that starts at `base_offset`.
    pub fn new(base_offset: i64) -> TransactionIndex {
        TransactionIndex { base_offset, entries: Vec::new() }
    }

    /// An index of these entries, which are in the order of their markers.
    pub fn from_entries(base_offset: i64, entries: &[AbortedTxn]) -> TransactionIndex {
        let mut index = TransactionIndex::new(base_offset);
        entries.iter().for_each(|&txn| index.append(txn));
        index
    }

    /// Reads the file's bytes.
    pub fn parse(base_offset: i64, bytes: &[u8]) -> Result<TransactionIndex, TxnIndexError> {
        let (chunks, rest) = bytes.as_chunks::<ABORTED_TXN_BYTES>();
        if !rest.is_empty() {
            return Err(TxnIndexError::Torn);
        }
        let entries = chunks.iter().map(AbortedTxn::parse).collect::<Result<Vec<_>, _>>()?;
        if entries.iter().any(|txn| txn.last_offset < base_offset) {
            return Err(TxnIndexError::Corrupt("a marker lies before the segment"));
        }
        if entries.iter().any(|txn| txn.first_offset > txn.last_offset) {
            return Err(TxnIndexError::Corrupt("a transaction ends before it begins"));
        }
        if !entries.is_sorted_by(|a, b| a.last_offset < b.last_offset) {
            return Err(TxnIndexError::Corrupt("the markers are out of order"));
        }
        Ok(TransactionIndex { base_offset, entries })
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.entries.iter().flat_map(AbortedTxn::encode).collect()
    }

    /// First offset of the segment.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// All entries, in the order of their markers.
    pub fn entries(&self) -> &[AbortedTxn] {
        &self.entries
    }

    /// Adds a transaction whose marker was just appended.
    pub fn append(&mut self, txn: AbortedTxn) {
        let last_offset = self.entries.last().map_or(self.base_offset - 1, |txn| txn.last_offset);
        assert!(txn.last_offset > last_offset, "markers are appended in the order of the log");
        self.entries.push(txn);
    }

    /// Drops transactions whose markers are at or above `offset`. Returns whether there were any.
    pub fn truncate_to(&mut self, offset: i64) -> bool {
        let before = self.entries.len();
        self.entries.truncate(self.entries.partition_point(|txn| txn.last_offset < offset));
        self.entries.len() < before
    }

    /// The aborted transactions that overlap with `fetch_offset..upper_bound_offset`.
    pub fn collect(&self, fetch_offset: i64, upper_bound_offset: i64) -> AbortedTxns {
        collect_aborted_txns(&self.entries, fetch_offset, upper_bound_offset)
    }
}

/// The aborted transactions among `entries` (those of one segment) that overlap with
/// `fetch_offset..upper_bound_offset`. While the answer is not complete, the next segment's are needed too: a
/// transaction's entry is where its marker is.
pub fn collect_aborted_txns(entries: &[AbortedTxn], fetch_offset: i64, upper_bound_offset: i64) -> AbortedTxns {
    let last = entries.iter().position(|txn| txn.last_stable_offset >= upper_bound_offset);
    let searched = &entries[..last.map_or(entries.len(), |last| last + 1)];
    let overlaps = |txn: &&AbortedTxn| txn.last_offset >= fetch_offset && txn.first_offset < upper_bound_offset;
    AbortedTxns { txns: searched.iter().filter(overlaps).copied().collect(), is_complete: last.is_some() }
}

impl AbortedTxn {
    fn encode(&self) -> [u8; ABORTED_TXN_BYTES] {
        let mut bytes = [0; ABORTED_TXN_BYTES];
        bytes[0..2].copy_from_slice(&VERSION.to_be_bytes());
        let fields = [self.producer_id.0, self.first_offset, self.last_offset, self.last_stable_offset];
        for (i, field) in fields.into_iter().enumerate() {
            bytes[2 + 8 * i..10 + 8 * i].copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    fn parse(bytes: &[u8; ABORTED_TXN_BYTES]) -> Result<AbortedTxn, TxnIndexError> {
        let version = i16::from_be_bytes([bytes[0], bytes[1]]);
        if version != VERSION {
            return Err(TxnIndexError::UnknownVersion(version));
        }
        let field = |i: usize| {
            let bytes = bytes[2 + 8 * i..].first_chunk().expect("an entry has four fields");
            i64::from_be_bytes(*bytes)
        };
        Ok(AbortedTxn {
            producer_id: ProducerId(field(0)),
            first_offset: field(1),
            last_offset: field(2),
            last_stable_offset: field(3),
        })
    }
}

#[cfg(test)]
mod tests;
