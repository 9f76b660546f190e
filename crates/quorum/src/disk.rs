//! What the quorum keeps on disk.
//!
//! | file | holds |
//! |---|---|
//! | `quorum.identity` | directory id, peer id, initial voters; its presence means "formatted" |
//! | `<sequence>.raft` | segments of the log: frames of entries and hard state ([`log`]) |
//! | `<index>-<term>.snapshot` | the newest snapshot ([`snapshots`]) |
//! | `reserve.space` | allocated space that becomes a segment when the disk is full ([`reserve`]) |
//! | `*.tmp` | unfinished; removed at the next start |
//!
//! Every file begins with a preamble (magic, format version, checksum); segments and snapshots go on with frames, each
//! with two checksums ([`frame`]).

pub(crate) mod batch;
pub(crate) mod frame;
pub(crate) mod identity;
pub(crate) mod log;
pub(crate) mod recovery;
pub(crate) mod reserve;
pub(crate) mod segment;
pub(crate) mod snapshots;
