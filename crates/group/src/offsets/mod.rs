//! Committed offsets: one file per request, their records, and their expiry.
//!
//! An offset changes by a record alone: a commit writes one, a deletion its tombstone. Offsets outlive members; a group
//! with offsets and without members is kept until they expire.

pub mod commit;
pub mod delete;
pub mod expire;
pub mod fetch;
pub mod record;
pub mod replay;
pub mod state;
pub mod txn_commit;

pub use state::{GroupOffsets, OffsetAndMetadata, Offsets};
