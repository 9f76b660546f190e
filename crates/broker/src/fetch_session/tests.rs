use super::*;
use ottla_types::{ErrorCode, Uuid};

fn key(partition: i32) -> PartitionKey {
    PartitionKey { topic: TopicKey::Id(Uuid([7; 16])), partition }
}

fn wanted(partition: i32) -> FetchPartition {
    FetchPartition {
        key: key(partition),
        fetch_offset: 0,
        max_bytes: 1024,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        log_start_offset: -1,
    }
}

fn quiet(high_watermark: i64) -> News {
    News { has_records: false, is_error: false, high_watermark, log_start_offset: 0, redirects: false }
}

fn full(sessions: &mut FetchSessions, now_ms: i64, partitions: &[i32], id: i32) -> i32 {
    let asked = partitions.iter().map(|&p| wanted(p)).collect();
    let fetching = sessions.begin(now_ms, 0, INITIAL_EPOCH, true, false, asked, &[]).unwrap();
    let answers: Vec<_> = partitions.iter().map(|&p| (key(p), quiet(5))).collect();
    sessions.complete(now_ms, fetching, &answers, || id).session_id
}

fn incremental(sessions: &mut FetchSessions, id: i32, epoch: i32, asked: Vec<FetchPartition>) -> Result<Fetching, ErrorCode> {
    sessions.begin(1, id, epoch, true, false, asked, &[])
}

#[test]
fn incremental_answer_carries_only_news() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0, 1, 2], 42);
    assert_eq!(id, 42);
    let fetching = incremental(&mut sessions, id, 1, vec![]).unwrap();
    assert_eq!(fetching.partitions.len(), 3);
    let answers = [(key(0), quiet(5)), (key(1), quiet(6)), (key(2), News { is_error: true, ..quiet(-1) })];
    let outcome = sessions.complete(1, fetching, &answers, || 1);
    assert_eq!(outcome.send, vec![false, true, true]);
    // After the error, the same watermark as before is news again.
    let fetching = incremental(&mut sessions, id, 2, vec![]).unwrap();
    let answers = [(key(0), quiet(5)), (key(1), quiet(6)), (key(2), quiet(5))];
    assert_eq!(sessions.complete(1, fetching, &answers, || 1).send, vec![false, false, true]);
}

#[test]
fn partition_that_returned_records_is_served_last_next_time() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0, 1], 42);
    let fetching = incremental(&mut sessions, id, 1, vec![]).unwrap();
    let answers = [(key(0), News { has_records: true, ..quiet(5) }), (key(1), quiet(5))];
    sessions.complete(1, fetching, &answers, || 1);
    let fetching = incremental(&mut sessions, id, 2, vec![]).unwrap();
    let order: Vec<_> = fetching.partitions.iter().map(|p| p.key.partition).collect();
    assert_eq!(order, vec![1, 0]);
}

#[test]
fn wrong_epoch_unknown_id_and_mixed_topic_naming_are_refused() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    assert_eq!(incremental(&mut sessions, id, 2, vec![]).unwrap_err(), ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(incremental(&mut sessions, 41, 1, vec![]).unwrap_err(), ErrorCode::FetchSessionIdNotFound);
    let by_name = sessions.begin(0, id, 1, false, false, vec![], &[]).unwrap_err();
    assert_eq!(by_name, ErrorCode::FetchSessionTopicIdError);
}

#[test]
fn duplicate_request_in_flight_gets_an_epoch_error_and_loses_no_news() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    let first = incremental(&mut sessions, id, 1, vec![]).unwrap();
    let second = incremental(&mut sessions, id, 2, vec![]).unwrap();
    let outcome = sessions.complete(1, first, &[(key(0), quiet(9))], || 1);
    assert_eq!(outcome.error, ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(sessions.complete(1, second, &[(key(0), quiet(9))], || 1).send, vec![true]);
}

#[test]
fn session_left_empty_is_dropped() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    let fetching = sessions.begin(1, id, 1, true, false, vec![], &[key(0)]).unwrap();
    assert!(fetching.partitions.is_empty());
    assert_eq!(sessions.len(), 0);
}

#[test]
fn full_fetch_closes_the_session_it_names() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    sessions.begin(1, id, FINAL_EPOCH, true, false, vec![wanted(0)], &[]).unwrap();
    assert_eq!(sessions.len(), 0);
}

#[test]
fn full_cache_evicts_only_idle_or_less_valuable_sessions() {
    let mut sessions = FetchSessions::new(1);
    assert_eq!(full(&mut sessions, 0, &[0], 1), 1);
    assert_eq!(full(&mut sessions, 1000, &[0, 1], 2), NO_SESSION, "the old one is not settled yet");
    assert_eq!(full(&mut sessions, EVICTION_IDLE_MS + 1, &[0], 3), 3, "idle for long enough");
    let now = 2 * EVICTION_IDLE_MS + 3;
    incremental(&mut sessions, 3, 1, vec![]).unwrap();
    assert_eq!(full(&mut sessions, now, &[0, 1], 4), 4);
    assert_eq!(sessions.evictions(), 2);
}

#[test]
fn epoch_wraps_to_one() {
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(1), 2);
}
