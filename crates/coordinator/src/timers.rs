//! A shard's timers, by deadline.

use ottla_runtime::Instant;
use std::collections::BTreeMap;

/// Named timers. Those with the same deadline fire in the order in which they were set.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    by_deadline: BTreeMap<(Instant, u64), K>,
    by_key: BTreeMap<K, (Instant, u64)>,
    next_number: u64,
}

impl<K: Ord + Clone> Timers<K> {
    pub(crate) fn new() -> Timers<K> {
        Timers { by_deadline: BTreeMap::new(), by_key: BTreeMap::new(), next_number: 0 }
    }

    /// Sets a timer, in the place of an earlier one with the same key.
    pub(crate) fn schedule(&mut self, key: K, deadline: Instant) {
        self.cancel(&key);
        let place = (deadline, self.next_number);
        self.next_number += 1;
        self.by_key.insert(key.clone(), place);
        self.by_deadline.insert(place, key);
    }

    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some(place) = self.by_key.remove(key) {
            self.by_deadline.remove(&place);
        }
    }

    /// When the next one fires.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Takes the first one whose deadline is `now` or earlier.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<K> {
        let first = self.by_deadline.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let key = first.remove();
        self.by_key.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::sim::World;
    use std::time::Duration;

    #[test]
    fn timers_fire_by_deadline_and_the_last_setting_counts() {
        World::new(1).run(async {
            let world = World::new(2);
            let now = world.node("node").now();
            let at = |seconds| now + Duration::from_secs(seconds);
            let mut timers = Timers::new();
            timers.schedule("b", at(2));
            timers.schedule("a", at(2));
            timers.schedule("c", at(1));
            timers.schedule("c", at(9));
            timers.schedule("d", at(1));
            timers.cancel(&"d");
            timers.cancel(&"never set");
            assert_eq!(timers.next_deadline(), Some(at(2)));
            assert_eq!(timers.take_due(at(1)), None);
            assert_eq!((timers.take_due(at(3)), timers.take_due(at(3))), (Some("b"), Some("a")));
            assert_eq!((timers.take_due(at(8)), timers.take_due(at(9))), (None, Some("c")));
            assert_eq!(timers.next_deadline(), None);
            assert!(timers.by_key.is_empty());
        });
    }
}
