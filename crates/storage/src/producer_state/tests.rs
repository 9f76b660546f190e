use super::*;
use ottla_records::EndTxnMarker;
use ottla_types::ProducerEpoch;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;
const P: ProducerId = ProducerId(7);
const TV1: Origin = Origin::Coordinator { transaction_version: 1 };
const TV2: Origin = Origin::Coordinator { transaction_version: 2 };

/// A partition's producer state with the log end that belongs to it.
struct Log {
    state: ProducerState,
    end: i64,
    now: i64,
}

impl Log {
    fn new() -> Log {
        Log { state: ProducerState::new(ProducerStateConfig::default(), 0), end: 0, now: NOW }
    }

    fn batch(&self, id: ProducerId, epoch: i16, first: i32, count: i32) -> ProducerBatch {
        ProducerBatch {
            producer_id: id,
            producer_epoch: ProducerEpoch(epoch),
            first_sequence: first,
            last_sequence: ottla_records::increment_sequence(first, count - 1),
            first_offset: self.end,
            last_offset: self.end + i64::from(count) - 1,
            timestamp: self.now,
            is_transactional: false,
            marker: None,
        }
    }

    /// Appends if allowed: the answer's first offset, and whether it is a duplicate.
    fn try_append(&mut self, batch: ProducerBatch, origin: Origin) -> Result<(i64, bool), ProducerError> {
        match self.state.prepare_append(&batch, origin)? {
            Check::Duplicate { first_offset, .. } => Ok((first_offset, true)),
            Check::New(update) => {
                self.state.apply(update, self.now);
                self.end = batch.last_offset + 1;
                Ok((batch.first_offset, false))
            }
        }
    }

    fn produce(&mut self, epoch: i16, first: i32, count: i32) -> Result<(i64, bool), ProducerError> {
        self.try_append(self.batch(P, epoch, first, count), Origin::Client)
    }

    fn transactional(&mut self, id: ProducerId, epoch: i16, first: i32) -> Result<(i64, bool), ProducerError> {
        let batch = ProducerBatch { is_transactional: true, ..self.batch(id, epoch, first, 1) };
        self.try_append(batch, Origin::Client)
    }

    fn marker(&self, id: ProducerId, epoch: i16, committed: bool, coordinator_epoch: i32) -> ProducerBatch {
        let batch = ProducerBatch { first_sequence: -1, last_sequence: -1, ..self.batch(id, epoch, 0, 1) };
        batch.with_marker(EndTxnMarker { committed, coordinator_epoch })
    }

    fn end_txn(
        &mut self,
        id: ProducerId,
        epoch: i16,
        committed: bool,
        origin: Origin,
    ) -> Result<Option<CompletedTxn>, ProducerError> {
        let batch = self.marker(id, epoch, committed, 0);
        match self.state.prepare_append(&batch, origin)? {
            Check::New(update) => {
                self.end = batch.last_offset + 1;
                Ok(self.state.apply(update, self.now))
            }
            Check::Duplicate { .. } => panic!("a marker is never a duplicate"),
        }
    }

    /// Restart: what a snapshot at the log end keeps.
    fn restart(&mut self) {
        let bytes = self.state.encode_snapshot();
        let config = ProducerStateConfig::default();
        self.state = ProducerState::parse_snapshot(&bytes, self.end, config, self.now).expect("own snapshot");
    }
}

fn out_of_order(result: Result<(i64, bool), ProducerError>) -> bool {
    matches!(result, Err(ProducerError::OutOfOrderSequence { .. }))
}

#[test]
fn sequences_continue_without_gaps() {
    let mut log = Log::new();
    assert_eq!(log.produce(0, 0, 3), Ok((0, false)));
    assert_eq!(log.produce(0, 3, 2), Ok((3, false)));
    assert!(out_of_order(log.produce(0, 6, 1)), "5 is missing");
    assert!(out_of_order(log.produce(0, 4, 1)), "inside a known batch, but not one of them");
    assert_eq!(log.produce(0, 5, 1), Ok((5, false)));
}

#[test]
fn five_batches_are_recognised_as_duplicates_with_their_offsets() {
    let mut log = Log::new();
    for i in 0..7 {
        assert_eq!(log.produce(0, i * 10, 10), Ok((i64::from(i) * 10, false)));
    }
    for i in 2..7 {
        assert_eq!(log.produce(0, i * 10, 10), Ok((i64::from(i) * 10, true)), "batch {i}");
    }
    assert!(out_of_order(log.produce(0, 10, 10)), "forgotten: no silent success");
    assert!(out_of_order(log.produce(0, 60, 9)), "same start, other length");
    assert_eq!(log.end, 70);
}

#[test]
fn zero_follows_the_highest_sequence() {
    let mut log = Log::new();
    assert_eq!(log.produce(0, i32::MAX - 1, 2), Ok((0, false)));
    assert_eq!(log.produce(0, 0, 1), Ok((2, false)));
    assert_eq!(log.produce(0, i32::MAX - 1, 2), Ok((0, true)));
    let mut log = Log::new();
    assert_eq!(log.produce(0, i32::MAX - 1, 5), Ok((0, false)), "a batch may span the wrap");
    assert_eq!(log.produce(0, i32::MAX - 1, 5), Ok((0, true)));
    assert_eq!(log.produce(0, 3, 1), Ok((5, false)));
}

#[test]
fn an_unknown_producer_may_start_anywhere_but_a_new_epoch_starts_at_zero() {
    let mut log = Log::new();
    assert_eq!(log.produce(3, 1000, 1), Ok((0, false)));
    assert!(out_of_order(log.produce(4, 1001, 1)));
    assert_eq!(log.produce(4, 0, 1), Ok((1, false)));
    assert_eq!(
        log.produce(3, 1001, 1),
        Err(ProducerError::InvalidEpoch { producer_id: P, found: ProducerEpoch(3), current: ProducerEpoch(4) })
    );
    assert_eq!(log.produce(4, 0, 1), Ok((1, true)), "batches of the new epoch are remembered alone");
    assert_eq!(log.state.producer(P).expect("known").batches().len(), 1);
}

#[test]
fn five_in_flight_across_a_restart_continue_and_the_last_batch_is_still_known() {
    let mut log = Log::new();
    for i in 0..5 {
        log.produce(0, i, 1).expect("in order");
    }
    log.restart();
    assert_eq!(log.produce(0, 4, 1), Ok((4, true)));
    assert_eq!(log.produce(0, 5, 1), Ok((5, false)));
    // What a snapshot does not keep, replaying the log brings back.
    let mut recovered = Log::new();
    for i in 0..5 {
        recovered.state.replay(&recovered.batch(P, 0, i, 1), NOW);
        recovered.end += 1;
    }
    for i in 0..5 {
        assert_eq!(recovered.produce(0, i, 1), Ok((i64::from(i), true)));
    }
}

#[test]
fn replay_leaves_away_what_the_snapshot_covers() {
    let mut log = Log::new();
    let first = log.batch(P, 0, 0, 5);
    log.produce(0, 0, 5).expect("in order");
    log.restart();
    assert_eq!(log.state.replay(&first, NOW), None);
    assert_eq!(log.state.producer(P).expect("known").batches().len(), 1);
}

#[test]
fn an_idle_producer_expires_but_not_one_with_an_open_transaction() {
    let mut log = Log::new();
    let open = ProducerId(8);
    log.produce(0, 0, 1).expect("first");
    log.transactional(open, 0, 0).expect("first");
    let day = 24 * 60 * 60 * 1000;
    assert_eq!(log.state.remove_expired(NOW + day - 1), 0);
    assert_eq!(log.state.remove_expired(NOW + day), 1);
    assert!(log.state.producer(P).is_none() && log.state.producer(open).is_some());
    assert_eq!(log.produce(0, 77, 1), Ok((2, false)), "any sequence is taken again");
    log.state.set_expiration_ms(10);
    assert_eq!(log.state.remove_expired(NOW + 9), 0);
    assert_eq!(log.state.remove_expired(NOW + 10), 1);
}

#[test]
fn old_timestamps_do_not_age_a_producer() {
    let mut log = Log::new();
    let batch = ProducerBatch { timestamp: 5, ..log.batch(P, 0, 0, 1) };
    log.try_append(batch, Origin::Client).expect("first");
    assert_eq!(log.state.remove_expired(NOW + 1000), 0);
    log.restart();
    assert_eq!(log.state.remove_expired(NOW + 1000), 0);
}

#[test]
fn deleting_a_producers_records_leaves_its_state() {
    let mut log = Log::new();
    log.produce(0, 0, 10).expect("first");
    log.state.on_log_start_incremented(10);
    assert_eq!(log.produce(0, 0, 10), Ok((0, true)));
    log.restart();
    assert!(ProducerState::is_usable_snapshot(10, 10, 10), "also when nothing is left in the log");
    assert!(!ProducerState::is_usable_snapshot(9, 10, 10) && !ProducerState::is_usable_snapshot(11, 10, 10));
    assert!(out_of_order(log.produce(0, 12, 1)), "the sequence is still known");
    assert_eq!(log.produce(0, 10, 1), Ok((10, false)));
}

#[test]
fn the_longest_idle_go_when_there_are_too_many() {
    let config = ProducerStateConfig { producers_max: 32, ..ProducerStateConfig::default() };
    let mut log = Log { state: ProducerState::new(config, 0), end: 0, now: NOW };
    log.transactional(ProducerId(0), 0, 0).expect("first");
    for id in 1..=32 {
        log.now += 1;
        log.try_append(log.batch(ProducerId(id), 0, 0, 1), Origin::Client).expect("first");
    }
    assert_eq!(log.state.evictions(), 2);
    let left: Vec<i64> = log.state.producers().map(|entry| entry.producer_id().0).collect();
    assert_eq!(left, std::iter::once(0).chain(3..=32).collect::<Vec<_>>(), "but never one with an open transaction");
}

#[test]
fn an_open_transaction_holds_the_first_unstable_offset_until_its_marker_is_replicated() {
    let mut log = Log::new();
    let other = ProducerId(8);
    log.produce(0, 0, 1).expect("not transactional");
    assert_eq!(log.state.first_unstable_offset(), None);
    log.transactional(other, 0, 0).expect("offset 1");
    log.transactional(P, 1, 0).expect("offset 2");
    log.transactional(P, 1, 1).expect("offset 3");
    assert_eq!(log.state.first_unstable_offset(), Some(1));
    assert_eq!(log.state.oldest_open_txn(), Some((other, 1)));
    let aborted = log.end_txn(P, 1, false, TV1).expect("offset 4").expect("completed");
    assert_eq!((aborted.first_offset, aborted.last_offset, aborted.last_stable_offset), (2, 4, 1));
    let index_entry = aborted.aborted_txn().expect("aborted");
    assert_eq!((index_entry.first_offset, index_entry.last_offset), (2, 4));
    let committed = log.end_txn(other, 0, true, TV1).expect("offset 5").expect("completed");
    assert_eq!((committed.last_stable_offset, committed.aborted_txn()), (6, None));
    assert_eq!(log.state.first_unstable_offset(), Some(1), "the markers are not replicated yet");
    log.state.on_high_watermark(5);
    assert_eq!(log.state.first_unstable_offset(), Some(1), "the marker at 5 is not below 5");
    log.state.on_high_watermark(6);
    assert_eq!(log.state.first_unstable_offset(), None);
}

#[test]
fn only_transactional_batches_may_follow_inside_a_transaction() {
    let mut log = Log::new();
    log.transactional(P, 0, 0).expect("begins");
    assert_eq!(log.produce(0, 1, 1), Err(ProducerError::InvalidTxnState { producer_id: P }));
    log.end_txn(P, 0, true, TV1).expect("ends");
    assert_eq!(log.produce(0, 1, 1), Ok((2, false)));
}

#[test]
fn markers_are_fenced_by_epoch_and_coordinator_epoch() {
    let mut log = Log::new();
    log.transactional(P, 5, 0).expect("begins");
    assert!(matches!(log.end_txn(P, 4, true, TV1), Err(ProducerError::InvalidEpoch { .. })));
    assert!(matches!(log.end_txn(P, 5, true, TV2), Err(ProducerError::InvalidEpoch { .. })), "TV2 bumps the epoch");
    assert!(log.end_txn(P, 6, true, TV2).expect("bumped").is_some());
    assert_eq!(log.end_txn(P, 6, true, TV2), Ok(None), "a repetition completes nothing");
    assert_eq!(log.produce(6, 0, 1).map(|_| ()), Ok(()), "the next epoch starts at 0");

    let newer = log.marker(P, 6, true, 3);
    log.try_append(newer, TV1).expect("coordinator epoch 3");
    let older = log.marker(P, 6, true, 2);
    assert_eq!(
        log.try_append(older, TV1),
        Err(ProducerError::CoordinatorFenced { producer_id: P, found: 2, current: 3 })
    );
    log.state.replay(&older, NOW);
    assert_eq!(log.state.producer(P).expect("known").coordinator_epoch(), 2, "the log is not judged");
}

#[test]
fn an_open_transaction_survives_a_snapshot() {
    let mut log = Log::new();
    log.produce(0, 0, 1).expect("first");
    log.transactional(ProducerId(8), 2, 9).expect("offset 1");
    log.restart();
    assert_eq!(log.state.first_unstable_offset(), Some(1));
    assert!(log.end_txn(ProducerId(8), 2, false, TV1).expect("ends").expect("completed").is_aborted);
}

#[test]
fn snapshots_are_byte_for_byte_kafkas() {
    // Written by Kafka 4.3's ProducerStateManager.
    let kafka = "0001133e830c00000002000000000000000100037fffffff0000000000000063000000020000018bcfe568020000000700000000\
                 0000005a0000000000000fa00000ffffffffffffffffffffffff000000000000018bcfe5680500000008ffffffffffffffff";
    let bytes: Vec<u8> =
        (0..kafka.len() / 2).map(|i| u8::from_str_radix(&kafka[2 * i..2 * i + 2], 16).expect("hexadecimal")).collect();
    let state = ProducerState::parse_snapshot(&bytes, 100, ProducerStateConfig::default(), NOW).expect("a snapshot");
    assert_eq!(state.encode_snapshot(), bytes);
    assert_eq!(bytes.len(), SNAPSHOT_HEADER_BYTES + 2 * SNAPSHOT_ENTRY_BYTES);
    let entry = state.producer(ProducerId(1)).expect("known");
    assert_eq!((entry.epoch(), entry.coordinator_epoch()), (ProducerEpoch(3), 7));
    assert_eq!((entry.last_sequence(), entry.last_offset(), entry.last_timestamp()), (i32::MAX, 99, NOW + 2));
    assert_eq!(entry.batches()[0].first_offset(), 97);
    assert_eq!(state.oldest_open_txn(), Some((ProducerId(1), 90)));
    assert!(state.producer(ProducerId(4000)).expect("known").batches().is_empty());
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let mut log = Log::new();
    log.produce(0, 0, 3).expect("first");
    let good = log.state.encode_snapshot();
    let parse =
        |bytes: &[u8], offset| ProducerState::parse_snapshot(bytes, offset, ProducerStateConfig::default(), NOW);
    assert!(parse(&good, 3).is_ok());
    assert!(parse(&good, 2).is_err(), "an entry beyond the snapshot");
    for cut in 0..good.len() {
        assert!(parse(&good[..cut], 3).is_err(), "cut at {cut}");
    }
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        assert!(parse(&flipped, 3).is_err(), "byte {at}");
    }
    let mut newer = good.clone();
    newer[1] = 2;
    assert_eq!(parse(&newer, 3).err(), Some(SnapshotError::UnknownVersion(2)));
}

/// The rules in their simplest form: everything a producer ever wrote, nothing forgotten but by epoch.
#[derive(Default)]
struct Model {
    epoch: i16,
    /// First sequence, length and offset of each batch of the epoch.
    batches: Vec<(i32, i32, i64)>,
}

impl Model {
    fn expected(&self, epoch: i16, first: i32, count: i32) -> Expected {
        let last_five = &self.batches[self.batches.len().saturating_sub(5)..];
        if epoch == self.epoch
            && let Some(&(_, _, offset)) = last_five.iter().find(|&&(f, c, _)| (f, c) == (first, count))
        {
            return Expected::Duplicate(offset);
        }
        match self.batches.last() {
            _ if epoch < self.epoch => Expected::Fenced,
            None => Expected::New,
            _ if epoch > self.epoch => {
                if first == 0 {
                    Expected::New
                } else {
                    Expected::OutOfOrder
                }
            }
            Some(&(f, c, _)) if (i64::from(f) + i64::from(c)) % (1 << 31) == i64::from(first) => Expected::New,
            Some(_) => Expected::OutOfOrder,
        }
    }
}

#[derive(Debug, PartialEq)]
enum Expected {
    New,
    Duplicate(i64),
    OutOfOrder,
    Fenced,
}

proptest! {
    #[test]
    fn any_order_of_batches_is_judged_like_the_model(
        steps in proptest::collection::vec((0i16..3, 0i32..8, 1i32..3, any::<bool>()), 1..60),
        near_wrap: bool,
    ) {
        let mut log = Log::new();
        let mut model = Model::default();
        for (epoch, back, count, is_next) in steps {
            let epoch = epoch.max(model.epoch - 1);
            let next = match model.batches.last() {
                Some(&(first, count, _)) if epoch == model.epoch => ottla_records::increment_sequence(first, count),
                None if near_wrap => i32::MAX - 3,
                _ => 0,
            };
            let first = if is_next { next } else { ottla_records::decrement_sequence(next, back) };
            let expected = model.expected(epoch, first, count);
            let offset = log.end;
            let found = match log.produce(epoch, first, count) {
                Ok((_, false)) => Expected::New,
                Ok((offset, true)) => Expected::Duplicate(offset),
                Err(ProducerError::OutOfOrderSequence { .. }) => Expected::OutOfOrder,
                Err(_) => Expected::Fenced,
            };
            prop_assert_eq!(&found, &expected);
            if found == Expected::New {
                if epoch > model.epoch {
                    model = Model { epoch, batches: Vec::new() };
                }
                model.batches.push((first, count, offset));
            }
        }
    }

    #[test]
    fn snapshots_round_trip(
        writes in proptest::collection::vec((0i64..6, 0i16..3, 0i32..5, any::<bool>(), any::<bool>()), 0..40),
    ) {
        let mut log = Log::new();
        for (id, epoch, first, is_transactional, is_marker) in writes {
            let batch = match is_marker {
                true => log.marker(ProducerId(id), epoch, first % 2 == 0, first),
                false => ProducerBatch { is_transactional, ..log.batch(ProducerId(id), epoch, first, 2) },
            };
            log.state.replay(&batch, NOW);
            log.end = batch.last_offset + 1;
        }
        let bytes = log.state.encode_snapshot();
        let parsed = ProducerState::parse_snapshot(&bytes, log.end, ProducerStateConfig::default(), NOW).expect("own");
        prop_assert_eq!(parsed.encode_snapshot(), bytes);
        prop_assert_eq!(parsed.oldest_open_txn(), log.state.oldest_open_txn());
        prop_assert_eq!(parsed.map_end_offset(), log.end);
    }

    #[test]
    fn arbitrary_snapshots_never_panic(body: Vec<u8>, offset: i64) {
        let mut bytes = vec![0, 1];
        bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
        bytes.extend_from_slice(&body);
        let _ = ProducerState::parse_snapshot(&bytes, offset, ProducerStateConfig::default(), NOW);
        let _ = ProducerState::parse_snapshot(&body, offset, ProducerStateConfig::default(), NOW);
    }
}
