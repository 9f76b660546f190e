//! A shard's timers, by deadline.

use ottla_runtime::Instant;
use std::collections::BTreeMap;

/// Named timers. Those with the same deadline fire in the order in which they were set.
///
/// Most timers are moved on again and again and never fire (members that are alive). Moving one to a later deadline leaves
/// it where it is queued; when its turn comes it is queued again.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: BTreeMap<Place, K>,
    by_key: BTreeMap<K, Timer>,
    next_number: u64,
}

/// A deadline, and the number of the setting.
type Place = (Instant, u64);

#[derive(Debug)]
struct Timer {
    due: Place,
    /// Never after `due`.
    queued: Place,
}

impl<K: Ord + Clone> Timers<K> {
    pub(crate) fn new() -> Timers<K> {
        Timers { queue: BTreeMap::new(), by_key: BTreeMap::new(), next_number: 0 }
    }

    /// Sets a timer, in the place of an earlier one with the same key.
    pub(crate) fn schedule(&mut self, key: K, deadline: Instant) {
        let due = (deadline, self.next_number);
        self.next_number += 1;
        if let Some(timer) = self.by_key.get_mut(&key) {
            timer.due = due;
            if timer.queued > due {
                self.queue.remove(&timer.queued);
                timer.queued = due;
                self.queue.insert(due, key);
            }
            return;
        }
        self.by_key.insert(key.clone(), Timer { due, queued: due });
        self.queue.insert(due, key);
    }

    pub(crate) fn cancel(&mut self, key: &K) {
        if let Some(timer) = self.by_key.remove(key) {
            self.queue.remove(&timer.queued);
        }
    }

    /// No timer fires before this.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Takes the first one whose deadline is `now` or earlier.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<K> {
        loop {
            let first = self.queue.first_entry().filter(|first| first.key().0 <= now)?;
            let (place, key) = first.remove_entry();
            let timer = self.by_key.get_mut(&key)?;
            if timer.due == place {
                self.by_key.remove(&key);
                return Some(key);
            }
            timer.queued = timer.due;
            self.queue.insert(timer.due, key);
        }
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
            assert_eq!(timers.take_due(at(1)), None);
            assert_eq!(timers.next_deadline(), Some(at(2)));
            assert_eq!((timers.take_due(at(3)), timers.take_due(at(3))), (Some("b"), Some("a")));
            assert_eq!((timers.take_due(at(8)), timers.take_due(at(9))), (None, Some("c")));
            assert_eq!(timers.next_deadline(), None);
            assert!(timers.by_key.is_empty() && timers.queue.is_empty());
        });
    }

    #[test]
    fn timers_that_are_moved_fire_once_and_at_their_last_deadline() {
        World::new(1).run(async {
            let world = World::new(2);
            let now = world.node("node").now();
            let at = |seconds| now + Duration::from_secs(seconds);
            let mut timers = Timers::new();
            for seconds in 1..=5 {
                timers.schedule("moved on", at(seconds));
            }
            timers.schedule("same time", at(5));
            timers.schedule("moved back", at(9));
            timers.schedule("moved back", at(2));
            timers.schedule("gone", at(1));
            timers.schedule("gone", at(3));
            timers.cancel(&"gone");
            assert_eq!(timers.queue.len(), 3);
            assert_eq!((timers.take_due(at(4)), timers.take_due(at(4))), (Some("moved back"), None));
            assert_eq!(timers.next_deadline(), Some(at(5)));
            assert_eq!((timers.take_due(at(5)), timers.take_due(at(5))), (Some("moved on"), Some("same time")));
            assert_eq!(timers.take_due(at(20)), None);
            assert!(timers.by_key.is_empty() && timers.queue.is_empty());
        });
    }
}
