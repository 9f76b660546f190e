use super::*;
use proptest::prelude::*;

fn txn(producer_id: i64, first_offset: i64, last_offset: i64, last_stable_offset: i64) -> AbortedTxn {
    AbortedTxn { producer_id: ProducerId(producer_id), first_offset, last_offset, last_stable_offset }
}

#[test]
fn entries_are_byte_for_byte_kafkas() {
    // Written by Kafka 4.3's TransactionIndex.
    let kafka = "00000000000000000001000000000000000500000000000000140000000000000012\
                 00000000000000000002000000000000001200000000000000 1e000000000000001f";
    let digits: String = kafka.split_whitespace().collect();
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect();
    let index = TransactionIndex::parse(10, &bytes).expect("an index");
    assert_eq!(index.entries(), [txn(1, 5, 20, 18), txn(2, 18, 30, 31)]);
    assert_eq!(index.encode(), bytes);
    assert_eq!(index.base_offset(), 10);
}

#[test]
fn senseless_bytes_are_refused() {
    let good = TransactionIndex::from_entries(10, &[txn(1, 5, 20, 18), txn(2, 18, 30, 31)]).encode();
    assert_eq!(TransactionIndex::parse(10, &good[..35]), Err(TxnIndexError::Torn));
    assert!(matches!(TransactionIndex::parse(21, &good), Err(TxnIndexError::Corrupt(_))), "before the segment");
    let swapped = [&good[34..], &good[..34]].concat();
    assert!(matches!(TransactionIndex::parse(10, &swapped), Err(TxnIndexError::Corrupt(_))), "out of order");
    let mut newer = good.clone();
    newer[1] = 1;
    assert_eq!(TransactionIndex::parse(10, &newer), Err(TxnIndexError::UnknownVersion(1)));
}

#[test]
fn a_range_collects_the_transactions_that_overlap_with_it() {
    let index = TransactionIndex::from_entries(
        0,
        &[txn(0, 0, 10, 11), txn(1, 5, 15, 13), txn(2, 18, 35, 25), txn(3, 32, 50, 40)],
    );
    let collect = |from, to| {
        let found = index.collect(from, to);
        (found.txns.iter().map(|txn| txn.producer_id.0).collect::<Vec<_>>(), found.is_complete)
    };
    assert_eq!(collect(0, 100), (vec![0, 1, 2, 3], false));
    assert_eq!(collect(0, 32), (vec![0, 1, 2], true));
    assert_eq!(collect(0, 35), (vec![0, 1, 2, 3], true));
    assert_eq!(collect(10, 35), (vec![0, 1, 2, 3], true));
    assert_eq!(collect(11, 35), (vec![1, 2, 3], true));
    assert_eq!(collect(20, 41), (vec![2, 3], false));
    assert_eq!(collect(26, 31), (vec![2], true));
}

#[test]
fn truncation_drops_later_markers() {
    let mut index = TransactionIndex::from_entries(0, &[txn(0, 0, 10, 11), txn(1, 5, 15, 13), txn(2, 18, 35, 25)]);
    assert!(!index.truncate_to(36));
    assert!(index.truncate_to(15));
    assert_eq!(index.entries(), [txn(0, 0, 10, 11)]);
    index.append(txn(9, 11, 15, 16));
    assert_eq!(index.entries().len(), 2);
}

proptest! {
    #[test]
    fn collecting_equals_looking_at_every_transaction(
        steps in proptest::collection::vec((0i64..4, any::<bool>()), 0..80),
        from in 0i64..90,
        len in 1i64..40,
    ) {
        // Each step is one record or marker of one of four producers, always aborting.
        let mut open = std::collections::BTreeMap::new();
        let mut index = TransactionIndex::new(0);
        for (offset, (producer, is_marker)) in steps.into_iter().enumerate() {
            let offset = offset as i64;
            match (is_marker, open.remove(&producer)) {
                (true, Some(first)) => {
                    let stable = open.values().min().copied().unwrap_or(offset + 1);
                    index.append(txn(producer, first, offset, stable));
                }
                (true, None) => {}
                (false, known) => { open.insert(producer, known.unwrap_or(offset)); }
            }
        }
        let found = index.collect(from, from + len);
        let all: Vec<AbortedTxn> = index.entries().iter().copied()
            .filter(|txn| txn.last_offset >= from && txn.first_offset < from + len)
            .collect();
        prop_assert_eq!(found.txns, all);
        prop_assert_eq!(TransactionIndex::parse(0, &index.encode()), Ok(index));
    }

    #[test]
    fn arbitrary_bytes_never_panic(base_offset: i64, bytes: Vec<u8>) {
        let _ = TransactionIndex::parse(base_offset, &bytes);
    }
}
