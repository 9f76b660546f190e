//! Files of a partition directory, read without a node: batches one by one, and what is in their records. Works on the
//! directories of Apache Kafka too.

pub(crate) mod decode;

use ottla_records::{BATCH_HEADER_LEN, BatchError, BatchHeader};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The largest batch that is read: what could arrive in one request, and some.
const BATCH_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A log file (or a metadata snapshot), batch by batch.
pub(crate) struct Segment {
    file: File,
    size: u64,
    position: u64,
}

/// A batch as it stands in a file.
pub(crate) struct Batch {
    pub(crate) header: BatchHeader,
    /// Where it begins.
    pub(crate) position: u64,
    /// All of its bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Segment {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> io::Result<Segment> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Segment { file, size, position: 0 })
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Where the next batch begins.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Goes on at `position`.
    pub(crate) fn seek(&mut self, position: u64) {
        self.position = position.min(self.size);
    }

    /// Reads nothing behind `size`.
    pub(crate) fn limit(&mut self, size: u64) {
        self.size = self.size.min(size);
    }

    /// The next batch that is there as a whole. `None` at the end, and before bytes that are no whole batch; those stay
    /// between [`Segment::position`] and [`Segment::size`]. Its checksum is the caller's to look at.
    ///
    /// # Errors
    /// When the file cannot be read, or a batch is of a format before Kafka 0.11.
    pub(crate) fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        let left = self.size - self.position;
        if left < BATCH_HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut head = [0; BATCH_HEADER_LEN];
        self.file.read_exact_at(&mut head, self.position)?;
        let header = match BatchHeader::parse(&head) {
            Ok(header) => header,
            Err(BatchError::UnsupportedMagic(magic @ (0 | 1))) => {
                let text =
                    format!("the batch at position {} has message format {magic}, of Kafka before 0.11", self.position);
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
            Err(_) => return Ok(None),
        };
        let len = header.total_len();
        if len as u64 > left || len > BATCH_BYTES_MAX {
            return Ok(None);
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, self.position)?;
        let batch = Batch { header, position: self.position, bytes };
        self.position += len as u64;
        Ok(Some(batch))
    }
}

impl Batch {
    /// Whether its checksum is right.
    pub(crate) fn is_valid(&self) -> bool {
        self.header.check_crc(&self.bytes).is_ok()
    }
}

/// The number that a file's name begins with: the first offset of its segment.
pub(crate) fn base_offset(path: &Path) -> Option<i64> {
    path.file_name()?.to_str()?.split('.').next()?.parse().ok()
}

/// What a file is, by its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Log,
    /// A snapshot of a metadata log.
    Checkpoint,
    Index,
    TimeIndex,
    TxnIndex,
    ProducerSnapshot,
}

impl Kind {
    /// By the path's suffix; `None` for other files.
    pub(crate) fn of(path: &Path) -> Option<Kind> {
        Some(match path.extension()?.to_str()? {
            "log" => Kind::Log,
            "checkpoint" => Kind::Checkpoint,
            "index" => Kind::Index,
            "timeindex" => Kind::TimeIndex,
            "txnindex" => Kind::TxnIndex,
            "snapshot" => Kind::ProducerSnapshot,
            _ => return None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ottla_records::{BatchBuilder, Compression, TimestampType};

    /// Bytes of a batch with these values, at `base_offset`.
    pub(crate) fn batch(base_offset: i64, values: &[&str]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        for value in values {
            builder.append(1000, Some(b"key"), Some(value.as_bytes()), &[]).unwrap();
        }
        let mut bytes = builder.build().unwrap().to_bytes().to_vec();
        bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
        bytes
    }

    #[test]
    fn whole_batches_are_read_and_the_rest_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000007.log");
        let (first, second) = (batch(7, &["a", "b"]), batch(9, &["c"]));
        let whole = [&first[..], &second].concat();
        std::fs::write(&path, [&whole[..], &first[..40]].concat()).unwrap();
        let mut segment = Segment::open(&path).unwrap();
        let found = segment.next_batch().unwrap().unwrap();
        assert_eq!((found.header.base_offset, found.header.last_offset(), found.is_valid()), (7, 8, true));
        assert_eq!(segment.next_batch().unwrap().unwrap().position, first.len() as u64);
        assert!(segment.next_batch().unwrap().is_none());
        assert_eq!((segment.position(), segment.size()), (whole.len() as u64, whole.len() as u64 + 40));
        assert_eq!(base_offset(&path), Some(7));
        assert_eq!(Kind::of(&path), Some(Kind::Log));
    }
}
