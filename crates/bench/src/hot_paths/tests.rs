//! No hot path allocates more than it did.

use super::measure::{Allocations, Measured, Prepared};
use super::paths::{PATHS, Path};
use std::time::Duration;

/// What is wrong with a path, if something is.
fn excess(path: &Path) -> Option<String> {
    let (allocations, most) = (Allocations::of(path), path.allocations_max);
    (allocations.count > most)
        .then(|| format!("{}: {} allocations in an operation, at most {most} are stated", path.name, allocations.count))
}

#[test]
fn no_path_allocates_more_than_stated() {
    let excesses: Vec<String> = PATHS.iter().filter_map(excess).collect();
    assert!(excesses.is_empty(), "{}", excesses.join("\n"));
}

#[test]
fn an_allocation_too_many_is_noticed() {
    let prepare = || {
        Prepared::new(0, || {
            std::hint::black_box(Box::new(7));
        })
    };
    assert_eq!(excess(&Path { name: "as stated", allocations_max: 1.0, prepare }), None);
    let found = excess(&Path { name: "too many", allocations_max: 0.5, prepare }).unwrap();
    assert_eq!(found, "too many: 1 allocations in an operation, at most 0.5 are stated");
}

#[test]
fn every_path_is_timed_under_a_name_of_its_own() {
    for (index, path) in PATHS.iter().enumerate() {
        let measured = Measured::of(path, Duration::from_micros(100));
        assert!(measured.nanoseconds > 0.0, "{}", path.name);
        assert!(PATHS[..index].iter().all(|other| other.name != path.name), "{} is there twice", path.name);
    }
}
