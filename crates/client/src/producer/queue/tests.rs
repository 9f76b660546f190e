//! Sequence numbers through every fate, checked against a broker that accepts only the next number.

use super::*;
use ottla_records::Record;
use ottla_runtime::sim::World;
use ottla_types::{ProducerEpoch, ProducerId};
use std::collections::BTreeMap;

const RULES: Rules = Rules {
    batch_size: 100,
    linger: Duration::from_millis(5),
    delivery_timeout: Duration::from_secs(60),
    retries: u32::MAX,
    in_flight_max: 5,
    idempotence: true,
    is_transactional: false,
};

fn identity(epoch: i16) -> Option<ProducerIdentity> {
    Some(ProducerIdentity { producer_id: ProducerId(7), producer_epoch: ProducerEpoch(epoch) })
}

fn batch(id: u64, now: Instant) -> Batch {
    let mut batch = Batch::new(id, id, now);
    batch.records = vec![Record::of_value(0, "x"), Record::of_value(0, "y")];
    batch
}

fn queue(batches: u64, now: Instant) -> PartitionQueue {
    let mut queue = PartitionQueue::default();
    queue.waiting.extend((0..batches).map(|id| batch(id, now)));
    queue
}

fn base(batch: &Batch) -> i32 {
    batch.sequence.unwrap().1
}

fn refused(code: ErrorCode) -> Result<Produced, ClientError> {
    Err(ClientError::Broker { subject: String::new(), code, message: None })
}

fn lost() -> Result<Produced, ClientError> {
    Err(ClientError::Disconnected { address: String::new(), reason: String::new() })
}

fn fine() -> Result<Produced, ClientError> {
    Ok(Produced { base_offset: 0, log_append_time_ms: -1, log_start_offset: -1 })
}

fn in_simulation(test: impl FnOnce(Instant)) {
    let world = World::new(1);
    world.run(async { test(world.node("client").now()) });
}

#[test]
fn five_are_in_flight_and_a_retry_goes_alone_with_its_number() {
    in_simulation(|now| {
        let mut queue = queue(6, now);
        let mut flying: Vec<Batch> = Vec::new();
        while queue.is_ready(&RULES, true, identity(0), now) {
            flying.push(queue.take(&RULES, identity(0)));
        }
        assert_eq!(flying.iter().map(base).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
        let mut flying = flying.into_iter();
        let done = queue.complete(flying.next().unwrap(), lost(), &RULES, now, now);
        assert!(done.needs_metadata && done.ended.is_empty());
        for behind in flying {
            assert!(!queue.is_ready(&RULES, true, identity(0), now), "the first must go alone");
            let done = queue.complete(behind, refused(ErrorCode::OutOfOrderSequenceNumber), &RULES, now, now);
            assert!(done.ended.is_empty() && done.lost.is_none(), "natural behind a batch that is tried again");
        }
        for expected in [0, 2, 4, 6, 8] {
            let again = queue.take(&RULES, identity(0));
            assert_eq!(base(&again), expected);
            queue.complete(again, fine(), &RULES, now, now);
        }
        assert_eq!(base(&queue.take(&RULES, identity(0))), 10);
    });
}

#[test]
fn the_numbers_of_a_refused_batch_go_to_those_behind_it() {
    in_simulation(|now| {
        let mut queue = queue(4, now);
        let flying: Vec<Batch> = (0..3).map(|_| queue.take(&RULES, identity(0))).collect();
        let mut flying = flying.into_iter();
        queue.complete(flying.next().unwrap(), fine(), &RULES, now, now);
        let done = queue.complete(flying.next().unwrap(), refused(ErrorCode::InvalidRecord), &RULES, now, now);
        assert_eq!(done.ended.len(), 1);
        assert!(!queue.is_ready(&RULES, true, identity(0), now), "one is still in flight");
        queue.complete(flying.next().unwrap(), refused(ErrorCode::OutOfOrderSequenceNumber), &RULES, now, now);
        let again = queue.take(&RULES, identity(0));
        assert_eq!((again.id, base(&again)), (2, 2));
        queue.complete(again, fine(), &RULES, now, now);
        assert_eq!(base(&queue.take(&RULES, identity(0))), 4);
    });
}

#[test]
fn when_nobody_knows_the_epoch_ends_and_nothing_is_written_twice() {
    in_simulation(|now| {
        let mut queue = queue(4, now);
        let flying: Vec<Batch> = (0..3).map(|_| queue.take(&RULES, identity(0))).collect();
        let late = now + RULES.delivery_timeout;
        let mut flying = flying.into_iter();
        let done = queue.complete(flying.next().unwrap(), lost(), &RULES, late, late);
        assert_eq!(done.lost, identity(0));
        assert!(done.ended[0].1.as_ref().unwrap_err().is_outcome_unknown());
        let done = queue.complete(flying.next().unwrap(), lost(), &RULES, now, now);
        assert_eq!(done.ended.len(), 1, "the broker may have it under the old epoch");
        let done = queue.complete(flying.next().unwrap(), refused(ErrorCode::NotLeaderOrFollower), &RULES, now, now);
        assert!(done.ended.is_empty(), "the broker certainly does not have it");
        assert!(!queue.is_ready(&RULES, true, identity(0), now), "the old epoch is over");
        assert!(queue.is_ready(&RULES, true, identity(1), now));
        let again = queue.take(&RULES, identity(1));
        assert_eq!((again.id, again.sequence), (2, identity(1).map(|identity| (identity, 0))));
    });
}

#[test]
fn a_batch_waits_for_linger_or_to_be_full() {
    in_simulation(|now| {
        let mut queue = queue(1, now);
        assert!(!queue.is_ready(&RULES, false, identity(0), now));
        assert_eq!(queue.next_time(&RULES, now), Some(now + RULES.linger));
        assert!(queue.is_ready(&RULES, false, identity(0), now + RULES.linger));
        assert!(queue.is_ready(&RULES, true, identity(0), now));
        assert!(!queue.is_ready(&RULES, true, None, now), "no number without an identity");
        queue.waiting[0].bytes = 100;
        assert!(queue.is_ready(&RULES, false, identity(0), now));
        assert_eq!(queue.expire(&RULES, now + RULES.delivery_timeout).ended.len(), 1);
    });
}

/// A broker's view of one producer on one partition, and a network that loses requests and answers.
#[derive(Default)]
struct Partition {
    next: BTreeMap<i16, i32>,
    seen: Vec<(i16, i32)>,
    log: Vec<u64>,
}

impl Partition {
    fn append(&mut self, batch: &Batch) -> Result<Produced, ClientError> {
        let (identity, base) = batch.sequence.unwrap();
        let epoch = identity.producer_epoch.0;
        if self.seen.contains(&(epoch, base)) {
            return fine();
        }
        let newest = self.next.keys().next_back().copied().unwrap_or(0);
        let expected = self.next.get(&epoch).copied().unwrap_or(0);
        if epoch < newest || base != expected {
            return refused(ErrorCode::OutOfOrderSequenceNumber);
        }
        self.next.insert(epoch, increment_sequence(base, batch.record_count()));
        self.seen.push((epoch, base));
        self.log.push(batch.id);
        fine()
    }
}

#[test]
fn through_any_fate_every_batch_is_written_at_most_once_in_order_and_acknowledged_ones_are() {
    let world = World::new(9);
    world.run(async {
        let runtime = world.node("client");
        for _ in 0..300 {
            let mut now = runtime.now();
            let (mut queue, mut broker, mut epoch) = (queue(12, now), Partition::default(), 0);
            let (mut flying, mut acknowledged): (VecDeque<Batch>, Vec<u64>) = (VecDeque::new(), Vec::new());
            let mut refused_for_good = Vec::new();
            while queue.load() > 0 {
                now += Duration::from_millis(runtime.random_range(1..1500));
                while queue.is_ready(&RULES, true, identity(epoch), now) {
                    flying.push_back(queue.take(&RULES, identity(epoch)));
                }
                let mut done = queue.expire(&RULES, now);
                if let Some(batch) = flying.pop_front() {
                    let result = match runtime.random_range(0..8) {
                        0 => lost(),
                        1 => broker.append(&batch).and(lost()),
                        2 => refused(ErrorCode::NotLeaderOrFollower),
                        3 if !batch.maybe_appended => refused(ErrorCode::InvalidRecord),
                        _ => broker.append(&batch),
                    };
                    if result == refused(ErrorCode::InvalidRecord) {
                        refused_for_good.push(batch.id);
                    }
                    let other = queue.complete(batch, result, &RULES, now, now);
                    done.ended.extend(other.ended);
                    done.lost = done.lost.or(other.lost);
                }
                if done.lost == identity(epoch) {
                    epoch += 1;
                }
                let written = done.ended.iter().filter(|(_, result)| result.is_ok());
                acknowledged.extend(written.map(|(batch, _)| batch.id));
            }
            let mut sorted = broker.log.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted, broker.log, "in order and once");
            assert!(acknowledged.iter().all(|id| broker.log.contains(id)));
            assert!(refused_for_good.iter().all(|id| !broker.log.contains(id)));
        }
    });
}
