//! What our client does with batches: it builds them of records, and reads the records of those that it fetched.

use super::batches::{Shape, build, idempotent_builder};
use super::measure::Prepared;
use ottla_records::{Compression, DECOMPRESSED_BATCH_BYTES_MAX, read_all, scan};
use std::hint::black_box;

/// A producer's batch, from its records to the bytes that are sent.
pub(super) fn build_batch(shape: Shape) -> Prepared {
    let records = shape.records();
    Prepared::new(shape.plain_bytes(), move || {
        black_box(build(idempotent_builder(0), black_box(&records)).to_bytes());
    })
}

/// A consumer's batch, from the bytes that were fetched to its records, the checksum included.
pub(super) fn read_batch(shape: Shape) -> Prepared {
    let batch = shape.batch(Compression::None).to_bytes();
    Prepared::new(batch.len(), move || {
        for found in scan(black_box(&batch), true) {
            let (_, range) = found.expect("the batch is good");
            black_box(read_all(&batch.slice(range), DECOMPRESSED_BATCH_BYTES_MAX).expect("the records are good"));
        }
    })
}
