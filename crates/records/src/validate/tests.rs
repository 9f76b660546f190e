use super::*;
use crate::header::{BATCH_HEADER_LEN, MAGIC_AT};
use crate::{BatchBuilder, Compression, EndTxnMarker, NO_SEQUENCE, NO_TIMESTAMP, Record, SnappyFraming, crc, read_all};
use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};

const NOW: i64 = 1_700_000_000_000;

fn limits() -> ProduceLimits {
    ProduceLimits::new(13, NOW)
}

fn batch_of(codec: Compression, timestamps: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
    for (i, &timestamp) in timestamps.iter().enumerate() {
        let value = format!("value-{i}");
        builder.append(timestamp, Some(b"key"), Some(value.as_bytes()), &[]).expect("fits");
    }
    builder.build().expect("records were added").to_bytes()
}

/// `batch` with another header and the CRC that belongs to it.
fn with_header(batch: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
    let mut header = BatchHeader::parse(batch).expect("a batch");
    change(&mut header);
    let records = &batch[BATCH_HEADER_LEN..];
    header.crc = crc::of_parts(&header.encode(), records);
    Bytes::from([header.encode().as_slice(), records].concat())
}

fn rejection(records: &Bytes, limits: &ProduceLimits) -> ProduceRejected {
    validate_produce(records, limits).map(|batch| batch.header().to_owned()).expect_err("must be rejected")
}

fn stored(batch: &ValidatedBatch) -> Vec<Record> {
    read_all(&batch.to_bytes(), DECOMPRESSED_BATCH_BYTES_MAX).expect("a stored batch is readable")
}

#[test]
fn good_batches_of_every_codec_are_kept_byte_for_byte() {
    for codec in Compression::ALL {
        let batch = batch_of(codec, &[NOW, NOW + 5, NOW - 5]);
        let validated = validate_produce(&batch, &limits()).expect("a good batch");
        assert_eq!(validated.to_bytes(), batch, "{codec}");
        assert_eq!(validated.records().as_ptr(), batch[BATCH_HEADER_LEN..].as_ptr(), "{codec}: not copied");
        assert_eq!((validated.max_timestamp(), validated.offset_of_max_timestamp()), (NOW + 5, 1), "{codec}");
        assert_eq!(validated.record_count(), 3);
    }
}

#[test]
fn header_faults_are_answered_as_kafka_does() {
    use ErrorCode::*;
    let batch = batch_of(Compression::None, &[NOW, NOW]);
    let cases: Vec<(&str, Bytes, ErrorCode)> = vec![
        ("nothing", Bytes::new(), InvalidRecord),
        ("cut off", batch.slice(..batch.len() - 1), InvalidRecord),
        ("cut off in the header", batch.slice(..16), InvalidRecord),
        ("two batches", Bytes::from([&batch[..], &batch[..]].concat()), InvalidRecord),
        ("base offset", with_header(&batch, |h| h.base_offset = 1), InvalidRecord),
        ("count is less", with_header(&batch, |h| h.record_count = 1), InvalidRecord),
        ("count is more", with_header(&batch, |h| h.record_count = 3), InvalidRecord),
        ("count is zero", with_header(&batch, |h| h.record_count = 0), InvalidRecord),
        ("count is negative", with_header(&batch, |h| h.record_count = -1), InvalidRecord),
        ("range is negative", with_header(&batch, |h| h.last_offset_delta = -2), InvalidRecord),
        ("both agree on more", with_header(&batch, |h| (h.record_count, h.last_offset_delta) = (3, 2)), InvalidRecord),
        ("both agree on less", with_header(&batch, |h| (h.record_count, h.last_offset_delta) = (1, 0)), InvalidRecord),
        ("control", with_header(&batch, |h| h.attributes |= 0x20), InvalidRecord),
        ("no sequence", with_header(&batch, |h| h.producer_id = ProducerId(5)), InvalidRecord),
        ("codec 5", with_header(&batch, |h| h.attributes |= 5), UnsupportedCompressionType),
        ("codec of other bytes", with_header(&batch, |h| h.attributes |= 1), InvalidRecord),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(rejection(&bytes, &limits()).error, error, "{name}");
    }
}

#[test]
fn damage_is_corrupt_message() {
    let batch = batch_of(Compression::None, &[NOW]);
    let mut flipped = batch.to_vec();
    *flipped.last_mut().expect("not empty") ^= 1;
    assert_eq!(rejection(&Bytes::from(flipped), &limits()).error, ErrorCode::CorruptMessage);
    let mut short = batch.to_vec();
    short[8..12].copy_from_slice(&13i32.to_be_bytes());
    assert_eq!(rejection(&Bytes::from(short), &limits()).error, ErrorCode::CorruptMessage);
    let mut negative = batch.to_vec();
    negative[8..12].copy_from_slice(&(-1i32).to_be_bytes());
    assert_eq!(rejection(&Bytes::from(negative), &limits()).error, ErrorCode::CorruptMessage);
    let mut below_header = batch.to_vec();
    below_header[8..12].copy_from_slice(&20i32.to_be_bytes());
    assert_eq!(rejection(&Bytes::from(below_header), &limits()).error, ErrorCode::CorruptMessage);
    let mut unknown_magic = batch.to_vec();
    unknown_magic[MAGIC_AT] = 3;
    assert_eq!(rejection(&Bytes::from(unknown_magic), &limits()).error, ErrorCode::CorruptMessage);
    let garbage_behind = Bytes::from([&batch[..], &[0; 12]].concat());
    assert_eq!(rejection(&garbage_behind, &limits()).error, ErrorCode::CorruptMessage);
}

#[test]
fn old_magic_is_refused_as_kafka_4_does() {
    for magic in [0, 1] {
        let mut old = vec![0u8; 34];
        old[8..12].copy_from_slice(&22i32.to_be_bytes());
        old[MAGIC_AT] = magic;
        let rejected = rejection(&Bytes::from(old), &limits());
        assert_eq!((rejected.error, rejected.record_errors.len()), (ErrorCode::InvalidRecord, 0));
    }
}

#[test]
fn a_cut_off_second_batch_is_left_away() {
    let batch = batch_of(Compression::None, &[NOW]);
    for len in [1, 11, 16, 61, batch.len() - 1] {
        let bytes = Bytes::from([&batch[..], &batch[..len]].concat());
        assert_eq!(validate_produce(&bytes, &limits()).expect("the first is good").to_bytes(), batch, "{len}");
    }
}

#[test]
fn every_header_byte_but_leader_epoch_is_protected() {
    let batch = batch_of(Compression::None, &[NOW, NOW]);
    for at in 0..BATCH_HEADER_LEN {
        for bit in 0..8 {
            let mut changed = batch.to_vec();
            changed[at] ^= 1 << bit;
            let result = validate_produce(&Bytes::from(changed), &limits());
            assert_eq!(result.is_ok(), (12..16).contains(&at), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn size_counts_the_compressed_batch_with_its_header() {
    let value = vec![7u8; 10_000];
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        builder.append(NOW, None, Some(&value), &[]).expect("fits");
        let batch = builder.build().expect("one record").to_bytes();
        let exact = ProduceLimits { max_message_bytes: batch.len(), ..limits() };
        assert!(validate_produce(&batch, &exact).is_ok(), "{codec}");
        let less = ProduceLimits { max_message_bytes: batch.len() - 1, ..limits() };
        assert_eq!(rejection(&batch, &less).error, ErrorCode::MessageTooLarge, "{codec}");
    }
}

#[test]
fn zstd_needs_produce_version_7() {
    let batch = batch_of(Compression::Zstd, &[NOW]);
    let old = ProduceLimits { api_version: 6, ..limits() };
    assert_eq!(rejection(&batch, &old).error, ErrorCode::UnsupportedCompressionType);
    assert!(validate_produce(&batch, &ProduceLimits { api_version: 7, ..limits() }).is_ok());
    assert!(validate_produce(&batch_of(Compression::Lz4, &[NOW]), &old).is_ok());
}

#[test]
fn a_null_key_on_a_compacted_topic_names_every_bad_record() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        for key in [Some(b"k".as_slice()), None, Some(b""), None] {
            builder.append(NOW, key, None, &[]).expect("fits");
        }
        let batch = builder.build().expect("records were added").to_bytes();
        assert!(validate_produce(&batch, &limits()).is_ok());
        let rejected = rejection(&batch, &ProduceLimits { compacted: true, ..limits() });
        assert_eq!(rejected.error, ErrorCode::InvalidRecord);
        let indexes: Vec<i32> = rejected.record_errors.iter().map(|(index, _)| *index).collect();
        assert_eq!(indexes, [1, 3], "{codec}");
    }
}

#[test]
fn the_message_of_bad_records_counts_all_and_shows_three_in_kafkas_words() {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    for key in [Some(b"k".as_slice()), None, None, None, None] {
        builder.append(NOW, key, None, &[]).expect("fits");
    }
    let batch = builder.build().expect("records were added").to_bytes();
    let partition = Some(TopicPartition::new("t", 7));
    let rejected = rejection(&batch, &ProduceLimits { compacted: true, partition, ..limits() });
    let text = "Compacted topic cannot accept message without key in topic partition t-7";
    let expected: Vec<(i32, String)> = (1..5).map(|index| (index, text.to_string())).collect();
    assert_eq!(rejected.record_errors, expected);
    assert_eq!(
        rejected.message,
        format!(
            "One or more records have been rejected due to 4 record errors in total, and only showing the first three \
             errors at most: [RecordError(batchIndex=1, message='{text}'), RecordError(batchIndex=2, \
             message='{text}'), RecordError(batchIndex=3, message='{text}')]"
        )
    );
}

#[test]
fn bad_timestamps_are_told_in_kafkas_words() {
    let range = ProduceLimits { timestamp_before_max_ms: 1000, timestamp_after_max_ms: 500, ..limits() };
    let rejected = rejection(&batch_of(Compression::Gzip, &[NOW, NOW + 501]), &range);
    assert_eq!(rejected.message, "One or more records have been rejected due to invalid timestamp");
    let text = "Timestamp 1700000000501 of message with offset 1 is out of range. The timestamp should be within \
                [1699999999000, 1700000000500]";
    assert_eq!(rejected.record_errors, [(1, text.to_string())]);
    let claimed = with_header(&batch_of(Compression::None, &[NOW]), |h| h.attributes |= 8);
    let append_time = ProduceLimits { timestamp_type: TimestampType::LogAppendTime, ..limits() };
    let rejected = rejection(&claimed, &append_time);
    assert_eq!(rejected.message, "One or more records have been rejected due to invalid timestamp");
    let text =
        "Invalid timestamp type in message with offset 0. Producer should not set timestamp type to LogAppendTime.";
    assert_eq!(rejected.record_errors, [(0, text.to_string())]);
}

#[test]
fn timestamps_outside_the_range_are_named() {
    let range = ProduceLimits { timestamp_before_max_ms: 1000, timestamp_after_max_ms: 500, ..limits() };
    let good = [NOW - 1000, NOW + 500, NO_TIMESTAMP];
    assert!(validate_produce(&batch_of(Compression::None, &good), &range).is_ok());
    for codec in Compression::ALL {
        let batch = batch_of(codec, &[NOW - 1001, NOW, NOW + 501]);
        let rejected = rejection(&batch, &range);
        assert_eq!(rejected.error, ErrorCode::InvalidTimestamp);
        assert_eq!(rejected.record_errors.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 2]);
        let append_time = ProduceLimits { timestamp_type: TimestampType::LogAppendTime, ..range.clone() };
        assert!(validate_produce(&batch, &append_time).is_ok(), "the producer's time does not count");
    }
}

#[test]
fn a_timestamp_error_outranks_a_key_error() {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    builder.append(NOW, None, None, &[]).expect("fits");
    builder.append(NOW + 10_000_000, Some(b"k"), None, &[]).expect("fits");
    let batch = builder.build().expect("records were added").to_bytes();
    let rejected = rejection(&batch, &ProduceLimits { compacted: true, ..limits() });
    assert_eq!((rejected.error, rejected.record_errors.len()), (ErrorCode::InvalidTimestamp, 2));
}

#[test]
fn log_append_time_replaces_the_producers_time() {
    let append_time = ProduceLimits { timestamp_type: TimestampType::LogAppendTime, ..limits() };
    for codec in Compression::ALL {
        let validated = validate_produce(&batch_of(codec, &[5, 7, 6]), &append_time).expect("good");
        let header = validated.header();
        assert_eq!((header.timestamp_type(), header.max_timestamp), (TimestampType::LogAppendTime, NOW));
        assert_eq!(validated.offset_of_max_timestamp(), 0);
        assert!(header.check_crc(&validated.to_bytes()).is_ok(), "{codec}: the CRC follows");
        assert!(stored(&validated).iter().all(|record| record.timestamp == NOW));
    }
}

#[test]
fn a_producer_may_not_claim_log_append_time() {
    let claimed = with_header(&batch_of(Compression::None, &[NOW]), |h| h.attributes |= 8);
    let append_time = ProduceLimits { timestamp_type: TimestampType::LogAppendTime, ..limits() };
    let rejected = rejection(&claimed, &append_time);
    assert_eq!((rejected.error, rejected.record_errors.len()), (ErrorCode::InvalidTimestamp, 1));
    let no_time = with_header(&claimed, |h| h.max_timestamp = NO_TIMESTAMP);
    assert_eq!(rejection(&no_time, &limits()).error, ErrorCode::InvalidTimestamp);
    // On a topic with create time Kafka takes the batch and clears the flag.
    let validated = validate_produce(&claimed, &limits()).expect("accepted");
    assert_eq!(validated.header().timestamp_type(), TimestampType::CreateTime);
}

#[test]
fn a_wrong_max_timestamp_is_put_right() {
    let lying = with_header(&batch_of(Compression::Gzip, &[NOW, NOW + 9]), |h| h.max_timestamp = 3);
    let validated = validate_produce(&lying, &limits()).expect("accepted");
    assert_eq!(validated.max_timestamp(), NOW + 9);
    assert!(validated.header().check_crc(&validated.to_bytes()).is_ok());
}

#[test]
fn compression_type_recompresses_and_keeps_every_record() {
    let records: Vec<Record> = (0..200)
        .map(|i| Record {
            offset: i,
            timestamp: NOW + (i * 37) % 100,
            key: (i % 3 != 0).then(|| Bytes::from(format!("key-{i}"))),
            value: (i % 5 != 0).then(|| Bytes::from(vec![i as u8; (i * i) as usize])),
            headers: vec![(Bytes::from_static(b"h"), None); (i % 3) as usize],
        })
        .collect();
    for source in Compression::ALL {
        let mut builder = BatchBuilder::new(source, TimestampType::CreateTime).producer(
            ProducerId(9),
            ProducerEpoch(2),
            i32::MAX - 10,
        );
        records.iter().for_each(|record| builder.append_record(record).expect("fits"));
        let batch = builder.transactional().build().expect("records were added").to_bytes();
        let original = BatchHeader::parse(&batch).expect("a batch");
        for target in Compression::ALL {
            let limits =
                ProduceLimits { target_compression: Some(target.into()), max_message_bytes: 4 << 20, ..limits() };
            let validated = validate_produce(&batch, &limits).expect("good");
            let header = validated.header();
            assert_eq!(header.compression(), Ok(target));
            assert_eq!((header.producer_id, header.producer_epoch), (ProducerId(9), ProducerEpoch(2)));
            assert_eq!((header.base_sequence, header.last_sequence()), (i32::MAX - 10, 188));
            assert!(header.is_transactional() && !header.is_control());
            assert_eq!((header.base_timestamp, header.max_timestamp), (original.base_timestamp, NOW + 99));
            assert!(header.check_crc(&validated.to_bytes()).is_ok());
            assert_eq!(stored(&validated), records, "{source} to {target}");
            assert_eq!(source == target, validated.to_bytes() == batch, "{source} to {target}");
        }
    }
}

#[test]
fn a_batch_that_is_too_large_once_recompressed_is_refused() {
    let mut builder = BatchBuilder::new(Compression::Zstd, TimestampType::CreateTime);
    builder.append(NOW, None, Some(&vec![0; 500_000]), &[]).expect("fits");
    let batch = builder.build().expect("one record").to_bytes();
    let uncompressed =
        ProduceLimits { target_compression: Some(Compression::None.into()), max_message_bytes: 100_000, ..limits() };
    assert_eq!(rejection(&batch, &uncompressed).error, ErrorCode::MessageTooLarge);
}

#[test]
fn inner_offsets_with_gaps_are_rebuilt() {
    for codec in Compression::ALL {
        let one_by_one = batch_of(Compression::None, &[NOW, NOW + 1]);
        // The offset delta of the second record is its fourth byte.
        let mut records = one_by_one[BATCH_HEADER_LEN..].to_vec();
        let second = 1 + usize::from(records[0] / 2);
        assert_eq!(records[second + 3], 2, "the delta is 1");
        records[second + 3] = 14;
        let gapped = Bytes::from([&one_by_one[..BATCH_HEADER_LEN], &records].concat());
        let gapped = with_header(&gapped, |_| {});
        let recompressed = ProduceLimits { target_compression: Some(codec.into()), ..limits() };
        let validated = validate_produce(&gapped, &recompressed).expect("accepted");
        let offsets: Vec<i64> = stored(&validated).iter().map(|record| record.offset).collect();
        assert_eq!(offsets, [0, 1], "{codec}");
    }
}

#[test]
fn a_decompression_bomb_costs_bounded_work_and_is_too_large() {
    let zeros = vec![0u8; 1 << 20];
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd, Compression::Snappy] {
        let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime);
        for _ in 0..16 {
            builder.append(NOW, None, Some(&zeros), &[]).expect("fits");
        }
        let bomb = builder.build().expect("records were added").to_bytes();
        let tight = ProduceLimits { max_decompressed_bytes: 8 << 20, ..limits() };
        assert_eq!(rejection(&bomb, &tight).error, ErrorCode::MessageTooLarge, "{codec}");
        let enough = ProduceLimits { max_decompressed_bytes: 17 << 20, ..limits() };
        assert!(validate_produce(&bomb, &enough).is_ok(), "{codec}");
    }
}

#[test]
fn raw_snappy_is_kept_as_it_came() {
    let mut builder =
        BatchBuilder::new(Compression::Snappy, TimestampType::CreateTime).snappy_framing(SnappyFraming::Raw);
    for i in 0..100_000u32 {
        builder.append(NOW, Some(&i.to_be_bytes()), None, &[]).expect("fits");
    }
    let batch = builder.build().expect("records were added").to_bytes();
    let validated = validate_produce(&batch, &limits()).expect("good");
    assert_eq!(validated.to_bytes(), batch);
    assert_eq!(stored(&validated).len(), 100_000);
}

#[test]
fn markers_are_not_for_clients_but_for_the_log() {
    let marker = EndTxnMarker { committed: true, coordinator_epoch: 4 };
    let batch = marker.to_batch(ProducerId(7), ProducerEpoch(1), NOW);
    assert_eq!(rejection(&batch.to_bytes(), &limits()).error, ErrorCode::InvalidRecord);
    assert_eq!(EndTxnMarker::of_batch(&batch.to_bytes()), Ok(Some(marker)));
    let header = batch.header();
    assert!(header.is_control() && header.is_transactional());
    assert_eq!((header.base_sequence, header.last_sequence()), (NO_SEQUENCE, NO_SEQUENCE));
}

#[test]
fn the_leaders_stamp_leaves_the_crc_alone() {
    let validated = validate_produce(&batch_of(Compression::Lz4, &[NOW, NOW]), &limits()).expect("good");
    let head = validated.stamped_header(1_000_000, LeaderEpoch(12));
    let stamped = [head.as_slice(), validated.records()].concat();
    let header = BatchHeader::parse(&stamped).expect("a batch");
    assert!(header.check_crc(&stamped).is_ok());
    assert_eq!((header.base_offset, header.last_offset()), (1_000_000, 1_000_001));
    assert_eq!(header.partition_leader_epoch, LeaderEpoch(12));
}

#[test]
fn record_errors_are_listed_up_to_a_limit() {
    let mut builder = BatchBuilder::new(Compression::Zstd, TimestampType::CreateTime);
    for _ in 0..RECORD_ERRORS_MAX + 10 {
        builder.append(NOW, None, None, &[]).expect("fits");
    }
    let batch = builder.build().expect("records were added").to_bytes();
    let rejected = rejection(&batch, &ProduceLimits { compacted: true, ..limits() });
    assert_eq!(rejected.record_errors.len(), RECORD_ERRORS_MAX);
}
