//! Opening a metadata directory: there is no format step, an empty directory is made into a quorum.

use crate::config::{DirectoryId, InitialVoters, PeerId, QuorumConfig};
use crate::disk::identity::{IDENTITY_BYTES_MAX, IDENTITY_FILE, Identity};
use crate::disk::log::{RaftLog, remove_quietly};
use crate::disk::recovery::{RecoveredLog, SnapshotPosition, recover};
use crate::disk::reserve::Reserve;
use crate::disk::segment::{SegmentFile, segment_sequence};
use crate::disk::snapshots::{Snapshots, position_of, snapshot_position};
use crate::driver::{Driver, Parts};
use crate::error::OpenError;
use crate::handle::{Quorum, QuorumHandle};
use crate::machine::StateMachine;
use crate::store::Store;
use crate::transport::Transport;
use futures_util::future::BoxFuture;
use ottla_runtime::watch;
use ottla_runtime::{Disk, Runtime};
use raft::eraftpb::SnapshotMetadata;
use std::path::Path;
use std::sync::Arc;

/// Sync site of the identity file (`.file` and `.dir`).
const IDENTITY_SITE: &str = "quorum.identity";
/// Sync site of the names of the metadata directory and of those above it.
const DIRECTORY_SITE: &str = "quorum.directory";
/// A segment file that is longer is not ours: limit, plus one frame of everything that can be under way, plus the reserve.
const SEGMENT_FILE_BYTES_MAX: usize = 1 << 30;
/// The state that a first formation starts from: the entry at this index is the voters' agreement to begin. It is a snapshot,
/// so that a peer that joins later is sent one and learns the voters from it.
const FORMATION: SnapshotPosition = SnapshotPosition { index: 1, term: 1 };

impl Quorum {
    /// Opens the metadata directory and starts the owner task. `machine` is restored before this returns; entries after
    /// the snapshot are applied once they are known to be committed.
    ///
    /// # Errors
    /// Damage, a newer format, a directory of another node, and what the disk says; see [`OpenError`].
    pub fn open(
        runtime: &Runtime,
        config: QuorumConfig,
        machine: Box<dyn StateMachine>,
        transport: Arc<dyn Transport>,
    ) -> BoxFuture<'_, Result<Quorum, OpenError>> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(Quorum::open_here(runtime, config, machine, transport))
    }

    async fn open_here(
        runtime: &Runtime,
        config: QuorumConfig,
        mut machine: Box<dyn StateMachine>,
        transport: Arc<dyn Transport>,
    ) -> Result<Quorum, OpenError> {
        let disk = runtime.metadata_disk().clone();
        let identity = identity(runtime, &disk, &config).await?;
        let snapshots = Snapshots::new(disk.clone(), config.dir.clone());
        let (segments, newest) = scan(&disk, &config.dir).await?;
        let metadata = match newest {
            Some(position) => {
                let loaded = snapshots.load(position).await?;
                let restored = machine.restore(position.index, loaded.chunks);
                restored.map_err(|reason| OpenError::Refused { index: position.index, reason })?;
                loaded.metadata
            }
            None => formation(&identity),
        };
        let mut recovered = recover(segments, position_of(&metadata), &config.dir)?;
        report(&identity, &recovered, &metadata);
        let entries = std::mem::take(&mut recovered.entries);
        let store = Store::new(recovered.hard_state.clone(), metadata, entries);
        let reserve = Reserve::open(&disk, &config.dir, config.reserve_bytes).await?;
        let log = RaftLog::new(disk, config.dir.clone(), reserve, recovered);
        let parts = Parts { runtime: runtime.clone(), config, identity, log, snapshots, store, machine, transport };
        let (stop, stopped) = watch::channel(false);
        let (driver, events, status) = Driver::new(parts, stopped);
        let task = runtime.spawn("metadata-quorum", driver.run()).abort_on_drop();
        Ok(Quorum::new(QuorumHandle { events, status, stop: Arc::new(stop) }, task))
    }
}

/// Who this directory is; an empty one is made.
async fn identity(runtime: &Runtime, disk: &Disk, config: &QuorumConfig) -> Result<Identity, OpenError> {
    let path = config.dir.join(IDENTITY_FILE);
    if !disk.exists(&path).await? {
        return form(runtime, disk, config).await;
    }
    let identity = Identity::decode(&disk.read(&path, IDENTITY_BYTES_MAX).await?, &path)?;
    match config.directory_id {
        DirectoryId::Known(expected) if expected != identity.directory_id => {
            Err(OpenError::ForeignDirectory { path: config.dir.clone(), found: identity.directory_id, expected })
        }
        _ => Ok(identity),
    }
}

/// Makes the directory. The identity is written last: without it nothing was promised to anyone.
async fn form(runtime: &Runtime, disk: &Disk, config: &QuorumConfig) -> Result<Identity, OpenError> {
    let directory_id = match config.directory_id {
        DirectoryId::Known(id) => id,
        DirectoryId::None => runtime.random_uuid(),
        DirectoryId::Unknown => return Err(OpenError::UnusableDirectory { path: config.dir.clone() }),
    };
    disk.create_dir_all_durable(&config.dir, DIRECTORY_SITE).await?;
    let (segments, snapshot) = scan(disk, &config.dir).await?;
    if !segments.is_empty() || snapshot.is_some() {
        return Err(OpenError::Damaged {
            path: config.dir.join(IDENTITY_FILE),
            offset: 0,
            what: "the file is missing, but there is a metadata log beside it".to_owned(),
        });
    }
    let peer_id = PeerId::of_directory(directory_id);
    let initial_voters = match &config.initial_voters {
        InitialVoters::OnlyThisNode => vec![peer_id],
        InitialVoters::Listed(directories) => directories.iter().map(|id| PeerId::of_directory(*id)).collect(),
    };
    let identity = Identity { directory_id, peer_id, initial_voters };
    disk.write_atomic(&config.dir.join(IDENTITY_FILE), &identity.encode(), IDENTITY_SITE).await?;
    Ok(identity)
}

/// Reads all segments and finds the newest snapshot; removes what is unfinished.
async fn scan(disk: &Disk, dir: &Path) -> Result<(Vec<SegmentFile>, Option<SnapshotPosition>), OpenError> {
    let mut segments = Vec::new();
    let mut newest = None;
    for entry in disk.list(dir).await? {
        let path = dir.join(&entry.name);
        if entry.name.ends_with(".tmp") {
            remove_quietly(disk, &path).await;
        } else if let Some(position) = snapshot_position(&entry.name) {
            newest = newest.max(Some((position.index, position.term)));
        } else if let Some(sequence) = segment_sequence(&entry.name) {
            let bytes = disk.read(&path, SEGMENT_FILE_BYTES_MAX).await?;
            segments.push(SegmentFile { sequence, path, bytes });
        }
    }
    Ok((segments, newest.map(|(index, term)| SnapshotPosition { index, term })))
}

fn formation(identity: &Identity) -> SnapshotMetadata {
    let mut metadata = SnapshotMetadata { index: FORMATION.index, term: FORMATION.term, ..SnapshotMetadata::default() };
    metadata.mut_conf_state().set_voters(identity.initial_voters.iter().map(|peer| peer.0).collect());
    metadata
}

fn report(identity: &Identity, recovered: &RecoveredLog, snapshot: &SnapshotMetadata) {
    if recovered.torn_bytes > 0 {
        tracing::warn!(
            bytes = recovered.torn_bytes,
            "the last write of the metadata log was cut off by a crash; it was never acknowledged and is left out"
        );
    }
    tracing::debug!(
        peer = %identity.peer_id,
        snapshot = snapshot.index,
        entries = recovered.entries.len(),
        term = recovered.hard_state.term,
        "metadata log opened"
    );
}
