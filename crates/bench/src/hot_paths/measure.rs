//! Runs one path: how long an operation takes, and what it allocates.

use super::paths::Path;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Samples of a path's time; the shortest counts, because whatever else the machine does can only add.
const SAMPLES: u32 = 5;
/// Operations between two looks at the clock take at least this long.
const ROUND: Duration = Duration::from_micros(50);
/// Operations before allocations are counted: what grows at the beginning has grown.
const OPERATIONS_BEFORE: u64 = 200;
/// Operations whose allocations are counted.
const OPERATIONS_COUNTED: u64 = 200;
/// The share of a path's time that its checksum is measured for.
const CHECKSUM_PART: u32 = 5;

/// A path that is ready to run.
pub(super) struct Prepared {
    /// Does the work once and keeps nothing of it.
    pub(super) operation: Box<dyn FnMut()>,
    /// Bytes of records or messages that one operation takes in or gives out; 0 where none flow.
    pub(super) bytes: usize,
    /// How often the operation can be done before the path must be prepared anew.
    pub(super) operations_max: u64,
}

/// What one operation allocates, on average.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allocations {
    pub(super) count: f64,
    pub(super) bytes: f64,
}

/// One line of the table.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) nanoseconds: f64,
    pub(super) bytes: usize,
    /// What the CRC-32C of as many bytes takes; `None` where none flow.
    pub(super) checksum_nanoseconds: Option<f64>,
    pub(super) allocations: Allocations,
    /// The most that is stated for an operation.
    pub(super) allocations_max: f64,
}

impl Prepared {
    /// A path that can be run for ever.
    pub(super) fn new(bytes: usize, operation: impl FnMut() + 'static) -> Prepared {
        Prepared { operation: Box::new(operation), bytes, operations_max: u64::MAX }
    }

    fn run(&mut self, operations: u64) {
        for _ in 0..operations {
            (self.operation)();
        }
    }
}

impl Allocations {
    /// What an operation of the path allocates on this thread, the first ones left out.
    pub(super) fn of(path: &Path) -> Allocations {
        let mut prepared = (path.prepare)();
        assert!(prepared.operations_max >= OPERATIONS_BEFORE + OPERATIONS_COUNTED, "{} ends too soon", path.name);
        prepared.run(OPERATIONS_BEFORE);
        let counted = allocation_counter::measure(|| prepared.run(OPERATIONS_COUNTED));
        let per_operation = |total: u64| total as f64 / OPERATIONS_COUNTED as f64;
        Allocations { count: per_operation(counted.count_total), bytes: per_operation(counted.bytes_total) }
    }
}

impl Measured {
    /// Runs a path for about `time`.
    pub(super) fn of(path: &Path, time: Duration) -> Measured {
        let allocations = Allocations::of(path);
        let mut bytes = 0;
        let nanoseconds = best(time, || {
            let prepared = (path.prepare)();
            bytes = prepared.bytes;
            prepared
        });
        let checksum_nanoseconds = (bytes > 0).then(|| best(time / CHECKSUM_PART, || checksum(bytes)));
        let Path { name, allocations_max, .. } = *path;
        Measured { name, nanoseconds, bytes, checksum_nanoseconds, allocations, allocations_max }
    }

    /// 10^6 bytes per second, where bytes flow.
    pub(super) fn megabytes_per_second(&self) -> Option<f64> {
        (self.bytes > 0).then(|| 1000.0 * self.bytes as f64 / self.nanoseconds)
    }

    /// The time as a multiple of the checksum's.
    pub(super) fn checksums(&self) -> Option<f64> {
        self.checksum_nanoseconds.map(|checksum| self.nanoseconds / checksum)
    }
}

fn checksum(bytes: usize) -> Prepared {
    let content = vec![7; bytes];
    Prepared::new(bytes, move || {
        black_box(crc32c::crc32c(black_box(&content)));
    })
}

/// Nanoseconds of an operation in the best of the samples.
fn best(time: Duration, prepare: impl FnMut() -> Prepared) -> f64 {
    let mut clock = Clock::new(prepare);
    let samples = (0..SAMPLES).map(|_| clock.sample(time / SAMPLES));
    samples.fold(f64::INFINITY, f64::min)
}

/// Runs operations in rounds, preparing anew whenever none are left; only the rounds are timed.
struct Clock<P> {
    prepare: P,
    prepared: Prepared,
    left: u64,
    round: u64,
}

impl<P: FnMut() -> Prepared> Clock<P> {
    fn new(mut prepare: P) -> Clock<P> {
        let prepared = prepare();
        let left = prepared.operations_max;
        Clock { prepare, prepared, left, round: 1 }
    }

    /// Nanoseconds of an operation, over at least `time`.
    fn sample(&mut self, time: Duration) -> f64 {
        let (mut spent, mut operations) = (Duration::ZERO, 0);
        while spent < time || operations == 0 {
            if self.left == 0 {
                self.prepared = (self.prepare)();
                self.left = self.prepared.operations_max;
            }
            let round = self.round.min(self.left);
            let took = timed(&mut self.prepared, round);
            if took < ROUND && round == self.round {
                self.round *= 2;
            }
            (spent, operations, self.left) = (spent + took, operations + round, self.left - round);
        }
        spent.as_nanos() as f64 / operations as f64
    }
}

/// The time of so many operations, in which allocations are not counted: counting takes time too.
fn timed(prepared: &mut Prepared, operations: u64) -> Duration {
    let mut took = Duration::ZERO;
    allocation_counter::opt_out(|| {
        let started = Instant::now();
        prepared.run(operations);
        took = started.elapsed();
    });
    took
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn a_path_that_ends_is_prepared_anew() {
        let prepared = Rc::new(Cell::new(0));
        let counted = Rc::clone(&prepared);
        let mut clock = Clock::new(move || {
            counted.set(counted.get() + 1);
            let mut left = 3;
            let operation = move || {
                left -= 1;
                assert!(left >= 0, "once too often");
            };
            Prepared { operations_max: 3, ..Prepared::new(0, operation) }
        });
        assert!(clock.sample(Duration::from_micros(200)) > 0.0);
        assert!(prepared.get() > 1);
    }

    #[test]
    fn allocations_are_those_of_one_operation() {
        let prepare = || {
            let mut kept = Vec::with_capacity(1000);
            Prepared::new(0, move || kept.push((Box::new([0_u8; 24]), vec![0_u8; 100])))
        };
        let allocations = Allocations::of(&Path { name: "two boxes", allocations_max: 2.0, prepare });
        assert_eq!((allocations.count, allocations.bytes), (2.0, 124.0));
    }
}
