//! Rebuilds a batch with another codec, or with offsets that count 0, 1, 2 ... where the producer's do not.
//!
//! Keys, values and headers are streamed from the old batch into the new one as they stand; only what depends on a
//! record's place in the batch is written anew.

use crate::error::RecordFault;
use crate::stream::OpenBatch;
use crate::walk::record_timestamp;
use crate::{BatchBuilder, BatchError, BuildError, CompressionSpec, TimestampType, ValidatedBatch};

/// Limits of a rebuild.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RebuildLimits {
    /// Bytes of the new batch, header included.
    pub(crate) batch_bytes_max: usize,
    /// Decompressed bytes of the old one.
    pub(crate) decompressed_bytes_max: u64,
}

/// Why a rebuild failed.
#[derive(Debug)]
pub(crate) enum RebuildError {
    /// The old batch cannot be read.
    Read(BatchError),
    /// The new batch cannot be built.
    Build(BuildError),
}

/// The faults that reading and writing one record can meet.
enum CopyError {
    Read(RecordFault),
    Build(BuildError),
}

/// Rebuilds `batch`, which is exactly one batch and was walked before, with `compression`.
pub(crate) fn rebuild(
    batch: &[u8],
    compression: CompressionSpec,
    limits: RebuildLimits,
) -> Result<ValidatedBatch, RebuildError> {
    let mut old = OpenBatch::open(batch, limits.decompressed_bytes_max).map_err(RebuildError::Read)?;
    let header = old.header;
    let mut new = BatchBuilder::new(compression, TimestampType::CreateTime)
        .producer(header.producer_id, header.producer_epoch, header.base_sequence)
        .limit(limits.batch_bytes_max);
    if header.is_transactional() {
        new = new.transactional();
    }
    for index in 0..old.count {
        copy_record(&mut old, &mut new).map_err(|error| match error {
            CopyError::Read(fault) => RebuildError::Read(fault.at(index, old.codec)),
            CopyError::Build(error) => RebuildError::Build(error),
        })?;
    }
    new.build().map_err(RebuildError::Build)
}

fn copy_record(old: &mut OpenBatch<'_>, new: &mut BatchBuilder) -> Result<(), CopyError> {
    let (body_len, _) = old.stream.varint()?;
    old.stream.byte()?;
    let (timestamp_delta, timestamp_len) = old.stream.varlong()?;
    let (_, offset_len) = old.stream.varint()?;
    let prefix_len = 1 + timestamp_len + offset_len;
    let rest_len = usize::try_from(body_len).ok().and_then(|len| len.checked_sub(prefix_len));
    let rest_len = rest_len.ok_or(RecordFault::Invalid("the record is shorter than its fields"))?;
    new.start_record(record_timestamp(&old.header, timestamp_delta), rest_len)?;
    old.stream.pass(rest_len, |piece| new.continue_record(piece).map_err(CopyError::Build))
}

impl From<RecordFault> for CopyError {
    fn from(fault: RecordFault) -> CopyError {
        CopyError::Read(fault)
    }
}

impl From<BuildError> for CopyError {
    fn from(error: BuildError) -> CopyError {
        CopyError::Build(error)
    }
}
