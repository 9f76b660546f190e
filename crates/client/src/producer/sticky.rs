//! Records without a key: one partition until a batch's worth of bytes went there, then another one (KIP-480).
//!
//! The next one is drawn at random, partitions with short queues more often (KIP-794), so that a slow broker gets fewer
//! records instead of filling the buffer.

use ottla_runtime::Runtime;

/// The sticky partition of one topic.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    partition: Option<i32>,
    bytes: usize,
}

impl Sticky {
    /// The partition that is filled now.
    pub(super) fn current(
        &mut self,
        count: i32,
        available: &[i32],
        load: impl Fn(i32) -> usize,
        runtime: &Runtime,
    ) -> i32 {
        let partition = self.partition.filter(|partition| *partition < count);
        *self.partition.insert(partition.unwrap_or_else(|| draw(count, available, load, runtime)))
    }

    /// Counts a record. Moves on when `batch_size` is reached and the batch is full, at the latest at twice that.
    pub(super) fn appended(&mut self, bytes: usize, batch_size: usize, is_batch_full: bool) {
        self.bytes += bytes;
        let enough = self.bytes >= batch_size.max(1);
        if enough && (is_batch_full || self.bytes >= 2 * batch_size) {
            *self = Sticky::default();
        }
    }
}

/// Draws among the available partitions, among all when none is.
pub(super) fn draw(count: i32, available: &[i32], load: impl Fn(i32) -> usize, runtime: &Runtime) -> i32 {
    if available.is_empty() {
        let count = u64::try_from(count).expect("a topic has partitions");
        return i32::try_from(runtime.random_range(0..count)).expect("below the count");
    }
    let weights = weights(available.iter().map(|partition| load(*partition)));
    let total: u64 = weights.iter().sum();
    let mut drawn = runtime.random_range(0..total);
    for (partition, weight) in available.iter().zip(&weights) {
        match drawn.checked_sub(*weight) {
            Some(rest) => drawn = rest,
            None => return *partition,
        }
    }
    unreachable!("the draw is below the sum of the weights")
}

/// Kafka's: the longest queue has weight 1, every batch less one more.
fn weights(loads: impl Iterator<Item = usize> + Clone) -> Vec<u64> {
    let longest = loads.clone().max().unwrap_or(0);
    loads.map(|load| (longest - load) as u64 + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::sim::World;

    #[test]
    fn it_stays_until_a_batch_is_full() {
        let world = World::new(1);
        let runtime = world.node("client");
        let mut sticky = Sticky::default();
        let first = sticky.current(8, &[0, 3, 5], |_| 0, &runtime);
        sticky.appended(90, 100, false);
        assert_eq!(sticky.current(8, &[0, 3, 5], |_| 0, &runtime), first);
        sticky.appended(20, 100, false);
        assert_eq!(sticky.partition, Some(first), "the batch has room");
        sticky.appended(20, 100, true);
        assert_eq!(sticky.partition, None);
        sticky.current(8, &[], |_| 0, &runtime);
        sticky.appended(200, 100, false);
        assert_eq!(sticky.partition, None, "twice the batch is enough");
    }

    #[test]
    fn short_queues_are_drawn_more_often_and_others_never_starve() {
        assert_eq!(weights([4, 0, 2].into_iter()), [1, 5, 3]);
        let world = World::new(2);
        let runtime = world.node("client");
        let mut drawn = [0; 8];
        for _ in 0..900 {
            let load = |partition| if partition == 1 { 4 } else { 0 };
            drawn[draw(8, &[1, 6], load, &runtime) as usize] += 1;
        }
        assert_eq!(drawn.iter().sum::<i32>(), drawn[1] + drawn[6], "only available ones");
        assert!(drawn[1] > 90 && drawn[1] < 220, "{drawn:?}");
    }
}
