//! Properties of the sticky assignor: every active task once, standbys on other processes, balanced, and stable.

use super::{GroupSpec, MemberSpec, SubtopologySpec, sticky};
use crate::streams::tasks::{TaskSets, Tasks};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Members as (process, name); subtopologies as (tasks, has state).
fn spec(members: &[(usize, usize)], subtopologies: &[(i32, bool)], num_standby_replicas: usize) -> GroupSpec {
    let members = members.iter().map(|(process, name)| MemberSpec {
        member_id: Arc::from(format!("m{name:02}")),
        process_id: Arc::from(format!("p{process}")),
        target: Arc::default(),
    });
    let subtopologies = subtopologies.iter().enumerate().map(|(id, (task_count, is_stateful))| SubtopologySpec {
        id: id.to_string(),
        task_count: *task_count,
        is_stateful: *is_stateful,
    });
    GroupSpec { members: members.collect(), subtopologies: subtopologies.collect(), num_standby_replicas }
}

/// The same group with what was assigned as its target.
fn again(spec: &GroupSpec, assignments: &[TaskSets]) -> GroupSpec {
    let mut spec = spec.clone();
    for (member, tasks) in spec.members.iter_mut().zip(assignments) {
        member.target = Arc::new(tasks.clone());
    }
    spec
}

fn each(tasks: &Tasks) -> impl Iterator<Item = (&String, i32)> {
    tasks.iter().flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, *partition)))
}

fn count(tasks: &Tasks) -> usize {
    tasks.values().map(BTreeSet::len).sum()
}

fn check(spec: &GroupSpec, assignments: &[TaskSets]) {
    assert_eq!(assignments.len(), spec.members.len());
    let mut active: BTreeMap<(String, i32), Arc<str>> = BTreeMap::new();
    let mut standby: BTreeMap<(String, i32), BTreeSet<Arc<str>>> = BTreeMap::new();
    for (member, tasks) in spec.members.iter().zip(assignments) {
        for (id, partition) in each(&tasks.active) {
            let twice = active.insert((id.clone(), partition), member.process_id.clone());
            assert_eq!(twice, None, "{id}_{partition} is active twice");
        }
        for (id, partition) in each(&tasks.standby) {
            let owners = standby.entry((id.clone(), partition)).or_default();
            assert!(owners.insert(member.process_id.clone()), "{id}_{partition} has two standbys in one process");
        }
        assert!(tasks.warmup.is_empty());
    }
    let processes: BTreeSet<&Arc<str>> = spec.members.iter().map(|member| &member.process_id).collect();
    let copies = spec.num_standby_replicas.min(processes.len() - 1);
    for subtopology in &spec.subtopologies {
        for partition in 0..subtopology.task_count {
            let task = (subtopology.id.clone(), partition);
            let owner = active.remove(&task).expect("every task is active");
            let copied_to = standby.remove(&task).unwrap_or_default();
            assert!(!copied_to.contains(&owner), "a standby beside its active task");
            assert_eq!(copied_to.len(), if subtopology.is_stateful { copies } else { 0 }, "standbys of {task:?}");
        }
    }
    assert!(active.is_empty() && standby.is_empty(), "tasks that there are not");
}

fn group() -> impl Strategy<Value = GroupSpec> {
    let members = prop::collection::btree_map(0..20_usize, 0..5_usize, 1..10);
    let subtopologies = prop::collection::vec((0..9_i32, any::<bool>()), 1..4);
    (members, subtopologies, 0..3_usize).prop_map(|(members, subtopologies, standbys)| {
        let members: Vec<(usize, usize)> = members.into_iter().map(|(name, process)| (process, name)).collect();
        spec(&members, &subtopologies, standbys)
    })
}

/// One thread per process: then the load of processes is that of members.
fn even_group() -> impl Strategy<Value = GroupSpec> {
    (1..10_usize, prop::collection::vec(0..9_i32, 1..4)).prop_map(|(members, subtopologies)| {
        let members: Vec<(usize, usize)> = (0..members).map(|name| (name, name)).collect();
        let subtopologies: Vec<(i32, bool)> = subtopologies.into_iter().map(|tasks| (tasks, false)).collect();
        spec(&members, &subtopologies, 0)
    })
}

proptest! {
    #[test]
    fn every_task_is_active_once_and_copies_are_elsewhere(spec in group(), gone in any::<prop::sample::Index>()) {
        let first = sticky(&spec);
        check(&spec, &first);
        // One member goes, another comes.
        let mut next = again(&spec, &first);
        let gone = gone.index(next.members.len());
        next.members[gone] =
            MemberSpec { member_id: Arc::from("new"), process_id: Arc::from("p9"), target: Arc::default() };
        check(&next, &sticky(&next));
    }

    #[test]
    fn tasks_are_balanced(spec in even_group()) {
        let counts: Vec<usize> = sticky(&spec).iter().map(|tasks| count(&tasks.active)).collect();
        prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
    }

    #[test]
    fn nothing_moves_without_a_reason(spec in even_group()) {
        let first = sticky(&spec);
        prop_assert_eq!(&sticky(&again(&spec, &first)), &first);
    }

    #[test]
    fn a_member_that_goes_moves_only_its_own_tasks(spec in even_group(), gone in any::<prop::sample::Index>()) {
        let first = sticky(&spec);
        let mut next = again(&spec, &first);
        if next.members.len() > 1 {
            let gone = gone.index(next.members.len());
            next.members.remove(gone);
            for (member, after) in next.members.iter().zip(sticky(&next)) {
                for (id, partition) in each(&member.target.active) {
                    prop_assert!(after.active.get(id).is_some_and(|partitions| partitions.contains(&partition)));
                }
            }
        }
    }
}

#[test]
fn a_standby_becomes_active_where_it_is() {
    let spec = spec(&[(0, 0), (1, 1)], &[(2, true)], 1);
    let first = sticky(&spec);
    assert_eq!(first[0].active, first[1].standby);
    let mut next = again(&spec, &first);
    next.members.remove(0);
    next.members.push(MemberSpec { member_id: Arc::from("new"), process_id: Arc::from("p2"), target: Arc::default() });
    let second = sticky(&next);
    assert_eq!(second[0].active, first[1].active, "it keeps what it has");
    assert_eq!(second[1].active, first[0].active, "the rest is one too many for it");
    next.members.pop();
    assert_eq!(count(&sticky(&next)[0].active), 2);
}
