//! Whole runs.

use crate::{Load, Options, run};

#[test]
fn equal_seeds_give_equal_traces() {
    for &load in Load::ALL {
        let hash = |seed| {
            let options = Options { lives: 4, ..Options::new(load, seed) };
            run(&options).unwrap_or_else(|failure| panic!("{failure}")).trace_hash
        };
        assert_eq!(hash(5), hash(5));
        assert_ne!(hash(5), hash(8));
    }
}
