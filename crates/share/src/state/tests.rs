//! A state shard with a log in memory: requests, epochs, snapshots, and reloads that find what was there.

use super::*;
use DeliveryState::{Acknowledged, Available};
use ottla_coordinator::{Change, Context, Position, Record, ReplySlot, Shard};
use proptest::prelude::*;

const TOPIC: Uuid = Uuid([7; 16]);
const CONFIG: StateConfig =
    StateConfig { updates_per_snapshot: 3, prune_interval_ms: 300_000, cold_snapshot_interval_ms: 60_000 };

struct Log {
    shard: StateShard,
    records: Vec<(Record, Position)>,
    now_ms: i64,
}

impl Log {
    fn new() -> Log {
        Log { shard: StateShard::new(CONFIG), records: Vec::new(), now_ms: 1_000 }
    }

    fn apply(&mut self, decision: StateDecision) -> (Vec<StateReply>, Vec<StateEffect>) {
        for change in decision.changes {
            let Change::Record(record) = change;
            let position = Position { offset: self.records.len() as i64, timestamp_ms: self.now_ms, producer_id: None };
            self.shard.replay(&record, position).expect("what was decided can be replayed");
            self.records.push((record, position));
        }
        (decision.replies.into_iter().map(|(_, reply)| reply).collect(), decision.effects)
    }

    fn context(&self) -> Context {
        Context { now_ms: self.now_ms, random: 0, leader_epoch: 0 }
    }

    fn ask(&mut self, key: &StateKey, request: StateRequest) -> StateReply {
        let event = StateEvent::Request(key.clone(), request);
        let decision = self.shard.handle(event, Some(ReplySlot(1)), &self.context());
        self.apply(decision).0.remove(0)
    }

    fn fire(&mut self, timer: StateTimer) -> Vec<StateEffect> {
        let decision = self.shard.expired(timer, &self.context());
        self.apply(decision).1
    }

    /// The log from `offset` on makes the same shard.
    fn check_reload(&self, offset: i64) {
        let mut fresh = StateShard::new(CONFIG);
        for (record, position) in self.records.iter().filter(|(_, position)| position.offset >= offset) {
            fresh.replay(record, *position).expect("the log is good");
        }
        assert_eq!(fresh.entries, self.shard.entries);
    }
}

fn key(group: &str) -> StateKey {
    StateKey { group_id: Arc::from(group), topic_id: TOPIC, partition: 0 }
}

fn write(state_epoch: i32, leader_epoch: i32, start_offset: i64, batches: Vec<StateBatch>) -> StateRequest {
    StateRequest::Write { state_epoch, leader_epoch, start_offset, delivery_complete_count: 0, batches }
}

fn code(reply: StateReply) -> ErrorCode {
    reply.expect_err("it is refused").code
}

#[test]
fn a_state_is_initialised_written_and_read() {
    let mut log = Log::new();
    let a = key("a");
    assert_eq!(code(log.ask(&a, StateRequest::Read { leader_epoch: 0 })), ErrorCode::InvalidRequest);
    assert_eq!(code(log.ask(&a, write(0, 0, 0, Vec::new()))), ErrorCode::InvalidRequest);
    let unknown = log.ask(&a, StateRequest::Summary).expect("nothing is known");
    assert_eq!((unknown.start_offset, unknown.delivery_complete_count), (-1, -1));
    log.ask(&a, StateRequest::Initialize { state_epoch: 2, start_offset: -1 }).expect("it is new");
    assert_eq!(log.ask(&a, StateRequest::Read { leader_epoch: 5 }).expect("it is there").start_offset, -1);
    let batch = StateBatch::new(10, 14, Available, 1);
    log.ask(&a, write(2, 5, 10, vec![batch])).expect("the epochs fit");
    let read = log.ask(&a, StateRequest::Read { leader_epoch: 5 }).expect("it is there");
    assert_eq!((read.state_epoch, read.leader_epoch, read.start_offset, read.batches), (2, 5, 10, vec![batch]));
    assert_eq!(code(log.ask(&a, write(2, 4, 10, Vec::new()))), ErrorCode::FencedLeaderEpoch);
    assert_eq!(code(log.ask(&a, write(1, 5, 10, Vec::new()))), ErrorCode::FencedStateEpoch);
    let older = StateRequest::Initialize { state_epoch: 1, start_offset: 0 };
    assert_eq!(code(log.ask(&a, older)), ErrorCode::FencedStateEpoch);
    assert_eq!(code(log.ask(&a, StateRequest::Read { leader_epoch: 4 })), ErrorCode::FencedLeaderEpoch);
    log.ask(&a, StateRequest::Initialize { state_epoch: 3, start_offset: 4 }).expect("a new beginning");
    let read = log.ask(&a, StateRequest::Summary).expect("it is there");
    assert_eq!((read.start_offset, read.delivery_complete_count, read.batches.len()), (4, 0, 0));
    log.check_reload(0);
    log.ask(&a, StateRequest::Delete).expect("it goes");
    log.ask(&a, StateRequest::Delete).expect("it is gone already");
    assert!(log.shard.entries.is_empty());
    log.check_reload(0);
}

#[test]
fn updates_are_followed_by_snapshots_and_the_log_is_pruned() {
    let mut log = Log::new();
    let (a, b) = (key("a"), key("b"));
    for key in [&a, &b] {
        log.ask(key, StateRequest::Initialize { state_epoch: 0, start_offset: 0 }).expect("it is new");
    }
    for offset in 0..4 {
        log.ask(&a, write(0, 0, offset, vec![StateBatch::new(offset, offset, Acknowledged, 1)])).expect("it is there");
    }
    assert_eq!(log.shard.entries[&a].snapshot_epoch, 1, "the fourth write is a snapshot");
    assert_eq!(log.fire(StateTimer::Prune), [StateEffect::DeleteRecordsBelow(1)], "b's first snapshot is needed");
    log.now_ms += 60_000;
    log.fire(StateTimer::SnapshotCold);
    let [StateEffect::DeleteRecordsBelow(needed)] = log.fire(StateTimer::Prune)[..] else { panic!("one effect") };
    assert_eq!(needed, 6, "both were written down anew");
    log.check_reload(needed);
    let written = log.records.len();
    log.now_ms += 60_000;
    log.fire(StateTimer::SnapshotCold);
    assert_eq!(log.records.len(), written, "nothing has changed since");
}

#[test]
fn states_of_deleted_topics_go() {
    let mut log = Log::new();
    log.ask(&key("a"), StateRequest::Initialize { state_epoch: 0, start_offset: 0 }).expect("it is new");
    let decision = log.shard.handle(StateEvent::TopicsDeleted(vec![TOPIC]), None, &log.context());
    log.apply(decision);
    assert!(log.shard.entries.is_empty());
    assert_eq!(log.fire(StateTimer::Prune), [StateEffect::DeleteRecordsBelow(2)]);
}

#[test]
fn damaged_records_are_errors_and_unknown_ones_are_skipped() {
    let mut log = Log::new();
    let position = Position { offset: 0, timestamp_ms: 0, producer_id: None };
    let record = |key: &[u8], value: &[u8]| Record {
        key: bytes::Bytes::copy_from_slice(key),
        value: Some(bytes::Bytes::copy_from_slice(value)),
    };
    assert!(log.shard.replay(&record(&[0, 99, 1, 2], &[]), position).is_ok());
    assert!(log.shard.replay(&record(&[0, 0, 1], &[]), position).is_err());
}

#[test]
fn coordinator_keys_are_kafkas() {
    let key = StateKey { group_id: Arc::from("a:b"), topic_id: TOPIC, partition: 12 };
    assert_eq!(StateKey::parse(&key.coordinator_key()), Some(key));
    for bad in
        ["", "g", "g:x:0", ":BwcHBwcHBwcHBwcHBwcHBw:0", "g:BwcHBwcHBwcHBwcHBwcHBw:-1", "g:BwcHBwcHBwcHBwcHBwcHBw:x"]
    {
        assert_eq!(StateKey::parse(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn a_reload_finds_what_was_there(steps in prop::collection::vec((0u8..4, 0u8..3, 0i64..30, 0i64..5, 1i16..4), 1..60)) {
        let mut log = Log::new();
        for (what, group, first, more, count) in steps {
            let key = key(["a", "b", "c"][group as usize]);
            log.now_ms += 20_000;
            let _ = match what {
                0 => log.ask(&key, StateRequest::Initialize { state_epoch: i32::from(count), start_offset: first }),
                1 => log.ask(&key, StateRequest::Delete),
                _ => {
                    let batch = StateBatch::new(first, first + more, Available, count);
                    log.ask(&key, write(-1, -1, first / 2, vec![batch]))
                }
            };
            if what == 3 {
                log.fire(StateTimer::SnapshotCold);
            }
            log.check_reload(0);
            let needed = match log.fire(StateTimer::Prune)[..] {
                [StateEffect::DeleteRecordsBelow(needed)] => needed,
                _ => 0,
            };
            log.check_reload(needed);
        }
    }
}
