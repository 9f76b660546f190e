//! Disks that are full or fail.

use super::journal::Journal;
use crate::{NoPeers, OpenError, ProposeError, Quorum, QuorumConfig, Role, StorageState};
use bytes::Bytes;
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const NODE: &str = "node";
const KIB: u64 = 1024;

fn config() -> QuorumConfig {
    QuorumConfig { reserve_bytes: 64 * KIB, ..QuorumConfig::new("/data/metadata") }
}

/// The log directory that the metadata directory lies in; making that durable is the business of the log manager.
pub(super) async fn prepare_log_directory(runtime: &Runtime) {
    runtime.disk().create_dir_all(Path::new("/data")).await.unwrap();
    runtime.disk().sync_dir(Path::new("/"), "test.setup").await.unwrap();
}

async fn open(world: &World) -> (Quorum, Journal) {
    let journal = Journal::default();
    let runtime = world.node(NODE);
    prepare_log_directory(&runtime).await;
    let quorum = Quorum::open(&runtime, config(), Box::new(journal.clone()), Arc::new(NoPeers)).await.unwrap();
    (quorum, journal)
}

async fn propose(quorum: &Quorum, bytes: usize) -> Result<u64, ProposeError> {
    quorum.handle().propose(Bytes::from(vec![b'x'; bytes])).await
}

async fn wait_for_storage(quorum: &Quorum, wanted: StorageState) {
    quorum.handle().status().wait_for(|status| status.storage == wanted).await.unwrap();
}

/// Fills the disk with a file of somebody else's, up to `left` bytes.
async fn fill(world: &World, left: u64) {
    let space = world.node(NODE).disk().space(Path::new("/data")).await.unwrap();
    let used = space.total - space.available;
    world.disk_faults(NODE).set_capacity(Some(used + left));
}

#[test]
fn metadata_is_written_in_the_reserve_when_the_disk_is_full_and_goes_on_when_there_is_space() {
    let world = World::new(1);
    world.run(async {
        let (quorum, journal) = open(&world).await;
        propose(&quorum, 100).await.unwrap();
        world.node(NODE).sleep(Duration::from_millis(1500)).await;
        fill(&world, 100).await;

        let mut acknowledged = 1;
        while propose(&quorum, 1000).await.is_ok() {
            acknowledged += 1;
            let in_reserve = quorum.handle().status().borrow().storage == StorageState::ReserveInUse;
            assert!(in_reserve || acknowledged < 3, "the reserve is in use");
            if acknowledged > 50 {
                break;
            }
        }
        assert!(acknowledged > 50, "the reserve of 64 KiB takes 50 entries of 1000 bytes, not {acknowledged}");

        let stuck = world.node(NODE).spawn("stuck", {
            let handle = quorum.handle().clone();
            async move { handle.propose(Bytes::from(vec![b'y'; 60_000])).await }
        });
        wait_for_storage(&quorum, StorageState::OutOfSpace).await;
        assert_eq!(propose(&quorum, 10).await, Err(ProposeError::OutOfSpace));

        world.disk_faults(NODE).set_capacity(None);
        stuck.await.unwrap().unwrap();
        wait_for_storage(&quorum, StorageState::Healthy).await;
        propose(&quorum, 10).await.unwrap();
        let before = journal.look().entries.clone();
        quorum.shutdown().await;
        world.power_loss(NODE);

        let (quorum, journal) = open(&world).await;
        propose(&quorum, 10).await.unwrap();
        assert_eq!(journal.look().entries[..before.len()], before);
    });
}

#[test]
fn a_full_disk_at_the_start_is_survived_with_the_reserve_of_the_last_run() {
    let world = World::new(2);
    world.run(async {
        let (quorum, _) = open(&world).await;
        propose(&quorum, 100).await.unwrap();
        world.node(NODE).sleep(Duration::from_millis(1500)).await;
        quorum.shutdown().await;
        fill(&world, 0).await;
        let (quorum, journal) = open(&world).await;
        propose(&quorum, 100).await.unwrap();
        assert_eq!(journal.look().entries.len(), 2);
    });
}

#[test]
fn a_failed_fsync_stops_the_quorum_with_the_reason_and_loses_nothing_acknowledged() {
    for seed in 0..20 {
        let world = World::new(seed);
        world.run(async {
            let (quorum, journal) = open(&world).await;
            for _ in 0..5 {
                propose(&quorum, 50).await.unwrap();
            }
            world.disk_faults(NODE).fail_syncs(".raft", 1);
            let failed = propose(&quorum, 60).await;
            let reason = match &failed {
                Err(ProposeError::Failed { reason }) => reason.clone(),
                other => panic!("{other:?}"),
            };
            assert!(reason.contains("cannot sync"), "{reason}");
            assert_eq!(propose(&quorum, 70).await, failed);
            assert_eq!(journal.look().role, Role::Follower { leader: None });
            assert_eq!(journal.look().entries.len(), 5, "what is not durable is not applied");
            // The process is started again on the same boot: its page cache may show what the disk does not have.
            drop(quorum);
            world.crash(NODE);
            for entries in [6, 7] {
                let (quorum, journal) = open(&world).await;
                propose(&quorum, 80).await.unwrap();
                let found = journal.look().entries.len();
                assert!(found == entries || found == entries + 1, "{found} of {entries}");
                drop(quorum);
                world.power_loss(NODE);
            }
        });
    }
}

#[test]
fn a_failed_write_stops_the_quorum_too() {
    let world = World::new(3);
    world.run(async {
        let (quorum, _) = open(&world).await;
        propose(&quorum, 50).await.unwrap();
        world.disk_faults(NODE).fail_writes(".raft", 1);
        assert!(matches!(propose(&quorum, 60).await, Err(ProposeError::Failed { .. })));
        drop(quorum);
        world.crash(NODE);
        let (quorum, journal) = open(&world).await;
        propose(&quorum, 70).await.unwrap();
        assert_eq!(journal.look().entries.len(), 2);
    });
}

#[test]
fn damage_below_the_last_entry_is_named_and_never_cut() {
    let world = World::new(4);
    world.run(async {
        let (quorum, _) = open(&world).await;
        for _ in 0..5 {
            propose(&quorum, 50).await.unwrap();
        }
        quorum.shutdown().await;
        let runtime = world.node(NODE);
        let segment = Path::new("/data/metadata/00000000000000000001.raft");
        let len = runtime.disk().read(segment, 1 << 20).await.unwrap().len() as u64;
        world.disk_faults(NODE).corrupt(segment, len / 2).unwrap();
        let opened = Quorum::open(&runtime, config(), Box::new(Journal::default()), Arc::new(NoPeers)).await;
        let error = opened.err().unwrap();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("00000000000000000001.raft is damaged at byte"), "{error}");
        assert_eq!(runtime.disk().read(segment, 1 << 20).await.unwrap().len() as u64, len);
    });
}
