//! The server-side `sticky` assignor of tasks.
//!
//! Active tasks stay with who had them, then go to who has a standby copy, as long as that member has less than its share; the
//! rest goes to the process with the least load for its threads, and there to the thread with the fewest tasks. Standby tasks
//! likewise, never two copies in one process. Client tags and racks do not matter, as in Kafka 4.3.

mod state;

#[cfg(test)]
mod tests;

use super::tasks::TaskSets;
use state::{State, Task};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A member.
#[derive(Debug, Clone)]
pub(crate) struct MemberSpec {
    pub(crate) member_id: Arc<str>,
    pub(crate) process_id: Arc<str>,
    /// Its target assignment until now.
    pub(crate) target: Arc<TaskSets>,
}

/// A subtopology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubtopologySpec {
    pub(crate) id: String,
    pub(crate) task_count: i32,
    pub(crate) is_stateful: bool,
}

/// What tasks are assigned to whom.
#[derive(Debug, Clone)]
pub(crate) struct GroupSpec {
    /// At least one, each once.
    pub(crate) members: Vec<MemberSpec>,
    /// Ordered by id.
    pub(crate) subtopologies: Vec<SubtopologySpec>,
    pub(crate) num_standby_replicas: usize,
}

/// Every active task once, and as many standby copies as there are other processes for them. One assignment per member, in
/// their order.
pub(crate) fn sticky(spec: &GroupSpec) -> Vec<TaskSets> {
    let previous = Previous::new(spec);
    let mut state = State::new(spec);
    assign_active(spec, &previous, &mut state);
    if spec.num_standby_replicas > 0 {
        assign_standby(spec, &previous, &mut state);
    }
    state.into_assignments(spec)
}

/// Who had the tasks until now, as indexes of members.
struct Previous {
    active: BTreeMap<Task, usize>,
    standby: BTreeMap<Task, Vec<usize>>,
}

impl Previous {
    fn new(spec: &GroupSpec) -> Previous {
        let mut previous = Previous { active: BTreeMap::new(), standby: BTreeMap::new() };
        let index_of = |id: &str| spec.subtopologies.binary_search_by(|subtopology| subtopology.id.as_str().cmp(id));
        for (member, member_spec) in spec.members.iter().enumerate() {
            for (id, partitions) in &member_spec.target.active {
                let Ok(subtopology) = index_of(id) else { continue };
                let tasks = partitions.iter().map(|partition| Task { subtopology, partition: *partition });
                previous.active.extend(tasks.map(|task| (task, member)));
            }
            for (id, partitions) in &member_spec.target.standby {
                let Ok(subtopology) = index_of(id) else { continue };
                for partition in partitions {
                    previous.standby.entry(Task { subtopology, partition: *partition }).or_default().push(member);
                }
            }
        }
        previous
    }
}

fn tasks(spec: &GroupSpec, is_wanted: impl Fn(&SubtopologySpec) -> bool) -> Vec<Task> {
    let wanted = spec.subtopologies.iter().enumerate().filter(|(_, subtopology)| is_wanted(subtopology));
    wanted
        .flat_map(|(subtopology, spec)| (0..spec.task_count).map(move |partition| Task { subtopology, partition }))
        .collect()
}

fn assign_active(spec: &GroupSpec, previous: &Previous, state: &mut State) {
    let mut tasks = tasks(spec, |_| true);
    // Equal partitions of several subtopologies were given to one member: so they stay together.
    tasks.sort_by_key(|task| (task.partition, task.subtopology));
    tasks.retain(|task| {
        let member = previous.active.get(task).copied().filter(|member| state.has_active_quota(*member));
        member.map(|member| state.assign_active(*task, member)).is_none()
    });
    tasks.retain(|task| {
        let holders = previous.standby.get(task).map(Vec::as_slice).unwrap_or_default();
        let member = state.least_loaded(holders.iter().copied()).filter(|member| state.has_active_quota(*member));
        member.map(|member| state.assign_active(*task, member)).is_none()
    });
    tasks.sort();
    let mut processes = state.processes_by_load();
    for task in tasks {
        let Some((_, process)) = processes.pop_first() else { return };
        let member = state.freest_member(process);
        state.assign_active(task, member);
        processes.insert((state.load(process), process));
    }
}

fn assign_standby(spec: &GroupSpec, previous: &Previous, state: &mut State) {
    let mut tasks = tasks(spec, |subtopology| subtopology.is_stateful);
    tasks.sort_by_key(|task| std::cmp::Reverse((task.partition, task.subtopology)));
    let mut remaining = Vec::new();
    for task in tasks {
        for copy in 0..spec.num_standby_replicas {
            let may_take = |member: &usize| !state.process_has(*member, task);
            let active = previous.active.get(&task).copied().filter(may_take);
            let active = active.filter(|member| state.has_total_quota(*member));
            let member = active.or_else(|| {
                let holders = previous.standby.get(&task).map(Vec::as_slice).unwrap_or_default();
                let holder = state.least_loaded(holders.iter().copied().filter(may_take));
                holder.filter(|member| state.has_total_quota(*member))
            });
            let Some(member) = member else {
                remaining.push((task, spec.num_standby_replicas - copy));
                break;
            };
            state.assign_standby(task, member);
        }
    }
    remaining.sort_by_key(|(task, _)| std::cmp::Reverse(*task));
    let mut processes = state.processes_by_load();
    for (task, copies) in remaining {
        for _ in 0..copies {
            let free = processes.iter().find(|(_, process)| !state.has(*process, task)).copied();
            // Every process has one: there are fewer of them than copies are wanted.
            let Some(entry) = free else { break };
            processes.remove(&entry);
            let process = entry.1;
            let member = state.freest_member(process);
            state.assign_standby(task, member);
            processes.insert((state.load(process), process));
        }
    }
}
