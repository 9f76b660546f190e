//! Sequence numbers of idempotent producers: they count records, and 0 follows 2147483647.

/// "No sequence": the batch's producer is not idempotent, or the batch comes from a coordinator.
pub const NO_SEQUENCE: i32 = -1;

/// The sequence `increment` records after `sequence`. Both at least 0.
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(increment);
    wrap(sum)
}

/// The sequence `decrement` records before `sequence`. Both at least 0.
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    wrap(i64::from(sequence) - i64::from(decrement))
}

/// Whether `next` is the sequence directly after `last`; after [`NO_SEQUENCE`] that is 0.
pub fn follows_sequence(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (last == i32::MAX && next == 0)
}

fn wrap(sequence: i64) -> i32 {
    let wrapped = sequence.rem_euclid(1 << 31);
    i32::try_from(wrapped).expect("a remainder below 2^31 fits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_follows_the_highest_sequence() {
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 2, 5), 2);
        assert_eq!(decrement_sequence(0, 1), i32::MAX);
        assert_eq!(decrement_sequence(2, 5), i32::MAX - 2);
        assert!(follows_sequence(i32::MAX, 0));
        assert!(follows_sequence(NO_SEQUENCE, 0));
        assert!(follows_sequence(41, 42));
        assert!(!follows_sequence(42, 42));
        assert!(!follows_sequence(i32::MAX, i32::MIN));
    }
}
