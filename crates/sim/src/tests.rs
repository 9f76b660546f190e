//! Whole runs.

use crate::{Options, run};

#[test]
fn equal_seeds_give_equal_traces() {
    let hash = |seed| {
        run(&Options { lives: 4, ..Options::new(seed) }).unwrap_or_else(|failure| panic!("{failure}")).trace_hash
    };
    assert_eq!(hash(5), hash(5));
    assert_ne!(hash(5), hash(8));
}
