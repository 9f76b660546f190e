//! The batch's CRC-32C: over everything from the attributes to the end, so that offset and leader epoch can be
//! stamped without a second pass over the records.

use crate::header::{ATTRIBUTES_AT, BATCH_HEADER_LEN};

/// Above this many record bytes it is cheaper to combine checksums than to read the records again.
const COMBINE_FROM_BYTES: usize = 64 * 1024;

/// The checksum of a whole batch in one slice. The slice is at least a header long.
pub(crate) fn of_batch(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[ATTRIBUTES_AT..])
}

/// The checksum of a batch whose header and records lie apart.
pub(crate) fn of_parts(header: &[u8; BATCH_HEADER_LEN], records: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&header[ATTRIBUTES_AT..]), records)
}

/// The checksum after the header changed from `old` to `new` while the records stayed: no second pass over many
/// records. `old_crc` is the right checksum for `old`.
pub(crate) fn after_header_change(
    old: &[u8; BATCH_HEADER_LEN],
    old_crc: u32,
    new: &[u8; BATCH_HEADER_LEN],
    records: &[u8],
) -> u32 {
    if records.len() < COMBINE_FROM_BYTES {
        return of_parts(new, records);
    }
    // CRCs are linear: crc(head ++ tail) = shift(crc(head), tail.len()) ^ crc(tail).
    let change = crc32c::crc32c(&old[ATTRIBUTES_AT..]) ^ crc32c::crc32c(&new[ATTRIBUTES_AT..]);
    crc32c::crc32c_combine(change, old_crc, records.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combining_equals_reading_everything_again() {
        let records: Vec<u8> = (0..200_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let old = [1u8; BATCH_HEADER_LEN];
        let mut new = old;
        new[40] = 99;
        new[22] = 8;
        for len in [0, 1, 100, COMBINE_FROM_BYTES - 1, COMBINE_FROM_BYTES, COMBINE_FROM_BYTES + 1, 200_000] {
            let records = &records[..len];
            let changed = after_header_change(&old, of_parts(&old, records), &new, records);
            assert_eq!(changed, of_parts(&new, records), "{len} record bytes");
        }
    }
}
