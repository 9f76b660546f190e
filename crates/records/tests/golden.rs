//! Batches of Apache Kafka's own classes, read and (where no compressor is involved) written byte for byte.

use bytes::Bytes;
use ottla_records::{
    BatchBuilder, BatchHeader, Compression, EndTxnMarker, ProduceLimits, Record, TimestampType, read_all, scan,
    validate_produce,
};
use ottla_types::{ProducerEpoch, ProducerId};

const NOW: i64 = 1_700_000_000_000;

fn golden(name: &str) -> Bytes {
    let text = include_str!("../testdata/kafka-4.3-batches.txt");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect(name);
    let digits = line.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

fn records() -> Vec<Record> {
    let bytes = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let header = |key: &'static str, value| (Bytes::from_static(key.as_bytes()), value);
    let a72 = Some(Bytes::from(vec![b'a'; 72]));
    vec![
        Record {
            offset: 0,
            timestamp: NOW,
            key: bytes("key-0"),
            value: bytes("value-0"),
            headers: vec![header("h", bytes("x")), header("h", None), header("", bytes(""))],
        },
        Record { offset: 1, timestamp: NOW + 500, ..Record::default() },
        Record { offset: 2, timestamp: NOW + 499, key: bytes(""), value: bytes(""), headers: vec![] },
        Record { offset: 3, timestamp: NOW - 1, key: bytes("key-3"), value: a72, headers: vec![] },
    ]
}

#[test]
fn kafkas_batches_are_read_in_every_codec() {
    for codec in Compression::ALL {
        let batch = golden(codec.name());
        let header = BatchHeader::parse(&batch).expect("a header");
        assert_eq!((header.compression(), header.record_count), (Ok(codec), 4));
        assert_eq!((header.base_timestamp, header.max_timestamp), (NOW, NOW + 500));
        assert_eq!((header.producer_id, header.producer_epoch), (ProducerId(7), ProducerEpoch(3)));
        assert_eq!((header.base_sequence, header.last_sequence()), (41, 44));
        assert_eq!(read_all(&batch, 1 << 20).expect("readable"), records(), "{codec}");
        let batches: Vec<_> = scan(&batch, true).collect();
        assert_eq!(batches, [Ok((header, 0..batch.len()))]);
        let validated = validate_produce(&batch, &ProduceLimits::new(13, NOW)).expect("valid");
        assert_eq!(validated.to_bytes(), batch, "{codec}");
        assert_eq!(validated.offset_of_max_timestamp(), 1);
    }
}

#[test]
fn an_uncompressed_batch_is_built_byte_for_byte() {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    builder = builder.producer(ProducerId(7), ProducerEpoch(3), 41);
    records().iter().for_each(|record| builder.append_record(record).expect("fits"));
    assert_eq!(builder.build().expect("records were added").to_bytes(), golden("none"));
}

#[test]
fn transaction_markers_are_built_byte_for_byte() {
    for (name, committed) in [("commit", true), ("abort", false)] {
        let marker = EndTxnMarker { committed, coordinator_epoch: 9 };
        assert_eq!(marker.to_batch(ProducerId(7), ProducerEpoch(3), NOW).to_bytes(), golden(name));
        assert_eq!(EndTxnMarker::of_batch(&golden(name)), Ok(Some(marker)));
    }
}
