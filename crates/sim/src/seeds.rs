//! The seeds that every test run replays. Seeds that once found a bug stay here.

/// Replayed by every test run, before fresh ones.
pub const COMMITTED_SEEDS: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
