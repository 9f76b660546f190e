//! States that heartbeats ask for are initialised while the member has its answer already. One task at a time for each group:
//! what the group asks for meanwhile waits for that task.

use ottla_group::StateCall;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The groups whose states are being initialised, each with what is to be done next.
#[derive(Debug, Default)]
pub(crate) struct Initializing {
    groups: Mutex<BTreeMap<String, Option<StateCall>>>,
}

impl Initializing {
    /// A group asks for states. What the caller is to begin, until [`Initializing::next`] has nothing more; None when somebody
    /// is at it, who does this next.
    pub(crate) fn begin(&self, group_id: &str, call: StateCall) -> Option<StateCall> {
        let mut groups = self.groups();
        match groups.get_mut(group_id) {
            Some(next) => {
                *next = Some(joined(next.take().unwrap_or_default(), call));
                None
            }
            None => {
                groups.insert(group_id.to_string(), None);
                Some(call)
            }
        }
    }

    /// What the group asked for meanwhile; None ends the turn.
    pub(crate) fn next(&self, group_id: &str) -> Option<StateCall> {
        let mut groups = self.groups();
        let next = groups.get_mut(group_id).and_then(Option::take);
        if next.is_none() {
            groups.remove(group_id);
        }
        next
    }

    fn groups(&self) -> MutexGuard<'_, BTreeMap<String, Option<StateCall>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both calls; of a partition that both name, the later one.
fn joined(mut earlier: StateCall, later: StateCall) -> StateCall {
    for (topic_id, partitions) in later.topics {
        let known = earlier.topics.entry(topic_id).or_default();
        let both: BTreeMap<i32, i64> = known.drain(..).chain(partitions).collect();
        known.extend(both);
    }
    StateCall { state_epoch: earlier.state_epoch.max(later.state_epoch), topics: earlier.topics }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_types::Uuid;

    fn call(state_epoch: i32, partitions: &[i32]) -> StateCall {
        let partitions = partitions.iter().map(|partition| (*partition, -1)).collect();
        StateCall { state_epoch, topics: [(Uuid([1; 16]), partitions)].into() }
    }

    #[test]
    fn a_group_has_one_task_which_does_what_comes_meanwhile_too() {
        let initializing = Initializing::default();
        assert_eq!(initializing.begin("g", call(2, &[0])), Some(call(2, &[0])));
        assert_eq!(initializing.begin("g", call(3, &[0, 1])), None, "somebody is at it");
        assert_eq!(initializing.begin("g", call(4, &[1, 2])), None);
        assert_eq!(initializing.begin("h", call(2, &[0])), Some(call(2, &[0])), "another group");
        assert_eq!(initializing.next("g"), Some(call(4, &[0, 1, 2])));
        assert_eq!(initializing.next("g"), None);
        assert_eq!(initializing.begin("g", call(5, &[3])), Some(call(5, &[3])), "the next task");
    }
}
