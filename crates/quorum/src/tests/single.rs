//! A quorum of one on a memory disk.

use super::journal::Journal;
use crate::{DirectoryId, InitialVoters, NoPeers, OpenError, ProposeError, Quorum, QuorumConfig, Role, limits};
use bytes::Bytes;
use ottla_runtime::Runtime;
use ottla_types::Uuid;
use std::path::Path;
use std::sync::Arc;

const DIR: &str = "/data/metadata";

fn config() -> QuorumConfig {
    QuorumConfig::new(DIR)
}

async fn open_with(runtime: &Runtime, config: QuorumConfig) -> Result<(Quorum, Journal), OpenError> {
    let journal = Journal::default();
    let quorum = Quorum::open(runtime, config, Box::new(journal.clone()), Arc::new(NoPeers)).await?;
    Ok((quorum, journal))
}

async fn open(runtime: &Runtime) -> (Quorum, Journal) {
    open_with(runtime, config()).await.unwrap()
}

async fn propose(quorum: &Quorum, text: &str) -> u64 {
    quorum.handle().propose(Bytes::from(text.to_owned())).await.unwrap()
}

async fn files(runtime: &Runtime, suffix: &str) -> Vec<String> {
    let entries = runtime.disk().list(Path::new(DIR)).await.unwrap();
    entries.into_iter().map(|entry| entry.name).filter(|name| name.ends_with(suffix)).collect()
}

#[tokio::test]
async fn an_empty_directory_becomes_a_quorum_that_leads_at_once() {
    let runtime = Runtime::in_memory();
    let (quorum, journal) = open(&runtime).await;
    let index = propose(&quorum, "first").await;
    assert_eq!(journal.look().entries, [(index, Bytes::from_static(b"first"))]);
    let status = quorum.handle().status().borrow().clone();
    assert_eq!(status.voters, [status.peer_id]);
    assert!(matches!(journal.look().role, Role::Leader { term: 2 }));
}

#[tokio::test]
async fn what_was_proposed_is_there_after_a_restart() {
    let runtime = Runtime::in_memory();
    for round in 0..5 {
        let (quorum, journal) = open(&runtime).await;
        let index = propose(&quorum, &format!("round {round}")).await;
        assert_eq!(journal.look().entries.last().unwrap().0, index);
        let expected: Vec<String> = (0..=round).map(|round| format!("round {round}")).collect();
        assert_eq!(journal.texts(), expected);
        quorum.shutdown().await;
    }
}

#[tokio::test]
async fn a_reply_comes_after_the_entry_was_applied() {
    let runtime = Runtime::in_memory();
    let (quorum, journal) = open(&runtime).await;
    let proposals = (0..100).map(|number| {
        let (handle, journal) = (quorum.handle().clone(), journal.clone());
        runtime.spawn("proposer", async move {
            let index = handle.propose(Bytes::from(number.to_string())).await.unwrap();
            assert!(journal.look().entries.contains(&(index, Bytes::from(number.to_string()))));
        })
    });
    for proposal in proposals.collect::<Vec<_>>() {
        proposal.await.unwrap();
    }
    assert_eq!(journal.look().entries.len(), 100);
}

#[tokio::test]
async fn an_entry_over_the_limit_is_refused_with_its_size() {
    let runtime = Runtime::in_memory();
    let (quorum, _) = open(&runtime).await;
    let bytes = limits::ENTRY_BYTES_MAX + 1;
    let refused = quorum.handle().propose(Bytes::from(vec![0; bytes])).await;
    assert_eq!(refused, Err(ProposeError::TooLarge { bytes, max: limits::ENTRY_BYTES_MAX }));
    let largest = Bytes::from(vec![1; limits::ENTRY_BYTES_MAX]);
    assert!(quorum.handle().propose(largest).await.is_ok());
}

#[tokio::test]
async fn a_quorum_that_was_shut_down_says_so() {
    let runtime = Runtime::in_memory();
    let (quorum, journal) = open(&runtime).await;
    let handle = quorum.handle().clone();
    propose(&quorum, "before").await;
    quorum.shutdown().await;
    assert_eq!(handle.propose(Bytes::from_static(b"after")).await, Err(ProposeError::Stopped));
    assert_eq!(journal.look().role, Role::Follower { leader: None });
}

#[tokio::test]
async fn a_snapshot_takes_the_place_of_the_log_before_it() {
    let runtime = Runtime::in_memory();
    let config = QuorumConfig { snapshot_after_bytes: 1000, ..config() };
    let (quorum, journal) = open_with(&runtime, config.clone()).await.unwrap();
    for number in 0..200 {
        propose(&quorum, &format!("entry number {number}")).await;
    }
    let mut status = quorum.handle().status();
    status.wait_for(|status| status.snapshot_index > 150).await.unwrap();
    let before = journal.texts();
    quorum.shutdown().await;
    assert_eq!(files(&runtime, ".snapshot").await.len(), 1);
    assert!(files(&runtime, ".raft").await.len() <= 3);
    let (quorum, journal) = open_with(&runtime, config).await.unwrap();
    assert!(journal.look().restored.is_some_and(|index| index > 150));
    propose(&quorum, "after").await;
    assert_eq!(journal.texts(), [before, vec!["after".to_owned()]].concat());
}

#[tokio::test]
async fn many_restarts_do_not_leave_many_files() {
    let runtime = Runtime::in_memory();
    for round in 0..3 * limits::SEGMENTS_MAX {
        let (quorum, journal) = open(&runtime).await;
        propose(&quorum, "again").await;
        assert_eq!(journal.look().entries.len(), round + 1);
        quorum.shutdown().await;
    }
    assert!(files(&runtime, ".raft").await.len() <= limits::SEGMENTS_MAX + 2);
}

#[tokio::test]
async fn a_metadata_directory_of_another_log_directory_is_refused() {
    let runtime = Runtime::in_memory();
    let directory = |low| {
        let id = Uuid::from_random_halves(1, low).unwrap();
        QuorumConfig { directory_id: DirectoryId::Known(id), ..config() }
    };
    let (quorum, _) = open_with(&runtime, directory(1)).await.unwrap();
    quorum.shutdown().await;
    assert!(matches!(open_with(&runtime, directory(2)).await, Err(OpenError::ForeignDirectory { .. })));
    assert!(open_with(&runtime, directory(1)).await.is_ok());
}

#[tokio::test]
async fn no_metadata_directory_is_made_for_a_log_directory_that_cannot_be_used() {
    let runtime = Runtime::in_memory();
    let unknown = || QuorumConfig { directory_id: DirectoryId::Unknown, ..config() };
    assert!(matches!(open_with(&runtime, unknown()).await, Err(OpenError::UnusableDirectory { .. })));
    assert!(!runtime.disk().exists(Path::new("/data/metadata")).await.unwrap());
    open(&runtime).await.0.shutdown().await;
    assert!(open_with(&runtime, unknown()).await.is_ok(), "one that is there is opened");
}

#[tokio::test]
async fn a_log_without_its_identity_is_not_taken_for_an_empty_directory() {
    let runtime = Runtime::in_memory();
    let (quorum, _) = open(&runtime).await;
    propose(&quorum, "precious").await;
    quorum.shutdown().await;
    runtime.disk().remove_file(Path::new("/data/metadata/quorum.identity")).await.unwrap();
    assert!(matches!(open_with(&runtime, config()).await, Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn one_of_several_listed_voters_does_not_lead_alone() {
    let runtime = Runtime::in_memory();
    let ids: Vec<Uuid> = (1..=3).map(|low| Uuid::from_random_halves(9, low).unwrap()).collect();
    let config = QuorumConfig {
        directory_id: DirectoryId::Known(ids[0]),
        initial_voters: InitialVoters::Listed(ids),
        ..config()
    };
    let (quorum, journal) = open_with(&runtime, config).await.unwrap();
    let refused = quorum.handle().propose(Bytes::from_static(b"alone")).await;
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: None }));
    assert!(journal.look().entries.is_empty());
}

#[tokio::test]
async fn an_entry_that_cannot_be_applied_stops_the_quorum_with_the_reason() {
    let runtime = Runtime::in_memory();
    let (quorum, journal) = open(&runtime).await;
    propose(&quorum, "before").await;
    match quorum.handle().propose(Bytes::from_static(b"refuse")).await {
        Err(ProposeError::Failed { reason }) => assert!(reason.contains("cannot be applied: it says so"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(journal.texts(), ["before"]);
}
