//! Which partition of `__consumer_offsets` holds a group.

/// The partition of a group among `count`: Java's `String.hashCode` of its id, without sign.
pub(crate) fn partition_of(group_id: &str, count: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // As Kafka's `Utils.abs`.
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn groups_are_where_kafka_puts_them() {
        assert_eq!(partition_of("", 50), 0);
        assert_eq!(partition_of("polygenelubricants", 50), 0, "its hash is the smallest integer");
        assert_eq!(partition_of("a", 50), 97 % 50);
        assert_eq!(partition_of("ab", 1_000_000), 97 * 31 + 98);
        // Characters beyond the first plane count as two units.
        assert_eq!(partition_of("\u{1F600}", i32::MAX), 0xD83D * 31 + 0xDE00);
    }
}
