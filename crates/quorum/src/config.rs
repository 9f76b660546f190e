//! What a quorum is opened with, and the limits it keeps.

use ottla_types::Uuid;
use std::path::PathBuf;
use std::time::Duration;

/// Id of a Raft peer: nonzero, derived from the directory id of the peer's metadata directory. It is never
/// `node.id`, so a node that comes back with an empty directory cannot vote a second time in the place of the old one
/// (KIP-853).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

impl PeerId {
    /// The peer id that belongs to the directory id `directory`.
    pub fn of_directory(directory: Uuid) -> PeerId {
        let (high, low) = directory.0.split_at(8);
        let half = |bytes: &[u8]| bytes.iter().fold(0u64, |value, byte| (value << 8) | u64::from(*byte));
        // The halves are random; 0 is not a valid id in raft-rs.
        PeerId((half(high) ^ half(low)).max(1))
    }
}

impl std::fmt::Display for PeerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Who votes when the directory is made. Later changes of the voters are entries of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitialVoters {
    /// A quorum of one: this directory alone.
    OnlyThisNode,
    /// The directory ids of all voters of a first formation, the same list on each of them.
    Listed(Vec<Uuid>),
}

/// The id of the log directory that holds the metadata directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryId {
    /// It is none of the log directories: an empty metadata directory draws its own id.
    None,
    /// The log directory cannot be used, so nobody knows it. A metadata directory that is there is opened, but none is made: it
    /// would not belong to the log directory once that can be used again.
    Unknown,
    /// What `meta.properties` holds. A metadata directory that was copied from elsewhere is refused.
    Known(Uuid),
}

/// Where a quorum lives and how it behaves.
#[derive(Debug, Clone)]
pub struct QuorumConfig {
    /// The metadata directory, for example `<metadata.log.dir>/metadata`. It is made when missing.
    pub dir: PathBuf,
    /// What `meta.properties` beside it says.
    pub directory_id: DirectoryId,
    /// Who votes when the directory is empty.
    pub initial_voters: InitialVoters,
    /// Length of one Raft tick while there are other voters.
    pub tick: Duration,
    /// `metadata.log.max.record.bytes.between.snapshots`: bytes of applied entries after which a snapshot is due.
    pub snapshot_after_bytes: u64,
    /// `metadata.log.max.snapshot.interval.ms`: time after which a snapshot is due if anything was applied.
    pub snapshot_after: Duration,
    /// Entries before a snapshot that stay readable, so that a peer that lags a little needs no snapshot. A quorum of one
    /// keeps none.
    pub trailing_entries: u64,
    /// Bytes that are kept allocated for the log, so that metadata can be written on a full disk; 0 keeps none.
    pub reserve_bytes: u64,
}

impl QuorumConfig {
    /// Kafka's defaults for a metadata directory at `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> QuorumConfig {
        QuorumConfig {
            dir: dir.into(),
            directory_id: DirectoryId::None,
            initial_voters: InitialVoters::OnlyThisNode,
            tick: Duration::from_millis(50),
            snapshot_after_bytes: 20 * 1024 * 1024,
            snapshot_after: Duration::from_secs(3600),
            trailing_entries: limits::TRAILING_ENTRIES_DEFAULT,
            reserve_bytes: limits::RESERVE_BYTES_DEFAULT,
        }
    }
}

/// The limits of the quorum, each with its unit.
pub mod limits {
    use std::time::Duration;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    /// Largest proposal, in bytes. Kafka's metadata log has the same limit for a batch.
    pub const ENTRY_BYTES_MAX: usize = 8 * MIB;
    /// A segment of the log that is longer is not written to any more.
    pub const SEGMENT_BYTES_MAX: u64 = 4 * MIB as u64;
    /// A snapshot is due when the log has more segments, so that many restarts do not leave many files.
    pub const SEGMENTS_MAX: usize = 32;
    /// Largest chunk of a snapshot.
    pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = MIB;
    /// Proposals and messages that wait for the owner task.
    pub const EVENTS_QUEUED_MAX: usize = 1024;
    /// Events that one turn of the owner task takes before it persists.
    pub const EVENTS_PER_TURN_MAX: usize = 256;
    /// Bytes of proposals that may be under way; above it a proposal is refused as busy.
    pub const UNCOMMITTED_BYTES_MAX: u64 = 64 * MIB as u64;
    /// Bytes of entries in one message to a peer (a larger entry travels alone).
    pub const MESSAGE_BYTES_MAX: u64 = MIB as u64;
    /// Append messages under way to one peer.
    pub const MESSAGES_IN_FLIGHT_MAX: usize = 16;
    /// Default of the entries before a snapshot that stay readable for peers that lag.
    pub const TRAILING_ENTRIES_DEFAULT: u64 = 1024;
    /// Default of the space kept for the log on a disk that fills up.
    pub const RESERVE_BYTES_DEFAULT: u64 = 8 * MIB as u64;

    /// Ticks without a leader before an election; the random timeout is drawn from [this, twice this).
    pub const ELECTION_TICKS: usize = 10;
    /// Ticks between heartbeats.
    pub const HEARTBEAT_TICKS: usize = 2;
    /// Length of a turn's timer on a quorum of one, which has no use for heartbeats.
    pub const HOUSEKEEPING_INTERVAL: Duration = Duration::from_secs(1);
    /// Pause before a write is tried again on a full disk.
    pub const FULL_DISK_RETRY: Duration = Duration::from_millis(500);
    /// Pause before a snapshot is tried again after it failed.
    pub const SNAPSHOT_RETRY: Duration = Duration::from_secs(60);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_ids_are_never_zero_and_differ_by_directory() {
        assert_eq!(PeerId::of_directory(Uuid::ZERO), PeerId(1));
        let one = Uuid::from_random_halves(7, 1).unwrap();
        let two = Uuid::from_random_halves(7, 2).unwrap();
        assert_ne!(PeerId::of_directory(one), PeerId::of_directory(two));
    }
}
