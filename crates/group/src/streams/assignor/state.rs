//! What the assignor has given away so far: the load of processes and members, and each member's share.

use super::GroupSpec;
use crate::streams::tasks::{TaskSets, Tasks};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A task, with its subtopology by index. Ordered by subtopology, then by partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Task {
    pub(super) subtopology: usize,
    pub(super) partition: i32,
}

/// Tasks per thread of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    tasks: usize,
    threads: usize,
}

/// How many tasks each member should have at most. Shrinks when members that reached it have taken more than an equal share.
struct Quota {
    tasks: usize,
    members: usize,
    per_member: usize,
}

struct Process {
    load: Load,
    tasks: BTreeSet<Task>,
    /// Its members by the number of their tasks.
    members: BTreeSet<(usize, usize)>,
}

struct Member {
    process: usize,
    task_count: usize,
    active: BTreeSet<Task>,
    standby: BTreeSet<Task>,
}

/// Members and processes are named by index.
pub(super) struct State {
    members: Vec<Member>,
    processes: Vec<Process>,
    active: Quota,
    total: Quota,
}

impl State {
    pub(super) fn new(spec: &GroupSpec) -> State {
        let mut by_id: BTreeMap<&str, usize> = BTreeMap::new();
        let mut processes: Vec<Process> = Vec::new();
        let mut members = Vec::with_capacity(spec.members.len());
        for (index, member) in spec.members.iter().enumerate() {
            let process = *by_id.entry(&member.process_id).or_insert_with(|| {
                let load = Load { tasks: 0, threads: 0 };
                processes.push(Process { load, tasks: BTreeSet::new(), members: BTreeSet::new() });
                processes.len() - 1
            });
            processes[process].load.threads += 1;
            processes[process].members.insert((0, index));
            members.push(Member { process, task_count: 0, active: BTreeSet::new(), standby: BTreeSet::new() });
        }
        let count = |task_count: i32| usize::try_from(task_count).unwrap_or(0);
        let active: usize = spec.subtopologies.iter().map(|subtopology| count(subtopology.task_count)).sum();
        let stateful = spec.subtopologies.iter().filter(|subtopology| subtopology.is_stateful);
        let stateful: usize = stateful.map(|subtopology| count(subtopology.task_count)).sum();
        let total = active.saturating_add(stateful.saturating_mul(spec.num_standby_replicas));
        let (active, total) = (Quota::new(active, members.len()), Quota::new(total, members.len()));
        State { members, processes, active, total }
    }

    pub(super) fn assign_active(&mut self, task: Task, member: usize) {
        let count = self.add(task, member);
        self.members[member].active.insert(task);
        self.active.reached(count);
        self.total.reached(count);
    }

    pub(super) fn assign_standby(&mut self, task: Task, member: usize) {
        let count = self.add(task, member);
        self.members[member].standby.insert(task);
        self.total.reached(count);
    }

    /// Whether the member has less than its share of active tasks.
    pub(super) fn has_active_quota(&self, member: usize) -> bool {
        self.members[member].task_count < self.active.per_member
    }

    /// Whether the member has less than its share of all tasks.
    pub(super) fn has_total_quota(&self, member: usize) -> bool {
        self.members[member].task_count < self.total.per_member
    }

    /// Whether the process of the member has the task.
    pub(super) fn process_has(&self, member: usize, task: Task) -> bool {
        self.has(self.members[member].process, task)
    }

    /// Whether the process has the task.
    pub(super) fn has(&self, process: usize, task: Task) -> bool {
        self.processes[process].tasks.contains(&task)
    }

    pub(super) fn load(&self, process: usize) -> Load {
        self.processes[process].load
    }

    pub(super) fn processes_by_load(&self) -> BTreeSet<(Load, usize)> {
        self.processes.iter().enumerate().map(|(index, process)| (process.load, index)).collect()
    }

    /// The member of the process with the fewest tasks.
    pub(super) fn freest_member(&self, process: usize) -> usize {
        let first = self.processes[process].members.first();
        first.map(|(_, member)| *member).expect("a process is made for its first member")
    }

    /// Of some members the one in the least loaded process, and there the one with the fewest tasks.
    pub(super) fn least_loaded(&self, members: impl Iterator<Item = usize>) -> Option<usize> {
        members.min_by_key(|member| {
            let state = &self.members[*member];
            (self.load(state.process), state.task_count, *member)
        })
    }

    pub(super) fn into_assignments(self, spec: &GroupSpec) -> Vec<TaskSets> {
        let by_subtopology = |tasks: &BTreeSet<Task>| {
            let mut all = Tasks::new();
            for task in tasks {
                let id = &spec.subtopologies[task.subtopology].id;
                match all.get_mut(id) {
                    Some(partitions) => drop(partitions.insert(task.partition)),
                    None => drop(all.insert(id.clone(), BTreeSet::from([task.partition]))),
                }
            }
            all
        };
        let assignments = self.members.iter().map(|member| TaskSets {
            active: by_subtopology(&member.active),
            standby: by_subtopology(&member.standby),
            warmup: Tasks::new(),
        });
        assignments.collect()
    }

    /// Answers how many tasks the member has now.
    fn add(&mut self, task: Task, member: usize) -> usize {
        let state = &mut self.members[member];
        let process = &mut self.processes[state.process];
        process.members.remove(&(state.task_count, member));
        state.task_count += 1;
        process.members.insert((state.task_count, member));
        process.tasks.insert(task);
        process.load.tasks += 1;
        state.task_count
    }
}

impl Quota {
    fn new(tasks: usize, members: usize) -> Quota {
        Quota { tasks, members, per_member: tasks.checked_div(members).map_or(0, |_| tasks.div_ceil(members)) }
    }

    /// A member has `count` tasks now. When that is its share, the others divide what is left.
    fn reached(&mut self, count: usize) {
        if count == self.per_member {
            *self = Quota::new(self.tasks.saturating_sub(count), self.members.saturating_sub(1));
        }
    }
}

impl Ord for Load {
    fn cmp(&self, other: &Load) -> Ordering {
        (self.tasks * other.threads).cmp(&(other.tasks * self.threads))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Load) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Load {
    fn eq(&self, other: &Load) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Load {}
