//! Whole runs.

use crate::{Options, run};

#[test]
fn equal_seeds_give_equal_traces() {
    let hash = |seed| {
        run(&Options { lives: 4, ..Options::new(seed) }).unwrap_or_else(|failure| panic!("{failure}")).trace_hash
    };
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}
