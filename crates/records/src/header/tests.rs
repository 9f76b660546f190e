use super::*;
use proptest::prelude::*;

fn any_header() -> impl Strategy<Value = BatchHeader> {
    let numbers = (any::<i64>(), 49i32..=i32::MAX, any::<i32>(), any::<u32>(), any::<i16>(), any::<i32>());
    let rest = (any::<i64>(), any::<i64>(), any::<i64>(), any::<i16>(), any::<i32>(), any::<i32>());
    (numbers, rest).prop_map(|(a, b)| BatchHeader {
        base_offset: a.0,
        length: a.1,
        partition_leader_epoch: LeaderEpoch(a.2),
        crc: a.3,
        attributes: a.4,
        last_offset_delta: a.5,
        base_timestamp: b.0,
        max_timestamp: b.1,
        producer_id: ProducerId(b.2),
        producer_epoch: ProducerEpoch(b.3),
        base_sequence: b.4,
        record_count: b.5,
    })
}

proptest! {
    #[test]
    fn encode_then_parse_is_identity(header in any_header()) {
        prop_assert_eq!(BatchHeader::parse(&header.encode()), Ok(header));
    }

    #[test]
    fn stamping_changes_offset_and_epoch_only(header in any_header(), offset: i64, epoch: i32) {
        let mut head = header.encode();
        stamp(&mut head, offset, LeaderEpoch(epoch));
        let expected =
            BatchHeader { base_offset: offset, partition_leader_epoch: LeaderEpoch(epoch), ..header };
        prop_assert_eq!(BatchHeader::parse(&head), Ok(expected));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        if let Ok(header) = BatchHeader::parse(&bytes) {
            let _ = header.compression();
            let _ = header.last_sequence();
            let _ = header.next_offset();
            let _ = header.check_crc(&bytes);
        }
    }
}

#[test]
fn old_formats_are_named_even_when_shorter_than_a_header() {
    let mut bytes = vec![0; 26];
    bytes[MAGIC_AT] = 1;
    assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::UnsupportedMagic(1)));
    bytes[MAGIC_AT] = 2;
    assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::Incomplete { needed: 61, available: 26 }));
    assert_eq!(BatchHeader::parse(&bytes[..16]), Err(BatchError::Incomplete { needed: 61, available: 16 }));
}

#[test]
fn a_length_below_a_header_is_corrupt() {
    let mut bytes = [0; BATCH_HEADER_LEN];
    bytes[MAGIC_AT] = 2;
    bytes[11] = 48;
    assert!(matches!(BatchHeader::parse(&bytes), Err(BatchError::CorruptHeader(_))));
    bytes[11] = 49;
    assert_eq!(BatchHeader::parse(&bytes).map(|header| header.total_len()), Ok(BATCH_HEADER_LEN));
}
