//! The byte form of records: one entry of the quorum's log, and the chunks of a snapshot.
//!
//! `format version (1 byte)`, then for each record `length (4 bytes, big endian)` and Kafka's own framing of it (frame
//! version, type, version, body). An entry of a newer format is refused, so that a downgrade cannot misread it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_protocol::{DecodeError, EncodeError, MetadataRecord};

/// The format that is written.
pub const FORMAT_VERSION: u8 = 1;

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// A newer program wrote it.
    #[error(
        "the metadata entry has format version {0}, and this program reads up to {FORMAT_VERSION}; use a newer one"
    )]
    NewerFormat(u8),
    /// It ends in the middle of a record, or holds nothing.
    #[error("the metadata entry is cut off")]
    Truncated,
    /// A record in it cannot be read.
    #[error("a record of the metadata entry cannot be read: {0}")]
    Record(#[from] DecodeError),
}

/// The bytes of an entry.
///
/// # Errors
/// When a record holds what its schema cannot carry, for example a string of more than 32 KiB.
pub fn encode(records: &[MetadataRecord]) -> Result<Bytes, EncodeError> {
    let mut bytes = BytesMut::from(&[FORMAT_VERSION][..]);
    for record in records {
        append(&mut bytes, record)?;
    }
    Ok(bytes.freeze())
}

fn append(bytes: &mut BytesMut, record: &MetadataRecord) -> Result<(), EncodeError> {
    let framed = record.encode(record.max_version())?;
    let length = u32::try_from(framed.len()).expect("a record is far smaller than 4 GiB: its parts are bounded");
    bytes.put_u32(length);
    bytes.put_slice(&framed);
    Ok(())
}

/// The records of an entry.
pub fn decode(entry: &Bytes) -> Result<Vec<MetadataRecord>, EntryError> {
    let mut rest = entry.clone();
    if !rest.has_remaining() {
        return Err(EntryError::Truncated);
    }
    match rest.get_u8() {
        FORMAT_VERSION => {}
        newer => return Err(EntryError::NewerFormat(newer)),
    }
    let mut records = Vec::new();
    while rest.has_remaining() {
        if rest.remaining() < 4 {
            return Err(EntryError::Truncated);
        }
        let length = rest.get_u32() as usize;
        if rest.remaining() < length {
            return Err(EntryError::Truncated);
        }
        let (record, _version) = MetadataRecord::decode(&rest.split_to(length))?;
        records.push(record);
    }
    Ok(records)
}

/// Records as chunks, each an entry of its own of at most `chunk_bytes_max` bytes; a single record that is larger makes
/// a larger chunk.
///
/// # Errors
/// As [`encode`].
pub fn encode_chunks(records: &[MetadataRecord], chunk_bytes_max: usize) -> Result<Vec<Bytes>, EncodeError> {
    let mut chunks = Vec::new();
    let mut chunk = BytesMut::from(&[FORMAT_VERSION][..]);
    for record in records {
        let before = chunk.len();
        append(&mut chunk, record)?;
        if chunk.len() > chunk_bytes_max && before > 1 {
            let last = chunk.split_off(before);
            chunks.push(chunk.freeze());
            chunk = BytesMut::from(&[FORMAT_VERSION][..]);
            chunk.put_slice(&last);
        }
    }
    if chunk.len() > 1 {
        chunks.push(chunk.freeze());
    }
    Ok(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::{NoOpRecord, TopicRecord};
    use ottla_types::Uuid;

    fn topics(count: u8) -> Vec<MetadataRecord> {
        let topic = |n| TopicRecord { name: format!("topic-{n}"), topic_id: Uuid([n; 16]) };
        (0..count).map(|n| MetadataRecord::Topic(topic(n))).collect()
    }

    #[test]
    fn entries_round_trip() {
        let mut records = topics(3);
        records.push(MetadataRecord::NoOp(NoOpRecord {}));
        assert_eq!(decode(&encode(&records).unwrap()).unwrap(), records);
        assert_eq!(decode(&encode(&[]).unwrap()).unwrap(), []);
    }

    #[test]
    fn chunks_hold_all_records_in_order() {
        let records = topics(20);
        let chunks = encode_chunks(&records, 100).unwrap();
        assert!(chunks.len() > 5 && chunks.iter().all(|chunk| chunk.len() <= 100));
        let read: Vec<_> = chunks.iter().flat_map(|chunk| decode(chunk).unwrap()).collect();
        assert_eq!(read, records);
        assert!(encode_chunks(&[], 100).unwrap().is_empty());
        assert_eq!(encode_chunks(&records, 1).unwrap().len(), 20);
    }

    #[test]
    fn every_cut_of_an_entry_is_refused_or_ends_between_records() {
        let records = topics(3);
        let bytes = encode(&records).unwrap();
        for cut in 0..bytes.len() {
            if let Ok(read) = decode(&bytes.slice(..cut)) {
                assert_eq!(read, records[..read.len()]);
            }
        }
        assert!(decode(&Bytes::new()).is_err());
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let error = decode(&Bytes::from_static(&[2])).unwrap_err().to_string();
        assert!(error.contains("format version 2"), "{error}");
    }
}
