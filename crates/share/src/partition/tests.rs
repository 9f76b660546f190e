//! Single cases of share partitions; `model` has random lives.

mod model;

use super::*;
use crate::state::DeliveryState;
use AckType::{Accept, Gap, Reject, Release, Renew};
use DeliveryState::{Acknowledged, Archived, Available};
use std::sync::Arc;

pub(super) const LIMITS: Limits = Limits {
    delivery_count_limit: 5,
    lock_duration_ms: 30_000,
    in_flight_max: 200,
    may_renew: true,
    redelivery_delay_ms: 0,
    has_dead_letters: false,
};

fn member(name: &str) -> Arc<str> {
    Arc::from(name)
}

fn fresh(start_offset: i64) -> SharePartition {
    SharePartition::load(&LoadedState { state_epoch: 1, start_offset, batches: Vec::new() }).expect("an empty state")
}

/// Acquires whatever there is of these batches for `name`, up to 500 records.
fn acquire(partition: &mut SharePartition, name: &str, batches: &[(i64, i64)]) -> Vec<(i64, i64, i16)> {
    acquire_some(partition, name, batches, AcquireMode::BatchOptimized, 500)
}

fn acquire_some(
    partition: &mut SharePartition,
    name: &str,
    batches: &[(i64, i64)],
    mode: AcquireMode,
    records_max: i64,
) -> Vec<(i64, i64, i16)> {
    acquire_within(partition, &LIMITS, name, batches, mode, records_max)
}

fn acquire_within(
    partition: &mut SharePartition,
    limits: &Limits,
    name: &str,
    batches: &[(i64, i64)],
    mode: AcquireMode,
    records_max: i64,
) -> Vec<(i64, i64, i16)> {
    let fetch_offset = partition.next_fetch_offset();
    let acquiring = Acquiring {
        member: &member(name),
        now_ms: 0,
        mode,
        records_max,
        batch_size: 500,
        fetch_offset,
        batches,
        aborted: &[],
    };
    let acquired = partition.acquire(&acquiring, limits);
    acquired.iter().map(|records| (records.first_offset, records.last_offset, records.delivery_count)).collect()
}

fn ack(first_offset: i64, last_offset: i64, types: &[AckType]) -> AckBatch {
    AckBatch { first_offset, last_offset, types: types.to_vec() }
}

/// Acknowledges, and lets the write succeed.
fn acknowledge(partition: &mut SharePartition, name: &str, batches: &[AckBatch]) -> Result<Vec<StateBatch>, AckError> {
    let write = partition.acknowledge(&member(name), batches, 0, &LIMITS)?;
    Ok(write.map_or(Vec::new(), |write| {
        partition.written(write.id.expect("it is waited for"), true);
        write.batches
    }))
}

#[test]
fn acknowledged_records_move_the_start() {
    let mut partition = fresh(0);
    assert_eq!(acquire(&mut partition, "a", &[(0, 4), (5, 9)]), [(0, 9, 1)]);
    assert_eq!(acquire(&mut partition, "b", &[(0, 4), (5, 9)]), [], "a has them");
    let written = acknowledge(&mut partition, "a", &[ack(5, 9, &[Accept])]).expect("they are a's");
    assert_eq!(written, [StateBatch::new(5, 9, Acknowledged, 1)]);
    assert_eq!((partition.start_offset(), partition.end_offset()), (0, 10));
    acknowledge(&mut partition, "a", &[ack(0, 4, &[Accept, Accept, Gap, Reject, Accept])]).expect("they are a's");
    assert_eq!((partition.start_offset(), partition.end_offset(), partition.run_count()), (10, 10, 0));
}

#[test]
fn released_records_come_again_and_rejected_ones_never() {
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 9)]);
    let batches = [ack(0, 3, &[Release]), ack(4, 9, &[Reject])];
    let written = acknowledge(&mut partition, "a", &batches).expect("they are a's");
    assert_eq!(written, [StateBatch::new(0, 3, Available, 1), StateBatch::new(4, 9, Archived, 1)]);
    assert_eq!(partition.next_fetch_offset(), 0);
    assert_eq!(acquire(&mut partition, "b", &[(0, 9), (10, 19)]), [(0, 3, 2), (10, 19, 1)]);
}

#[test]
fn what_a_member_does_not_have_it_cannot_acknowledge() {
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 9)]);
    let not_theirs = Err(AckError::NotAcquired { offset: 3 });
    assert_eq!(acknowledge(&mut partition, "b", &[ack(3, 3, &[Accept])]), not_theirs);
    assert_eq!(acknowledge(&mut partition, "a", &[ack(0, 10, &[Accept])]), Err(AckError::BeyondDelivered { last: 9 }));
    for malformed in [
        vec![ack(3, 2, &[Accept])],
        vec![ack(0, 3, &[Accept, Accept])],
        vec![ack(0, 3, &[])],
        vec![ack(3, 4, &[Accept]), ack(4, 5, &[Accept])],
        vec![ack(i64::MIN, i64::MAX, &[Accept])],
    ] {
        assert_eq!(acknowledge(&mut partition, "a", &malformed), Err(AckError::Malformed), "{malformed:?}");
    }
    // One bad batch refuses all, and twice is once too often.
    let both = [ack(0, 1, &[Accept]), ack(10, 10, &[Accept])];
    assert!(acknowledge(&mut partition, "a", &both).is_err());
    assert!(acknowledge(&mut partition, "a", &[ack(0, 9, &[Accept])]).is_ok());
    assert_eq!(acknowledge(&mut partition, "a", &[ack(0, 9, &[Accept])]), Ok(Vec::new()), "they are done with");
}

#[test]
fn records_whose_acknowledgement_is_being_written_are_nobodys() {
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 9)]);
    let write = partition.acknowledge(&member("a"), &[ack(0, 9, &[Accept])], 0, &LIMITS);
    let id = write.expect("they are a's").expect("something to write").id.expect("it is waited for");
    assert_eq!(acknowledge(&mut partition, "a", &[ack(0, 9, &[Accept])]), Err(AckError::NotAcquired { offset: 0 }));
    assert_eq!(partition.expire(i64::MAX, &LIMITS), None, "no lock ends while its record is being written");
    partition.written(id, false);
    assert_eq!(partition.next_expiry_ms(), Some(30_000), "a has them as before");
    assert!(partition.expire(30_000, &LIMITS).is_some());
    assert_eq!(acquire(&mut partition, "b", &[(0, 9)]), [(0, 9, 2)]);
}

#[test]
fn locks_end_and_can_be_renewed() {
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 9)]);
    let renewal = [ack(0, 4, &[Renew])];
    assert_eq!(partition.acknowledge(&member("a"), &renewal, 20_000, &LIMITS), Ok(None), "nothing is written");
    assert_eq!(partition.expire(29_999, &LIMITS), None);
    let write = partition.expire(30_000, &LIMITS).expect("the second half");
    assert_eq!((write.id, write.batches), (None, vec![StateBatch::new(5, 9, Available, 1)]));
    assert_eq!(partition.next_expiry_ms(), Some(50_000));
    let limits = Limits { may_renew: false, ..LIMITS };
    assert_eq!(partition.acknowledge(&member("a"), &renewal, 0, &limits), Err(AckError::RenewDisabled));
}

#[test]
fn a_record_is_archived_after_the_delivery_limit() {
    let mut partition = fresh(0);
    for delivery in 1..=5 {
        assert_eq!(acquire(&mut partition, "a", &[(0, 0)]), [(0, 0, delivery)]);
        partition.expire(i64::MAX, &LIMITS);
    }
    assert_eq!((partition.start_offset(), partition.next_fetch_offset()), (1, 1));
    acquire(&mut partition, "a", &[(1, 1)]);
    for _ in 2..=5 {
        let write = partition.release(&member("a"), &LIMITS).expect("a has it");
        assert_eq!(write.batches[0].delivery_state, Available);
        partition.written(write.id.expect("it is waited for"), true);
        acquire(&mut partition, "a", &[(1, 1)]);
    }
    let written = acknowledge(&mut partition, "a", &[ack(1, 1, &[Release])]).expect("it is a's");
    assert_eq!(written, [StateBatch::new(1, 1, Archived, 5)]);
}

#[test]
fn records_that_fail_again_and_again_end_up_alone() {
    let mut partition = fresh(0);
    let limits = Limits { delivery_count_limit: 10, in_flight_max: 1_000, ..LIMITS };
    let counts = [500, 500, 500, 500, 500, 250, 125, 62, 31, 1];
    let expected: Vec<(i64, i64, i16)> = (1..).zip(counts).map(|(delivery, count)| (0, count, delivery)).collect();
    assert_eq!(released_portions(&mut partition, (0, 499), &limits, 10), expected);
}

/// Delivers and releases this many portions; each by its first offset, size and delivery count.
fn released_portions(
    partition: &mut SharePartition,
    batch: (i64, i64),
    limits: &Limits,
    count: usize,
) -> Vec<(i64, i64, i16)> {
    let portion = |_| {
        let acquired = acquire_within(partition, limits, "a", &[batch], AcquireMode::BatchOptimized, 1_000);
        let ((first, _, delivery_count), (_, last, _)) = (acquired[0], acquired[acquired.len() - 1]);
        partition.expire(i64::MAX, limits);
        (first, last - first + 1, delivery_count)
    };
    (0..count).map(portion).collect()
}

/// Kafka's ShareConsumerTest.testFetchWithThrottledDelivery.
#[test]
fn portions_are_halves_of_what_was_first_acquired_together_and_not_of_what_is_left_of_it() {
    let mut partition = fresh(0);
    let begin = released_portions(&mut partition, (0, 99), &LIMITS, 5);
    assert_eq!(begin, [(0, 100, 1), (0, 100, 2), (0, 100, 3), (0, 50, 4), (0, 1, 5)]);
    let alone: Vec<(i64, i64, i16)> = (1..50).map(|offset| (offset, 1, 5)).collect();
    assert_eq!(released_portions(&mut partition, (0, 99), &LIMITS, 49), alone);
    assert_eq!(released_portions(&mut partition, (0, 99), &LIMITS, 1), [(50, 50, 4)]);
    let alone: Vec<(i64, i64, i16)> = (50..100).map(|offset| (offset, 1, 5)).collect();
    assert_eq!(released_portions(&mut partition, (0, 99), &LIMITS, 50), alone);
    assert_eq!((partition.start_offset(), partition.run_count()), (100, 0));
}

/// Kafka's ShareConsumerTest.testFetchWithThrottledDeliveryBatchesWithIncreasedDeliveryLimit.
#[test]
fn portions_of_a_large_batch_shrink_with_every_delivery() {
    let limits = Limits { delivery_count_limit: 10, in_flight_max: 1_000, ..LIMITS };
    let mut partition = fresh(0);
    released_portions(&mut partition, (0, 511), &limits, 9);
    let alone = |partition: &mut SharePartition, first: i64, end: i64| {
        let expected: Vec<(i64, i64, i16)> = (first..end).map(|offset| (offset, 1, 10)).collect();
        assert_eq!(released_portions(partition, (0, 511), &limits, expected.len()), expected);
    };
    alone(&mut partition, 0, 32);
    let rest = [(32, 32, 9), (64, 64, 8), (64, 32, 9), (96, 32, 9), (128, 128, 7), (128, 64, 8), (128, 32, 9)];
    for (first, count, delivery_count) in rest {
        let portion = released_portions(&mut partition, (0, 511), &limits, 1);
        assert_eq!(portion, [(first, count, delivery_count)]);
        if delivery_count == 9 {
            alone(&mut partition, first, first + count);
        }
    }
}

#[test]
fn after_a_load_every_batch_of_the_state_is_an_in_flight_batch() {
    let batches = vec![StateBatch::new(0, 49, Available, 3), StateBatch::new(60, 99, Available, 3)];
    let state = LoadedState { state_epoch: 1, start_offset: 0, batches };
    let mut partition = SharePartition::load(&state).expect("a good state");
    let portions = [(0, 25, 4), (0, 1, 5)];
    assert_eq!(released_portions(&mut partition, (0, 99), &LIMITS, 2), portions);
    acquire_some(&mut partition, "b", &[(0, 99)], AcquireMode::RecordLimit, 1);
    partition.log_start_moved(50);
    assert_eq!(acquire(&mut partition, "b", &[(50, 99)]), [(50, 59, 1)], "what failed often comes with nothing else");
    assert_eq!(acquire(&mut partition, "b", &[(60, 99)]), [(60, 79, 4)]);
}

#[test]
fn with_a_record_limit_the_rest_of_a_batch_of_the_log_belongs_to_the_same_in_flight_batch() {
    let mut partition = fresh(0);
    for records_max in [30, 70, 100, 100] {
        acquire_some(&mut partition, "a", &[(0, 99)], AcquireMode::RecordLimit, records_max);
        if partition.end_offset() == 100 {
            partition.expire(i64::MAX, &LIMITS);
        }
    }
    let taken = acquire_some(&mut partition, "a", &[(0, 99)], AcquireMode::RecordLimit, 100);
    assert_eq!(taken, [(0, 49, 4)], "half of 100, not of 30");
}

#[test]
fn a_record_limit_is_strict_and_whole_batches_are_not() {
    let mut partition = fresh(0);
    let batches = [(0, 9), (10, 19), (20, 29)];
    assert_eq!(acquire_some(&mut partition, "a", &batches, AcquireMode::RecordLimit, 3), [(0, 2, 1)]);
    assert_eq!(partition.end_offset(), 3);
    assert_eq!(acquire_some(&mut partition, "a", &batches, AcquireMode::BatchOptimized, 3), [(3, 9, 1)]);
    assert_eq!(acquire_some(&mut partition, "a", &batches[1..], AcquireMode::BatchOptimized, 11), [(10, 29, 1)]);
    assert_eq!(acquire_some(&mut partition, "a", &[(30, 39)], AcquireMode::BatchOptimized, 0), []);
}

#[test]
fn entries_of_an_answer_are_cut_where_batches_begin() {
    let mut partition = fresh(0);
    let batches = [(0, 3), (4, 7), (8, 11), (12, 15)];
    let acquiring = Acquiring {
        member: &member("a"),
        now_ms: 0,
        mode: AcquireMode::BatchOptimized,
        records_max: 500,
        batch_size: 8,
        fetch_offset: 0,
        batches: &batches,
        aborted: &[],
    };
    let entries = partition.acquire(&acquiring, &LIMITS);
    assert_eq!(entries.iter().map(|e| (e.first_offset, e.last_offset)).collect::<Vec<_>>(), [(0, 7), (8, 15)]);
}

#[test]
fn no_more_is_in_flight_than_allowed_but_what_failed_comes_again() {
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 99)]);
    acquire(&mut partition, "a", &[(100, 199)]);
    assert!(!partition.may_acquire(&LIMITS));
    assert_eq!(acquire(&mut partition, "b", &[(200, 299)]), []);
    acknowledge(&mut partition, "a", &[ack(50, 59, &[Release])]).expect("they are a's");
    assert!(partition.may_acquire(&LIMITS));
    assert_eq!(acquire(&mut partition, "b", &[(0, 99), (100, 199), (200, 299)]), [(50, 59, 2)]);
    acknowledge(&mut partition, "a", &[ack(0, 49, &[Accept])]).expect("they are a's");
    assert_eq!(acquire(&mut partition, "b", &[(200, 299)]), [(200, 299, 1)], "a batch is taken whole");
}

#[test]
fn holes_of_the_log_are_archived() {
    let mut partition = fresh(0);
    assert_eq!(acquire(&mut partition, "a", &[(7, 9)]), [(7, 9, 1)], "nothing is at 0 to 6");
    assert_eq!(partition.start_offset(), 7);
    partition.expire(i64::MAX, &LIMITS);
    assert_eq!(acquire(&mut partition, "a", &[(9, 9)]), [(9, 9, 2)], "7 and 8 are compacted away now");
    assert_eq!(partition.start_offset(), 9);
}

#[test]
fn the_start_of_the_log_takes_the_partition_along() {
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 9)]);
    partition.log_start_moved(5);
    assert_eq!(partition.start_offset(), 5);
    let written = acknowledge(&mut partition, "a", &[ack(0, 9, &[Accept])]).expect("what is gone is done with");
    assert_eq!(written, [StateBatch::new(5, 9, Acknowledged, 1)]);
    partition.log_start_moved(20);
    assert_eq!((partition.start_offset(), partition.end_offset()), (20, 20));
    partition.log_start_moved(3);
    assert_eq!(partition.start_offset(), 20);
}

#[test]
fn a_loaded_partition_has_no_owners() {
    let state = LoadedState {
        state_epoch: 7,
        start_offset: 10,
        batches: vec![
            StateBatch::new(10, 11, Acknowledged, 1),
            StateBatch::new(14, 15, Available, 2),
            StateBatch::new(16, 19, Archived, 5),
        ],
    };
    let mut partition = SharePartition::load(&state).expect("a good state");
    assert_eq!((partition.start_offset(), partition.end_offset(), partition.state_epoch()), (12, 20, 7));
    assert_eq!(acquire(&mut partition, "a", &[(10, 20)]), [(12, 13, 1), (14, 15, 3), (20, 20, 1)]);
    for (first, last) in [(9, 12), (12, 11), (10, i64::MAX)] {
        let batches = vec![StateBatch::new(first, last, Available, 1)];
        let damaged = LoadedState { batches, ..state.clone() };
        assert_eq!(SharePartition::load(&damaged).err(), Some(Damaged { first, last, start: 10 }));
    }
}

#[test]
fn records_of_aborted_transactions_are_not_handed_out() {
    let mut partition = fresh(0);
    let a = member("a");
    let acquiring = Acquiring {
        member: &a,
        now_ms: 0,
        mode: AcquireMode::BatchOptimized,
        records_max: 500,
        batch_size: 500,
        fetch_offset: 0,
        batches: &[(0, 4), (5, 9), (10, 14), (15, 19)],
        aborted: &[(0, 4), (10, 14)],
    };
    let acquired = partition.acquire(&acquiring, &LIMITS);
    let acquired: Vec<(i64, i64)> = acquired.iter().map(|r| (r.first_offset, r.last_offset)).collect();
    assert_eq!(acquired, [(5, 9), (15, 19)]);
    assert_eq!(partition.start_offset(), 5);
    acknowledge(&mut partition, "a", &[ack(5, 9, &[Accept]), ack(15, 19, &[Accept])]).expect("they are a's");
    assert_eq!(partition.start_offset(), 20);
}

#[test]
fn failed_records_are_kept_back_for_the_delay_and_those_of_members_that_leave_are_not() {
    let limits = Limits { redelivery_delay_ms: 5_000, ..LIMITS };
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 9)]);
    let write = partition.acknowledge(&member("a"), &[ack(0, 4, &[Release])], 1_000, &limits).expect("they are a's");
    partition.written(write.and_then(|write| write.id).expect("it is waited for"), true);
    assert_eq!(acquire(&mut partition, "b", &[(0, 9)]), [], "not yet");
    assert_eq!((partition.next_expiry_ms(), partition.end_delays(5_999)), (Some(6_000), false));
    assert!(partition.end_delays(6_000));
    assert_eq!(acquire(&mut partition, "b", &[(0, 9)]), [(0, 4, 2)]);
    let write = partition.release(&member("b"), &limits).expect("b has them");
    partition.written(write.id.expect("it is waited for"), true);
    assert_eq!(acquire(&mut partition, "c", &[(0, 9)]), [(0, 4, 3)], "b left: nothing failed");
    partition.expire(30_000, &limits);
    assert_eq!(acquire(&mut partition, "d", &[(0, 9)]), [], "their locks ended a moment ago");
    assert!(partition.end_delays(35_000));
    // Of records that have failed this often half of what was acquired together comes.
    assert_eq!(acquire(&mut partition, "d", &[(0, 9)]), [(0, 4, 4)]);
    assert_eq!(acquire(&mut partition, "e", &[(0, 9)]), [(5, 9, 2)]);
}

#[test]
fn given_up_records_are_archived_once_they_are_in_the_dead_letter_topic() {
    let limits = Limits { has_dead_letters: true, delivery_count_limit: 2, ..LIMITS };
    let mut partition = fresh(0);
    acquire(&mut partition, "a", &[(0, 3)]);
    let kinds = [Reject, Accept, Release, Gap];
    let write = partition.acknowledge(&member("a"), &[ack(0, 3, &kinds)], 0, &limits).expect("they are a's");
    let write = write.expect("something is written");
    let states: Vec<DeliveryState> = write.batches.iter().map(|batch| batch.delivery_state).collect();
    assert_eq!(states, [DeliveryState::Archiving, Acknowledged, Available, Archived]);
    assert!(partition.take_dead_letters().is_empty(), "not before it is written");
    partition.written(write.id.expect("it is waited for"), true);
    let letters = partition.take_dead_letters();
    let rejected = DeadLetters { first_offset: 0, last_offset: 0, delivery_count: 1, why: Some(GivenUp::Rejected) };
    assert_eq!(letters, [rejected]);
    assert!(partition.take_dead_letters().is_empty() && partition.is_writing(), "they are taken once");
    assert_eq!(partition.start_offset(), 0);
    let write = partition.dead_lettered(&letters[0]).expect("archived");
    assert_eq!((write.id, write.batches), (None, vec![StateBatch::new(0, 0, Archived, 1)]));
    assert_eq!((partition.start_offset(), partition.is_writing()), (2, false));
    assert_eq!(acquire(&mut partition, "b", &[(0, 3)]), [(2, 2, 2)]);
    partition.expire(i64::MAX, &limits);
    assert_eq!(partition.take_dead_letters()[0].why, Some(GivenUp::DeliveredTooOften));
}

#[test]
fn records_on_their_way_to_the_dead_letter_topic_are_found_again_after_a_crash() {
    let batches = vec![StateBatch::new(0, 1, DeliveryState::Archiving, 3), StateBatch::new(2, 2, Acknowledged, 1)];
    let state = LoadedState { state_epoch: 1, start_offset: 0, batches };
    let mut partition = SharePartition::load(&state).expect("a good state");
    let letters = partition.take_dead_letters();
    assert_eq!(letters, [DeadLetters { first_offset: 0, last_offset: 1, delivery_count: 3, why: None }]);
    partition.dead_lettered(&letters[0]);
    assert_eq!(partition.start_offset(), 3);
}
