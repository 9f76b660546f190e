//! Walks the batches in a piece of a log: a segment, a fetch response, a produce request.

use crate::{BatchError, BatchHeader};
use std::ops::Range;

/// An iterator over whole batches. It stops before a batch that is cut off at the end (see [`Batches::position`]) and
/// after the first error, since nothing behind one can be trusted.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    check_crc: bool,
    failed: bool,
}

/// The batches in `bytes`, which start with one. With `check_crc` each one's checksum is verified.
pub fn scan(bytes: &[u8], check_crc: bool) -> Batches<'_> {
    Batches { bytes, position: 0, check_crc, failed: false }
}

impl<'a> Batches<'a> {
    /// Where the next batch starts: after the iterator ends, the number of bytes in whole valid batches.
    pub fn position(&self) -> usize {
        self.position
    }

    fn try_next(&mut self) -> Result<(BatchHeader, Range<usize>), BatchError> {
        let rest = &self.bytes[self.position..];
        let header = BatchHeader::parse(rest)?;
        let needed = header.total_len();
        let incomplete = BatchError::Incomplete { needed, available: rest.len() };
        let batch = rest.get(..needed).ok_or(incomplete)?;
        if self.check_crc {
            header.check_crc(batch)?;
        }
        let range = self.position..self.position + needed;
        self.position = range.end;
        Ok((header, range))
    }
}

impl Iterator for Batches<'_> {
    /// The header and where the batch lies in the bytes.
    type Item = Result<(BatchHeader, Range<usize>), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.position == self.bytes.len() {
            return None;
        }
        match self.try_next() {
            Err(BatchError::Incomplete { .. }) => None,
            result => {
                self.failed = result.is_err();
                Some(result)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Compression, TimestampType};

    fn batch(records: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
        for _ in 0..records {
            builder.append(1, None, Some(b"value"), &[]).expect("fits");
        }
        builder.build().expect("records were added").to_bytes().to_vec()
    }

    #[test]
    fn whole_batches_are_found_and_a_cut_off_tail_is_left() {
        let (first, second) = (batch(1), batch(3));
        let bytes = [first.as_slice(), &second, &first].concat();
        for cut in [0, 1, 17, 61, first.len() - 1] {
            let mut batches = scan(&bytes[..first.len() + second.len() + cut], true);
            let ranges: Vec<_> = batches.by_ref().map(|batch| batch.expect("valid").1).collect();
            assert_eq!(ranges, [0..first.len(), first.len()..first.len() + second.len()]);
            assert_eq!(batches.position(), first.len() + second.len(), "cut {cut}");
        }
    }

    #[test]
    fn nothing_behind_an_invalid_batch_is_trusted() {
        let (first, second) = (batch(1), batch(3));
        let mut bytes = [first.as_slice(), &second, &first].concat();
        let last_of_second = first.len() + second.len() - 1;
        bytes[last_of_second] ^= 1;
        let mut batches = scan(&bytes, true);
        assert!(batches.next().expect("the first").is_ok());
        assert!(matches!(batches.next(), Some(Err(BatchError::CrcMismatch { .. }))));
        assert_eq!((batches.next(), batches.position()), (None, first.len()));
        assert_eq!(scan(&bytes, false).count(), 3, "headers alone look fine");
    }
}
