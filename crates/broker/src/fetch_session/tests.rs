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
    let fetching = sessions.begin(&request(now_ms, 0, INITIAL_EPOCH), asked, &[]).unwrap();
    let news: Vec<_> = partitions.iter().map(|_| quiet(5)).collect();
    sessions.complete(now_ms, &fetching, &news, || id).session_id
}

fn request(now_ms: i64, session_id: i32, epoch: i32) -> SessionRequest {
    SessionRequest { now_ms, session_id, epoch, uses_topic_ids: true, privileged: false }
}

fn incremental(
    sessions: &mut FetchSessions,
    id: i32,
    epoch: i32,
    asked: Vec<FetchPartition>,
) -> Result<Fetching, ErrorCode> {
    let mut fetching = sessions.begin(&request(1, id, epoch), asked, &[])?;
    sessions.load(&mut fetching).unwrap();
    Ok(fetching)
}

#[test]
fn incremental_answer_carries_only_news() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0, 1, 2], 42);
    assert_eq!(id, 42);
    let fetching = incremental(&mut sessions, id, 1, vec![]).unwrap();
    assert_eq!(fetching.partitions.len(), 3);
    let news = [quiet(5), quiet(6), News { is_error: true, ..quiet(-1) }];
    let outcome = sessions.complete(1, &fetching, &news, || 1);
    assert_eq!(outcome.send, vec![false, true, true]);
    // After the error, the same watermark as before is news again.
    let fetching = incremental(&mut sessions, id, 2, vec![]).unwrap();
    let news = [quiet(5), quiet(6), quiet(5)];
    assert_eq!(sessions.complete(1, &fetching, &news, || 1).send, vec![false, false, true]);
}

#[test]
fn partition_that_returned_records_is_served_last_next_time() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0, 1], 42);
    let fetching = incremental(&mut sessions, id, 1, vec![]).unwrap();
    let news = [News { has_records: true, ..quiet(5) }, quiet(5)];
    sessions.complete(1, &fetching, &news, || 1);
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
    let by_name = SessionRequest { uses_topic_ids: false, ..request(0, id, 1) };
    let by_name = sessions.begin(&by_name, vec![], &[]).unwrap_err();
    assert_eq!(by_name, ErrorCode::FetchSessionTopicIdError);
}

#[test]
fn duplicate_request_in_flight_gets_an_epoch_error_and_loses_no_news() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    let first = incremental(&mut sessions, id, 1, vec![]).unwrap();
    let second = incremental(&mut sessions, id, 2, vec![]).unwrap();
    let outcome = sessions.complete(1, &first, &[quiet(9)], || 1);
    assert_eq!(outcome.error, ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(sessions.complete(1, &second, &[quiet(9)], || 1).send, vec![true]);
}

#[test]
fn request_that_was_overtaken_before_its_turn_reads_nothing() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    let mut first = sessions.begin(&request(1, id, 1), vec![], &[]).unwrap();
    let mut second = sessions.begin(&request(1, id, 2), vec![], &[]).unwrap();
    assert_eq!(sessions.load(&mut first), Err(ErrorCode::InvalidFetchSessionEpoch));
    assert_eq!(sessions.load(&mut second), Ok(()));
    sessions.begin(&request(1, id, FINAL_EPOCH), vec![], &[]).unwrap();
    assert_eq!(sessions.load(&mut second), Err(ErrorCode::FetchSessionIdNotFound));
}

#[test]
fn session_left_empty_is_dropped() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    let fetching = sessions.begin(&request(1, id, 1), vec![], &[key(0)]).unwrap();
    assert!(fetching.partitions.is_empty());
    assert_eq!(sessions.len(), 0);
}

#[test]
fn full_fetch_closes_the_session_it_names() {
    let mut sessions = FetchSessions::new(10);
    let id = full(&mut sessions, 0, &[0], 42);
    sessions.begin(&request(1, id, FINAL_EPOCH), vec![wanted(0)], &[]).unwrap();
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
