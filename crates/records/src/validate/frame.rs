//! Finds the one batch in a partition's record bytes: what Kafka checks for the whole request.

use super::{ProduceLimits, ProduceRejected, rejected};
use crate::header::{LOG_OVERHEAD, MAGIC_AT, MAGIC_V2};
use crate::{BatchHeader, Compression};
use ottla_types::ErrorCode;

/// The shortest record of any message format (magic 0), without offset and length.
const OLDEST_RECORD_BYTES: i32 = 14;
/// First Produce version that may carry zstd (KIP-110).
const ZSTD_FROM_VERSION: i16 = 7;

/// The header of the only batch in `records`; the batch is whole.
pub(super) fn the_only_batch(records: &[u8], limits: &ProduceLimits) -> Result<BatchHeader, ProduceRejected> {
    let invalid = |message: &str| ProduceRejected::new(ErrorCode::InvalidRecord, message);
    let len = whole_batch_len(records)?.ok_or_else(|| invalid("no record batch for the partition"))?;
    if records[MAGIC_AT] as i8 != MAGIC_V2 {
        return Err(invalid("only record batches of magic 2 are accepted"));
    }
    let header = BatchHeader::parse(&records[..len]).map_err(rejected)?;
    if limits.api_version < ZSTD_FROM_VERSION && header.compression() == Ok(Compression::Zstd) {
        let message = format!("zstd needs Produce version {ZSTD_FROM_VERSION}, not {}", limits.api_version);
        return Err(ProduceRejected::new(ErrorCode::UnsupportedCompressionType, message));
    }
    // A batch that is cut off behind the first one is left away, as in Kafka.
    match whole_batch_len(&records[len..])? {
        None => Ok(header),
        Some(_) => Err(invalid("more than one record batch for the partition")),
    }
}

/// Length of the batch of any format at the start of `bytes`; `None` if there is no whole one.
fn whole_batch_len(bytes: &[u8]) -> Result<Option<usize>, ProduceRejected> {
    let corrupt = |message: String| Err(ProduceRejected::new(ErrorCode::CorruptMessage, message));
    let Some(head) = bytes.first_chunk::<LOG_OVERHEAD>() else { return Ok(None) };
    let [.., a, b, c, d] = *head;
    let length = i32::from_be_bytes([a, b, c, d]);
    if length < OLDEST_RECORD_BYTES {
        return corrupt(format!("a batch length of {length} is below that of any record"));
    }
    let Some(&magic) = bytes.get(MAGIC_AT) else { return Ok(None) };
    if !(0..=MAGIC_V2).contains(&(magic as i8)) {
        return corrupt(format!("unknown magic {}", magic as i8));
    }
    let len = LOG_OVERHEAD + usize::try_from(length).expect("checked to be positive above");
    Ok((bytes.len() >= len).then_some(len))
}
