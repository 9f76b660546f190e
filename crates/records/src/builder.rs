//! Builds batches: for our producers, coordinators, control records and tests, and for recompression at the leader.

use crate::compress::Compressor;
use crate::header::{BATCH_HEADER_LEN, BatchHeader, LOG_OVERHEAD, NO_TIMESTAMP, attributes};
use crate::record::{prefix_len, write_prefix, write_record};
use crate::varint::{varint_len, write_varint};
use crate::{Compression, CompressionSpec, NO_SEQUENCE, Record, SnappyFraming, TimestampType, ValidatedBatch, crc};
use bytes::Bytes;
use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};

/// Why a record does not fit or a batch cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The batch would be larger than the format (2 GiB) or the limit allows.
    #[error("the batch would exceed {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A batch of no records is not written.
    #[error("a batch needs at least one record")]
    Empty,
    /// Timestamps are at least 0, or -1 for none.
    #[error("negative timestamp {0}")]
    NegativeTimestamp(i64),
    /// The codec refused its level, or could not allocate.
    #[error("compression failed: {0}")]
    Compress(String),
}

/// Collects records into one batch; base offset 0, no leader epoch: the leader stamps both.
///
/// Options first, then records, then [`BatchBuilder::build`]. After an error the builder is spent.
pub struct BatchBuilder {
    compression: CompressionSpec,
    framing: SnappyFraming,
    limit: usize,
    header: BatchHeader,
    max_timestamp_delta: i32,
    is_transactional: bool,
    is_control: bool,
    timestamp_type: TimestampType,
    /// Made by the first record.
    compressor: Option<Compressor>,
    /// Reused from record to record.
    scratch: Vec<u8>,
    uncompressed_len: usize,
}

impl BatchBuilder {
    /// An empty batch. With [`TimestampType::LogAppendTime`] the highest timestamp counts for every record.
    pub fn new(compression: impl Into<CompressionSpec>, timestamp_type: TimestampType) -> BatchBuilder {
        BatchBuilder {
            compression: compression.into(),
            framing: SnappyFraming::default(),
            limit: i32::MAX as usize,
            header: empty_header(),
            max_timestamp_delta: 0,
            is_transactional: false,
            is_control: false,
            timestamp_type,
            compressor: None,
            scratch: Vec::new(),
            uncompressed_len: BATCH_HEADER_LEN,
        }
    }

    /// Marks the batch as an idempotent producer's, starting at `base_sequence`.
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Marks the batch as part of a transaction.
    pub fn transactional(mut self) -> BatchBuilder {
        self.is_transactional = true;
        self
    }

    /// Marks the batch as a control batch.
    pub fn control(mut self) -> BatchBuilder {
        self.is_control = true;
        self
    }

    /// Chooses the layout of snappy blocks.
    pub fn snappy_framing(mut self, framing: SnappyFraming) -> BatchBuilder {
        self.framing = framing;
        self
    }

    /// Refuses to grow beyond `bytes` for the whole batch, compressed, header included. What a codec still holds back
    /// is only counted at the end, so that [`BatchBuilder::build`] may fail with it too.
    pub fn limit(mut self, bytes: usize) -> BatchBuilder {
        self.limit = bytes.min(i32::MAX as usize);
        self
    }

    /// Adds a record at the next offset.
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Result<(), BuildError> {
        self.append_parts(timestamp, key, value, headers.iter().copied())
    }

    /// Adds an owned record at the next offset; its own offset is ignored.
    pub fn append_record(&mut self, record: &Record) -> Result<(), BuildError> {
        let headers = record.headers.iter().map(|(key, value)| (key.as_ref(), value.as_deref()));
        self.append_parts(record.timestamp, record.key.as_deref(), record.value.as_deref(), headers)
    }

    fn append_parts<'h>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = (&'h [u8], Option<&'h [u8]>)> + Clone,
    ) -> Result<(), BuildError> {
        let (timestamp_delta, offset_delta) = self.place(timestamp)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let too_large = BuildError::TooLarge { limit: self.limit };
        write_record(timestamp_delta, offset_delta, key, value, headers, &mut scratch).ok_or(too_large)?;
        let written = self.write(&scratch);
        self.scratch = scratch;
        written
    }

    /// Starts a record whose key, value and headers, `rest_len` bytes as they stand in another batch, follow with
    /// [`BatchBuilder::continue_record`].
    pub(crate) fn start_record(&mut self, timestamp: i64, rest_len: usize) -> Result<(), BuildError> {
        let (timestamp_delta, offset_delta) = self.place(timestamp)?;
        let body_len = prefix_len(timestamp_delta, offset_delta) + rest_len;
        let body_len = i32::try_from(body_len).map_err(|_| BuildError::TooLarge { limit: self.limit })?;
        let mut prefix = Vec::with_capacity(varint_len(body_len) + prefix_len(timestamp_delta, offset_delta));
        write_varint(body_len, &mut prefix);
        write_prefix(timestamp_delta, offset_delta, &mut prefix);
        self.write(&prefix)
    }

    /// More bytes of the record that was started last.
    pub(crate) fn continue_record(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.write(bytes)
    }

    /// Takes the next offset for a record with this timestamp; returns its deltas.
    fn place(&mut self, timestamp: i64) -> Result<(i64, i32), BuildError> {
        if timestamp < NO_TIMESTAMP {
            return Err(BuildError::NegativeTimestamp(timestamp));
        }
        let offset_delta = self.header.record_count;
        if offset_delta == i32::MAX {
            return Err(BuildError::TooLarge { limit: self.limit });
        }
        if offset_delta == 0 {
            self.header.base_timestamp = timestamp;
        }
        if timestamp > self.header.max_timestamp {
            self.header.max_timestamp = timestamp;
            self.max_timestamp_delta = offset_delta;
        }
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
        Ok((timestamp - self.header.base_timestamp, offset_delta))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BuildError> {
        self.uncompressed_len += bytes.len();
        let (compression, framing, limit) = (self.compression, self.framing, self.limit);
        let compressor = self
            .compressor
            .get_or_insert_with(|| Compressor::new(compression, framing, vec![0; BATCH_HEADER_LEN], limit));
        compressor.write(bytes)
    }

    /// Records so far.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// Bytes of the batch so far, as if it were not compressed.
    pub fn uncompressed_len(&self) -> usize {
        self.uncompressed_len
    }

    /// The finished batch; [`ValidatedBatch::to_bytes`] is its wire form.
    pub fn build(self) -> Result<ValidatedBatch, BuildError> {
        let mut batch = self.compressor.ok_or(BuildError::Empty)?.finish()?;
        let mut header = self.header;
        let length = i32::try_from(batch.len() - LOG_OVERHEAD).expect("the limit is that of the format");
        header.length = length;
        let codec = self.compression.codec;
        header.attributes = attributes(codec, self.timestamp_type, self.is_transactional, self.is_control);
        let (head, records) = batch.split_first_chunk_mut().expect("the compressor keeps room for the header");
        header.crc = crc::of_parts(&header.encode(), records);
        *head = header.encode();
        Ok(ValidatedBatch::new(header, Bytes::from(batch), self.max_timestamp_delta))
    }
}

fn empty_header() -> BatchHeader {
    BatchHeader {
        base_offset: 0,
        length: (BATCH_HEADER_LEN - LOG_OVERHEAD) as i32,
        partition_leader_epoch: LeaderEpoch::NONE,
        crc: 0,
        attributes: attributes(Compression::None, TimestampType::CreateTime, false, false),
        last_offset_delta: -1,
        base_timestamp: NO_TIMESTAMP,
        max_timestamp: NO_TIMESTAMP,
        producer_id: ProducerId::NONE,
        producer_epoch: ProducerEpoch::NONE,
        base_sequence: NO_SEQUENCE,
        record_count: 0,
    }
}
