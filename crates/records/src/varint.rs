//! Zig-zag varints of record fields: at most 5 bytes for an i32, 10 for an i64.

/// Longest i32.
pub(crate) const VARINT_BYTES_MAX: usize = 5;
/// Longest i64.
pub(crate) const VARLONG_BYTES_MAX: usize = 10;

/// Reads an i32 at the start of `bytes`: the value and its length. `None` when it is cut short or too long.
#[inline]
pub(crate) fn read_varint(bytes: &[u8]) -> Option<(i32, usize)> {
    let (raw, len) = read_unsigned(bytes, VARINT_BYTES_MAX)?;
    // As Kafka: bits beyond the 32nd are dropped.
    let raw = raw as u32;
    Some((((raw >> 1) as i32) ^ -((raw & 1) as i32), len))
}

/// Reads an i64 at the start of `bytes`: the value and its length. `None` when it is cut short or too long.
#[inline]
pub(crate) fn read_varlong(bytes: &[u8]) -> Option<(i64, usize)> {
    let (raw, len) = read_unsigned(bytes, VARLONG_BYTES_MAX)?;
    Some((((raw >> 1) as i64) ^ -((raw & 1) as i64), len))
}

/// One and two bytes are by far the most frequent: lengths below 8 KiB and small deltas.
#[inline]
fn read_unsigned(bytes: &[u8], bytes_max: usize) -> Option<(u64, usize)> {
    match *bytes {
        [a, ..] if a < 0x80 => Some((u64::from(a), 1)),
        [a, b, ..] if b < 0x80 => Some((u64::from(a & 0x7f) | (u64::from(b) << 7), 2)),
        _ => read_unsigned_loop(bytes, bytes_max),
    }
}

fn read_unsigned_loop(bytes: &[u8], bytes_max: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(bytes_max).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((value, i + 1));
        }
    }
    None
}

/// Appends an i32.
pub(crate) fn write_varint(value: i32, out: &mut Vec<u8>) {
    write_unsigned(u64::from(zig_zag_i32(value)), out);
}

/// Appends an i64.
pub(crate) fn write_varlong(value: i64, out: &mut Vec<u8>) {
    write_unsigned(zig_zag_i64(value), out);
}

/// Bytes that [`write_varint`] appends.
pub(crate) fn varint_len(value: i32) -> usize {
    unsigned_len(u64::from(zig_zag_i32(value)))
}

/// Bytes that [`write_varlong`] appends.
pub(crate) fn varlong_len(value: i64) -> usize {
    unsigned_len(zig_zag_i64(value))
}

fn zig_zag_i32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

fn zig_zag_i64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn write_unsigned(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn unsigned_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn written_numbers_read_back(int: i32, long: i64) {
            let mut bytes = Vec::new();
            write_varint(int, &mut bytes);
            prop_assert_eq!(read_varint(&bytes), Some((int, varint_len(int))));
            prop_assert_eq!(bytes.len(), varint_len(int));
            bytes.clear();
            write_varlong(long, &mut bytes);
            prop_assert_eq!(read_varlong(&bytes), Some((long, varlong_len(long))));
            prop_assert_eq!(bytes.len(), varlong_len(long));
        }
    }

    #[test]
    fn known_forms() {
        for (value, bytes) in [(0, vec![0]), (-1, vec![1]), (1, vec![2]), (-64, vec![0x7f]), (64, vec![0x80, 1])] {
            assert_eq!(read_varint(&bytes), Some((value, bytes.len())));
        }
        assert_eq!(read_varint(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), Some((i32::MAX, 5)));
        assert_eq!(read_varint(&[0x80; 5]), None, "a sixth byte would be needed");
        assert_eq!(read_varint(&[0x80]), None, "cut short");
        assert_eq!(read_varlong(&[0x80; 10]), None);
        assert_eq!(read_varlong(&[]), None);
    }
}
