use super::*;
use crate::disk::segment::build::{batch, segment};
use bytes::Bytes;

const START: SnapshotPosition = SnapshotPosition { index: 1, term: 1 };

fn recovered(files: &[&SegmentFile], snapshot: SnapshotPosition) -> Result<RecoveredLog, OpenError> {
    recover(files.iter().map(|file| (*file).clone()).collect(), snapshot, Path::new("metadata"))
}

fn positions(log: &RecoveredLog) -> Vec<(u64, u64)> {
    log.entries.iter().map(|entry| (entry.term, entry.index)).collect()
}

fn follows(sequence: u64, end: usize) -> Option<Predecessor> {
    Some(Predecessor { sequence, end: end as u64 })
}

fn is_damage(result: Result<RecoveredLog, OpenError>) -> bool {
    matches!(result, Err(OpenError::Damaged { .. }))
}

#[test]
fn an_empty_directory_is_an_empty_log() {
    let log = recovered(&[], START).unwrap();
    assert_eq!((positions(&log), log.next_sequence, log.predecessor), (vec![], 1, None));
    assert_eq!(log.hard_state, HardState { term: 1, commit: 1, ..HardState::default() });
}

#[test]
fn segments_are_followed_from_the_head_back() {
    let (one, ends) = segment(1, None, &[batch(1, &[(1, 2)]), batch(2, &[(1, 3)])]);
    let (two, starts) = segment(2, follows(1, ends[2]), &[batch(3, &[(1, 4)]), batch(4, &[(2, 5)])]);
    let log = recovered(&[&two, &one], START).unwrap();
    assert_eq!(positions(&log), [(1, 2), (1, 3), (1, 4), (2, 5)]);
    assert_eq!((log.hard_state.term, log.hard_state.commit, log.next_sequence), (2, 4, 3));
    // The last frame is written again by the next segment.
    assert_eq!(log.predecessor, follows(2, starts[1]));
    assert_eq!(log.carried.len(), 1);
    assert_eq!(log.closed.len(), 2);
    assert!(log.leftovers.is_empty());
}

#[test]
fn what_lies_behind_the_stated_end_is_not_part_of_the_log() {
    let (one, ends) = segment(1, None, &[batch(1, &[(1, 2)]), batch(2, &[(1, 3)])]);
    let (two, _) = segment(2, follows(1, ends[1]), &[batch(1, &[(2, 3)])]);
    let log = recovered(&[&one, &two], START).unwrap();
    assert_eq!(positions(&log), [(1, 2), (2, 3)]);
}

#[test]
fn a_head_of_one_frame_is_replaced_by_the_next_segment() {
    let (one, ends) = segment(1, None, &[batch(1, &[(1, 2)])]);
    let (two, _) = segment(2, follows(1, ends[1]), &[batch(2, &[(1, 3)])]);
    let log = recovered(&[&one, &two], START).unwrap();
    assert_eq!(log.predecessor, follows(1, ends[1]));
    assert_eq!(log.leftovers, vec![two.path.clone()]);
    let (three, _) = segment(3, log.predecessor, &[batch(2, &[(1, 3), (2, 4)])]);
    for files in [&[&one, &two, &three][..], &[&one, &three]] {
        let log = recovered(files, START).unwrap();
        assert_eq!(positions(&log), [(1, 2), (1, 3), (2, 4)]);
    }
}

#[test]
fn a_segment_whose_creation_was_cut_off_is_left_out() {
    let (one, _) = segment(1, None, &[batch(1, &[(1, 2)])]);
    for bytes in [Bytes::new(), Bytes::from_static(&[0; 4096]), Bytes::from_static(b"OTLQRA")] {
        let two = SegmentFile { sequence: 2, path: PathBuf::from("two"), bytes };
        let log = recovered(&[&one, &two], START).unwrap();
        assert_eq!((positions(&log), log.next_sequence), (vec![(1, 2)], 3));
        assert!(log.leftovers.contains(&two.path));
    }
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let (one, ends) = segment(1, None, &[batch(1, &[(1, 2)]), batch(2, &[(1, 3)])]);
    let torn = SegmentFile { bytes: one.bytes.slice(..ends[2] - 9), ..one };
    let log = recovered(&[&torn], START).unwrap();
    assert_eq!(positions(&log), [(1, 2)]);
    assert_eq!(log.torn_bytes, (ends[2] - 9 - ends[1]) as u64);
}

#[test]
fn entries_of_a_lost_leader_are_overwritten() {
    let batches = [batch(1, &[(1, 2), (1, 3), (1, 4)]), batch(2, &[(2, 3)])];
    let (one, _) = segment(1, None, &batches);
    assert_eq!(positions(&recovered(&[&one], START).unwrap()), [(1, 2), (2, 3)]);
}

#[test]
fn gaps_and_missing_segments_are_damage() {
    let (gap, _) = segment(1, None, &[batch(1, &[(1, 2)]), batch(1, &[(1, 4)])]);
    assert!(is_damage(recovered(&[&gap], START)));
    let (two, _) = segment(2, follows(1, 100), &[batch(1, &[(1, 5)])]);
    assert!(is_damage(recovered(&[&two], START)));
    let covered = SnapshotPosition { index: 4, term: 1 };
    assert_eq!(positions(&recovered(&[&two], covered).unwrap()), [(1, 5)]);
}

#[test]
fn a_commit_beyond_the_log_is_damage() {
    let (one, _) = segment(1, None, &[batch(7, &[(1, 2)])]);
    assert!(is_damage(recovered(&[&one], START)));
}

#[test]
fn a_log_that_the_snapshot_supersedes_is_dropped_but_its_vote_is_kept() {
    let mut last = batch(2, &[(3, 3)]);
    last.hard_state = HardState { term: 9, vote: 77, commit: 2, ..HardState::default() };
    let (one, _) = segment(1, None, &[batch(1, &[(1, 2)]), last]);
    for snapshot in [SnapshotPosition { index: 10, term: 4 }, SnapshotPosition { index: 3, term: 4 }] {
        let log = recovered(&[&one], snapshot).unwrap();
        assert_eq!((positions(&log), log.predecessor, log.carried.len()), (vec![], None, 0));
        assert_eq!((log.hard_state.term, log.hard_state.vote), (9, 77));
        assert_eq!(log.hard_state.commit, snapshot.index);
        assert_eq!(log.leftovers, vec![one.path.clone()]);
    }
}

#[test]
fn entries_before_the_snapshot_stay_readable() {
    let (one, _) = segment(1, None, &[batch(1, &[(1, 2), (1, 3), (2, 4)])]);
    let log = recovered(&[&one], SnapshotPosition { index: 3, term: 1 }).unwrap();
    assert_eq!(positions(&log), [(1, 2), (1, 3), (2, 4)]);
    assert_eq!(log.hard_state.commit, 3);
}
