use super::*;
use proptest::prelude::*;

#[test]
fn offset_checkpoints_are_kafkas_text() {
    let mut checkpoint = OffsetCheckpoint::default();
    checkpoint.offsets.insert(TopicPartition::new("orders", 1), 42);
    checkpoint.offsets.insert(TopicPartition::new("orders", 0), i64::MAX);
    checkpoint.offsets.insert(TopicPartition::new("a.b_c-d", 7), 0);
    assert_eq!(checkpoint.encode(), b"0\n3\na.b_c-d 7 0\norders 0 9223372036854775807\norders 1 42\n");
    assert_eq!(OffsetCheckpoint::parse(&checkpoint.encode()), Ok(checkpoint.clone()));
    let loose = b"0\n2\r\norders   1\t42\na.b_c-d 7 0";
    assert_eq!(OffsetCheckpoint::parse(loose).expect("white space is free").offsets.len(), 2);
}

#[test]
fn empty_files_have_no_offsets_and_cut_off_ones_are_refused() {
    assert_eq!(OffsetCheckpoint::default().encode(), b"0\n0\n");
    for empty in [b"".as_slice(), b"0\n", b"0\n0\n"] {
        assert_eq!(OffsetCheckpoint::parse(empty), Ok(OffsetCheckpoint::default()));
    }
    assert_eq!(OffsetCheckpoint::parse(b"0\n2\na 0 1\n"), Err(CheckpointError::WrongCount { announced: 2, found: 1 }));
    assert_eq!(OffsetCheckpoint::parse(b"1\n0\n"), Err(CheckpointError::UnknownVersion { found: 1, expected: 0 }));
    for bad in
        ["x\n", "0\nx\n", "0\n1\na 0\n", "0\n1\na 0 x\n", "0\n1\na x 0\n", "0\n1\na 0 1 2\n", "0\n-1\n", "0\n1\n\n"]
    {
        let error = OffsetCheckpoint::parse(bad.as_bytes()).expect_err(bad);
        assert!(matches!(error, CheckpointError::MalformedLine { .. }), "{bad:?}: {error}");
    }
}

#[test]
fn partition_metadata_is_kafkas_text() {
    let text = b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ";
    let metadata = PartitionMetadata::parse(text).expect("Kafka's");
    assert_eq!(metadata.topic_id, Uuid::METADATA_TOPIC);
    assert_eq!(metadata.encode(), text);
    assert!(PartitionMetadata::parse(b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n").is_ok());
    assert_eq!(PartitionMetadata::parse(b""), Err(CheckpointError::Empty));
    for bad in ["version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ", "version: 0", "version: 0\ntopic_id: short", "0\n0\n"] {
        assert!(PartitionMetadata::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    let none = format!("version: 0\ntopic_id: {}", Uuid::ZERO);
    assert!(PartitionMetadata::parse(none.as_bytes()).is_err(), "no id");
}

#[test]
fn errors_repeat_only_the_beginning_of_a_line() {
    let long = format!("0\n1\n{}\n", "é".repeat(10_000));
    let error = OffsetCheckpoint::parse(long.as_bytes()).expect_err("senseless").to_string();
    assert!(error.len() < 300, "{error}");
}

proptest! {
    #[test]
    fn offsets_round_trip(offsets in proptest::collection::btree_map(("[a-zA-Z0-9._-]{1,20}", 0i32..9), any::<i64>(), 0..20)) {
        let offsets = offsets.into_iter().map(|((topic, partition), offset)| (TopicPartition::new(topic, partition), offset));
        let checkpoint = OffsetCheckpoint { offsets: offsets.collect() };
        prop_assert_eq!(OffsetCheckpoint::parse(&checkpoint.encode()), Ok(checkpoint));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let _ = OffsetCheckpoint::parse(&bytes);
        let _ = PartitionMetadata::parse(&bytes);
    }
}
