//! What a leader does with a produced batch before it may enter the log.

use super::batches::{Shape, TIMESTAMP_MS};
use super::measure::Prepared;
use ottla_protocol::{Message, ProduceRequest};
use ottla_records::{Compression, ProduceLimits, validate_produce};
use std::hint::black_box;

/// Checksum, header and every record of a batch, which stays as it came.
pub(super) fn validate(shape: Shape, compression: Compression) -> Prepared {
    let batch = shape.batch(compression).to_bytes();
    let limits = ProduceLimits::new(ProduceRequest::MAX_VERSION, TIMESTAMP_MS);
    Prepared::new(shape.plain_bytes(), move || {
        black_box(validate_produce(black_box(&batch), &limits).expect("the batch is good"));
    })
}
