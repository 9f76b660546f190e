use super::*;
use proptest::prelude::*;

fn cache(entries: &[(i32, i64)]) -> LeaderEpochCache {
    let mut cache = LeaderEpochCache::new();
    for &(epoch, start_offset) in entries {
        assert!(cache.assign(LeaderEpoch(epoch), start_offset));
    }
    cache
}

fn entries(cache: &LeaderEpochCache) -> Vec<(i32, i64)> {
    cache.entries().iter().map(|entry| (entry.epoch.0, entry.start_offset)).collect()
}

#[test]
fn an_epoch_is_assigned_once() {
    let mut cache = cache(&[(1, 0), (3, 10)]);
    assert!(!cache.assign(LeaderEpoch(3), 10));
    assert!(!cache.assign(LeaderEpoch(3), 15), "later records of the same epoch");
    assert_eq!(entries(&cache), [(1, 0), (3, 10)]);
    assert_eq!((cache.latest_epoch(), cache.earliest_entry().map(|e| e.epoch.0)), (Some(LeaderEpoch(3)), Some(1)));
}

#[test]
fn contradicted_entries_go() {
    let mut epochs = cache(&[(1, 0), (3, 10), (5, 20)]);
    assert!(epochs.assign(LeaderEpoch(4), 15));
    assert_eq!(entries(&epochs), [(1, 0), (3, 10), (4, 15)]);
    assert!(epochs.assign(LeaderEpoch(6), 15), "the epoch before it has no records");
    assert_eq!(entries(&epochs), [(1, 0), (3, 10), (6, 15)]);
    assert!(epochs.assign(LeaderEpoch(6), 12), "the same epoch begins earlier");
    assert_eq!(entries(&epochs), [(1, 0), (3, 10), (6, 12)]);
    assert!(epochs.assign(LeaderEpoch(0), 0));
    assert_eq!(entries(&epochs), [(0, 0)]);
}

#[test]
fn end_offsets_are_answered_as_kafka_does() {
    let cache = cache(&[(2, 10), (3, 20), (6, 30)]);
    let end = |epoch| cache.end_offset_for(LeaderEpoch(epoch), 42).map(|(epoch, offset)| (epoch.0, offset));
    assert_eq!(end(6), Some((6, 42)), "the latest ends at the log end");
    assert_eq!(end(3), Some((3, 30)));
    assert_eq!(end(2), Some((2, 20)));
    assert_eq!(end(5), Some((3, 30)), "an unknown one between: the epoch below it");
    assert_eq!(end(1), Some((1, 10)), "older than all known: the first known offset");
    assert_eq!(end(7), None, "newer than all known");
    assert_eq!(end(-1), None);
    assert_eq!(LeaderEpochCache::new().end_offset_for(LeaderEpoch(0), 42), None);
}

#[test]
fn truncation_from_the_end_drops_epochs_without_records() {
    let mut epochs = cache(&[(2, 10), (3, 20), (6, 30)]);
    assert!(!epochs.truncate_from_end(31));
    assert!(epochs.truncate_from_end(30));
    assert_eq!(entries(&epochs), [(2, 10), (3, 20)]);
    assert!(epochs.truncate_from_end(0));
    assert!(entries(&epochs).is_empty() && !epochs.truncate_from_end(0));
}

#[test]
fn truncation_from_the_start_keeps_the_epoch_of_the_first_record() {
    let mut epochs = cache(&[(2, 10), (3, 20), (6, 30)]);
    assert!(!epochs.truncate_from_start(5) && !epochs.truncate_from_start(10));
    assert!(epochs.truncate_from_start(25));
    assert_eq!(entries(&epochs), [(3, 25), (6, 30)]);
    assert!(epochs.truncate_from_start(30));
    assert_eq!(entries(&epochs), [(6, 30)]);
    assert!(epochs.truncate_from_start(99));
    assert_eq!(entries(&epochs), [(6, 99)]);
    assert!(!LeaderEpochCache::new().truncate_from_start(5));
}

#[test]
fn the_file_is_kafkas() {
    let epochs = cache(&[(0, 0), (7, 1234)]);
    assert_eq!(epochs.encode(), b"0\n2\n0 0\n7 1234\n");
    assert_eq!(LeaderEpochCache::parse(&epochs.encode()), Ok(epochs));
    assert_eq!(LeaderEpochCache::parse(b""), Ok(LeaderEpochCache::new()));
    assert!(LeaderEpochCache::parse(b"0\n2\n0 0\n").is_err(), "cut off");
    assert!(LeaderEpochCache::parse(b"0\n1\n-1 0\n").is_err());
    assert!(LeaderEpochCache::parse(b"1\n0\n").is_err(), "a newer version");
}

proptest! {
    #[test]
    fn every_record_keeps_its_epoch(
        appends in proptest::collection::vec((0i32..3, 1i64..5), 1..40),
        end in 0i64..120,
        start in 0i64..120,
    ) {
        // The model is the epoch of each record.
        let mut epochs = LeaderEpochCache::new();
        let mut records: Vec<i32> = Vec::new();
        let mut epoch = 0;
        for (bump, count) in appends {
            epoch += bump;
            epochs.assign(LeaderEpoch(epoch), records.len() as i64);
            records.extend(std::iter::repeat_n(epoch, count as usize));
        }
        epochs.truncate_from_end(end);
        records.truncate(end as usize);
        let start = start.min(records.len() as i64);
        epochs.truncate_from_start(start);
        for (offset, &epoch) in records.iter().enumerate().skip(start as usize) {
            prop_assert_eq!(epochs.epoch_for_offset(offset as i64), Some(LeaderEpoch(epoch)));
        }
        let log_end = records.len() as i64;
        for epoch in records.iter().skip(start as usize) {
            let after = records.iter().rposition(|e| e == epoch).expect("it is there") as i64 + 1;
            prop_assert_eq!(epochs.end_offset_for(LeaderEpoch(*epoch), log_end), Some((LeaderEpoch(*epoch), after)));
        }
        prop_assert!(epochs.entries().is_sorted_by(|a, b| a.epoch < b.epoch && a.start_offset < b.start_offset));
        prop_assert_eq!(LeaderEpochCache::parse(&epochs.encode()), Ok(epochs));
    }

    #[test]
    fn arbitrary_text_never_panics(text: String) {
        let _ = LeaderEpochCache::parse(text.as_bytes());
        let _ = LeaderEpochCache::parse(format!("0\n1\n{text}").as_bytes());
    }
}
