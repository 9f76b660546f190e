//! Whatever is built is valid and reads back; whatever arrives never panics.

use bytes::Bytes;
use ottla_records::{
    BatchBuilder, BatchHeader, Compression, EndTxnMarker, ProduceLimits, Record, SnappyFraming, TimestampType,
    find_max_timestamp, find_offset_by_timestamp, read_all, scan, validate_produce,
};
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;
const BYTES_MAX: u64 = 64 << 20;

fn any_bytes() -> impl Strategy<Value = Option<Bytes>> {
    let small = proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Some(Bytes::from(bytes)));
    let repeated = (any::<u8>(), 0usize..100_000).prop_map(|(byte, len)| Some(Bytes::from(vec![byte; len])));
    prop_oneof![1 => Just(None), 6 => small, 1 => repeated]
}

fn any_record() -> impl Strategy<Value = Record> {
    let header = (proptest::collection::vec(any::<u8>(), 0..8).prop_map(Bytes::from), any_bytes());
    let headers = proptest::collection::vec(header, 0..3);
    let timestamp = prop_oneof![Just(-1), 0..NOW];
    (timestamp, any_bytes(), any_bytes(), headers).prop_map(|(timestamp, key, value, headers)| Record {
        offset: 0,
        timestamp,
        key,
        value,
        headers,
    })
}

fn any_batch() -> impl Strategy<Value = (Vec<Record>, Compression, SnappyFraming)> {
    let records = proptest::collection::vec(any_record(), 1..20).prop_map(|mut records| {
        records.iter_mut().enumerate().for_each(|(i, record)| record.offset = i as i64);
        records
    });
    let codec = proptest::sample::select(Compression::ALL.to_vec());
    (records, codec, proptest::sample::select(vec![SnappyFraming::Xerial, SnappyFraming::Raw]))
}

fn build(records: &[Record], codec: Compression, framing: SnappyFraming) -> Bytes {
    let mut builder = BatchBuilder::new(codec, TimestampType::CreateTime).snappy_framing(framing);
    records.iter().for_each(|record| builder.append_record(record).expect("fits"));
    builder.build().expect("records were added").to_bytes()
}

fn limits() -> ProduceLimits {
    ProduceLimits { max_message_bytes: 64 << 20, ..ProduceLimits::new(13, NOW) }
}

/// Everything that reads batches, on bytes that may be anything.
fn read_everything(bytes: &Bytes) {
    let _ = validate_produce(bytes, &limits());
    let recompress = ProduceLimits { target_compression: Some(Compression::Lz4.into()), ..limits() };
    let _ = validate_produce(bytes, &recompress);
    let _ = read_all(bytes, BYTES_MAX);
    let _ = find_max_timestamp(bytes, BYTES_MAX);
    let _ = find_offset_by_timestamp(bytes, 5, 0, BYTES_MAX);
    let _ = EndTxnMarker::of_batch(bytes);
    let _ = scan(bytes, true).count();
    let _ = scan(bytes, false).count();
}

/// `records` behind a header with a right length and CRC, so that the codec and record parsers are reached.
fn disguised(records: &[u8], codec: Compression, count: i32) -> Bytes {
    let mut template = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    template.append(0, None, None, &[]).expect("fits");
    let mut header = *template.build().expect("one record").header();
    header.attributes = i16::from(codec.id());
    header.length = 49 + records.len() as i32;
    header.record_count = count;
    header.last_offset_delta = count.wrapping_sub(1);
    let mut batch = [header.encode().as_slice(), records].concat();
    header.crc = crc32c::crc32c(&batch[21..]);
    batch[..61].copy_from_slice(&header.encode());
    Bytes::from(batch)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn built_batches_validate_and_read_back((records, codec, framing) in any_batch()) {
        let batch = build(&records, codec, framing);
        let validated = validate_produce(&batch, &limits()).expect("built batches are valid");
        prop_assert_eq!(&validated.to_bytes(), &batch);
        prop_assert_eq!(&read_all(&batch, BYTES_MAX).expect("readable"), &records);
        let max = records.iter().map(|record| record.timestamp).max().expect("not empty");
        let first = records.iter().position(|record| record.timestamp == max).expect("it is one of them");
        prop_assert_eq!(validated.max_timestamp(), max);
        prop_assert_eq!(validated.offset_of_max_timestamp(), first as i32);
        let found = find_max_timestamp(&batch, BYTES_MAX).expect("readable").expect("not empty");
        prop_assert_eq!((found.offset, found.timestamp), (first as i64, max));
    }

    #[test]
    fn lookup_by_timestamp_finds_the_first((records, codec, framing) in any_batch(), wanted in -1..NOW, from in 0i64..20) {
        let batch = build(&records, codec, framing);
        let expected = records.iter().find(|record| record.timestamp >= wanted && record.offset >= from);
        let found = find_offset_by_timestamp(&batch, wanted, from, BYTES_MAX).expect("readable");
        prop_assert_eq!(found.map(|found| found.offset), expected.map(|record| record.offset));
    }

    #[test]
    fn recompressing_keeps_the_records((records, codec, framing) in any_batch(), target in 0u8..5) {
        let target = Compression::from_id(target).expect("an id");
        let recompress = ProduceLimits { target_compression: Some(target.into()), ..limits() };
        let validated = validate_produce(&build(&records, codec, framing), &recompress).expect("valid");
        prop_assert_eq!(validated.header().compression(), Ok(target));
        prop_assert_eq!(read_all(&validated.to_bytes(), BYTES_MAX).expect("readable"), records);
    }

    #[test]
    fn a_flipped_bit_is_noticed((records, codec, framing) in any_batch(), at: prop::sample::Index, bit in 0..8) {
        let batch = build(&records, codec, framing);
        let at = at.index(batch.len());
        let mut flipped = batch.to_vec();
        flipped[at] ^= 1u8 << bit;
        let flipped = Bytes::from(flipped);
        let accepted = validate_produce(&flipped, &limits()).is_ok();
        prop_assert_eq!(accepted, (12..16).contains(&at), "only the leader epoch is free");
        let scanned = scan(&flipped, true).all(|batch| batch.is_ok());
        // The base offset is outside the CRC too; a length that grew makes the batch incomplete, not wrong.
        prop_assert!(!scanned || at < 16);
        read_everything(&flipped);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&Bytes::from(bytes));
    }

    #[test]
    fn arbitrary_records_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        codec in 0u8..5,
        count: i32,
    ) {
        read_everything(&disguised(&bytes, Compression::from_id(codec).expect("an id"), count));
        read_everything(&disguised(&bytes, Compression::from_id(codec).expect("an id"), 1));
    }

    #[test]
    fn damaged_streams_never_panic(
        (records, codec, framing) in any_batch(),
        at: prop::sample::Index,
        byte: u8,
        cut: prop::sample::Index,
    ) {
        let batch = build(&records, codec, framing);
        let mut stream = batch[61..].to_vec();
        if !stream.is_empty() {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        let count = BatchHeader::parse(&batch).expect("a batch").record_count;
        read_everything(&disguised(&stream, codec, count));
        stream.truncate(cut.index(stream.len() + 1));
        read_everything(&disguised(&stream, codec, count));
    }
}
