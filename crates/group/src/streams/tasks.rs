//! Tasks. One is a subtopology and a partition number; a member has it as active, standby or warm-up task.

use std::collections::{BTreeMap, BTreeSet};

/// Partition numbers by subtopology; no set is empty.
pub(crate) type Tasks = BTreeMap<String, BTreeSet<i32>>;

/// Active tasks, each with the member epoch in which its owner got it.
pub(crate) type TaskEpochs = BTreeMap<String, BTreeMap<i32, i32>>;

/// What a member should have, or says that it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TaskSets {
    pub(crate) active: Tasks,
    pub(crate) standby: Tasks,
    pub(crate) warmup: Tasks,
}

/// What a member has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AssignedTasks {
    pub(crate) active: TaskEpochs,
    pub(crate) standby: Tasks,
    pub(crate) warmup: Tasks,
}

impl TaskSets {
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether any of `tasks` is among these, as what it is there.
    pub(crate) fn contains_any_of(&self, tasks: &AssignedTasks) -> bool {
        overlaps(&self.active, &active_tasks(&tasks.active))
            || overlaps(&self.standby, &tasks.standby)
            || overlaps(&self.warmup, &tasks.warmup)
    }
}

impl AssignedTasks {
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.standby.is_empty() && self.warmup.is_empty()
    }

    /// Whether all of `tasks` are among these.
    pub(crate) fn contains_all_of(&self, tasks: &TaskSets) -> bool {
        contains(&active_tasks(&self.active), &tasks.active)
            && contains(&self.standby, &tasks.standby)
            && contains(&self.warmup, &tasks.warmup)
    }

    /// The member epoch in which an active task was got.
    pub(crate) fn active_epoch(&self, subtopology_id: &str, partition: i32) -> Option<i32> {
        self.active.get(subtopology_id)?.get(&partition).copied()
    }
}

/// Without the epochs.
pub(crate) fn active_tasks(tasks: &TaskEpochs) -> Tasks {
    tasks.iter().map(|(id, partitions)| (id.clone(), partitions.keys().copied().collect())).collect()
}

/// As lists, for a message.
pub(crate) fn lists(tasks: &Tasks) -> impl Iterator<Item = (String, Vec<i32>)> {
    tasks.iter().map(|(id, partitions)| (id.clone(), partitions.iter().copied().collect()))
}

/// Of lists of a message.
pub(crate) fn of_lists<'a>(lists: impl Iterator<Item = (&'a String, &'a Vec<i32>)>) -> Tasks {
    let mut tasks = Tasks::new();
    for (id, partitions) in lists.filter(|(_, partitions)| !partitions.is_empty()) {
        tasks.entry(id.clone()).or_default().extend(partitions);
    }
    tasks
}

fn overlaps(left: &Tasks, right: &Tasks) -> bool {
    left.iter().any(|(id, partitions)| right.get(id).is_some_and(|others| !partitions.is_disjoint(others)))
}

fn contains(all: &Tasks, some: &Tasks) -> bool {
    some.iter().all(|(id, partitions)| all.get(id).is_some_and(|others| partitions.is_subset(others)))
}
