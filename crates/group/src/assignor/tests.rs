//! Properties of the assignors, and examples whose result is known.

use super::*;
use proptest::prelude::*;

fn topic(number: u8) -> Uuid {
    Uuid([number; 16])
}

/// Members with the topics they want; nobody owns anything yet.
fn group(partition_counts: &[(u8, i32)], members: &[(&str, &[u8])]) -> GroupSpec {
    let members: Vec<MemberSpec> = members
        .iter()
        .map(|(member_id, topics)| MemberSpec {
            member_id: (*member_id).to_string(),
            instance_id: None,
            subscribed_topic_ids: Arc::new(topics.iter().map(|number| topic(*number)).collect()),
            assignment: Arc::default(),
        })
        .collect();
    spec(partition_counts.iter().map(|(number, count)| (topic(*number), *count)).collect(), members)
}

fn spec(partition_counts: BTreeMap<Uuid, i32>, members: Vec<MemberSpec>) -> GroupSpec {
    let same = members.windows(2).all(|pair| pair[0].subscribed_topic_ids == pair[1].subscribed_topic_ids);
    let subscription_type = if same { SubscriptionType::Homogeneous } else { SubscriptionType::Heterogeneous };
    GroupSpec { members, subscription_type, partition_counts }
}

fn assigned(group: &GroupSpec, assignments: Vec<Assignment>) -> GroupSpec {
    let mut next = group.clone();
    for (member, assignment) in next.members.iter_mut().zip(assignments) {
        member.assignment = Arc::new(assignment);
    }
    next
}

/// `a: 1=0,1 2=0; b: ...`
fn text(group: &GroupSpec, assignments: &[Assignment]) -> String {
    let of_member = |assignment: &Assignment| {
        let topics = assignment.iter().map(|(topic_id, partitions)| {
            let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
            format!(" {}={}", topic_id.0[0], partitions.join(","))
        });
        topics.collect::<String>()
    };
    let members = group.members.iter().zip(assignments);
    members
        .map(|(member, assignment)| format!("{}:{}", member.member_id, of_member(assignment)))
        .collect::<Vec<_>>()
        .join("; ")
}

fn run(assignor: Assignor, group: &GroupSpec) -> (String, GroupSpec) {
    let assignments = assignor.assign(group).expect("all topics are known");
    (text(group, &assignments), assigned(group, assignments))
}

#[test]
fn uniform_gives_the_first_members_the_extra_partitions_only_when_needed() {
    let (trace, _) = run(Assignor::Uniform, &group(&[(1, 5)], &[("a", &[1]), ("b", &[1]), ("c", &[1])]));
    assert_eq!(trace, "a: 1=0; b: 1=1,2; c: 1=3,4");
}

#[test]
fn uniform_moves_only_what_a_new_member_needs() {
    let first = group(&[(1, 6)], &[("a", &[1]), ("b", &[1])]);
    let (trace, mut first) = run(Assignor::Uniform, &first);
    assert_eq!(trace, "a: 1=0,1,2; b: 1=3,4,5");
    first.members.push(group(&[], &[("c", &[1])]).members.remove(0));
    let (trace, _) = run(Assignor::Uniform, &first);
    assert_eq!(trace, "a: 1=0,1; b: 1=3,4; c: 1=2,5");
}

#[test]
fn uniform_balances_members_with_different_topics() {
    let (trace, _) = run(Assignor::Uniform, &group(&[(1, 3), (2, 3)], &[("a", &[1]), ("b", &[1, 2]), ("c", &[2])]));
    assert_eq!(trace, "a: 1=0,2; b: 1=1 2=1; c: 2=0,2");
}

#[test]
fn range_co_partitions_topics_of_the_same_size() {
    let (trace, _) = run(Assignor::Range, &group(&[(1, 3), (2, 3)], &[("a", &[1, 2]), ("b", &[1, 2])]));
    assert_eq!(trace, "a: 1=0,1 2=0,1; b: 1=2 2=2");
}

#[test]
fn range_orders_static_members_by_instance_before_dynamic_ones() {
    let mut group = group(&[(1, 3)], &[("a", &[1]), ("b", &[1]), ("c", &[1])]);
    group.members[1].instance_id = Some("second".to_string());
    group.members[2].instance_id = Some("first".to_string());
    assert_eq!(run(Assignor::Range, &group).0, "a: 1=2; b: 1=1; c: 1=0");
}

#[test]
fn more_members_than_partitions_leave_some_without() {
    let group = group(&[(1, 1)], &[("a", &[1]), ("b", &[1])]);
    assert_eq!(run(Assignor::Uniform, &group).0, "a:; b: 1=0");
    assert_eq!(run(Assignor::Range, &group).0, "a: 1=0; b:");
}

#[test]
fn a_subscribed_topic_without_partition_count_is_refused() {
    let group = group(&[], &[("a", &[1])]);
    for assignor in [Assignor::Uniform, Assignor::Range] {
        assert_eq!(assignor.assign(&group), Err(AssignorError::UnknownTopic(topic(1))));
    }
}

#[test]
fn partitions_that_two_members_claim_or_that_do_not_exist_are_sorted_out() {
    let mut group = group(&[(1, 2)], &[("a", &[1]), ("b", &[1])]);
    let claims: Assignment = [(topic(1), [0, 1, 7, -1].into_iter().collect())].into_iter().collect();
    group.members[0].assignment = Arc::new(claims.clone());
    group.members[1].assignment = Arc::new(claims);
    assert_eq!(run(Assignor::Uniform, &group).0, "a: 1=0; b: 1=1");
}

/// Every subscribed partition has exactly one owner, who is subscribed to it.
fn check_complete(group: &GroupSpec, assignments: &[Assignment]) {
    let mut owned: BTreeMap<(Uuid, i32), usize> = BTreeMap::new();
    for (index, assignment) in assignments.iter().enumerate() {
        for (topic_id, partitions) in assignment {
            assert!(!partitions.is_empty(), "no empty topics");
            assert!(group.members[index].subscribed_topic_ids.contains(topic_id), "assigned without subscription");
            for partition in partitions {
                assert_eq!(owned.insert((*topic_id, *partition), index), None, "{topic_id}-{partition} has two owners");
            }
        }
    }
    let wanted: BTreeSet<Uuid> =
        group.members.iter().flat_map(|member| member.subscribed_topic_ids.iter().copied()).collect();
    let partitions: i32 = wanted.iter().map(|topic_id| group.partition_counts[topic_id]).sum();
    assert_eq!(owned.len(), partitions as usize, "every partition has an owner");
}

fn load(assignment: &Assignment) -> usize {
    assignment.values().map(BTreeSet::len).sum()
}

/// Partitions that stayed where they were.
fn kept(before: &GroupSpec, after: &[Assignment]) -> usize {
    let pairs = before.members.iter().zip(after);
    let of_member = |(member, after): (&MemberSpec, &Assignment)| -> usize {
        let topics = member.assignment.iter();
        topics.map(|(topic, before)| after.get(topic).map_or(0, |after| before.intersection(after).count())).sum()
    };
    pairs.map(of_member).sum()
}

fn counts() -> impl Strategy<Value = BTreeMap<Uuid, i32>> {
    prop::collection::vec(1..20i32, 1..6).prop_map(|counts| {
        counts.into_iter().enumerate().map(|(index, count)| (topic(index as u8 + 1), count)).collect()
    })
}

fn member(index: usize, topics: BTreeSet<Uuid>) -> MemberSpec {
    MemberSpec {
        member_id: format!("member-{index:03}"),
        instance_id: index.is_multiple_of(3).then(|| format!("instance-{index}")),
        subscribed_topic_ids: Arc::new(topics),
        assignment: Arc::default(),
    }
}

/// Members with a bit mask of topics each; equal masks make a homogeneous group.
fn spec_of(counts: &BTreeMap<Uuid, i32>, masks: &[u8]) -> GroupSpec {
    let wanted = |mask: u8| counts.keys().enumerate().filter(move |(bit, _)| mask & (1 << bit) != 0).map(|(_, id)| *id);
    let members = masks.iter().enumerate().map(|(index, mask)| member(index, wanted(*mask).collect())).collect();
    spec(counts.clone(), members)
}

proptest! {
    #[test]
    fn uniform_is_complete_balanced_and_sticky_when_all_want_the_same(
        counts in counts(), before in 1..30usize, after in 1..30usize,
    ) {
        let first = spec_of(&counts, &vec![0xff; before]);
        let assignments = Assignor::Uniform.assign(&first).expect("known topics");
        check_complete(&first, &assignments);
        let first = assigned(&first, assignments);
        let mut second = spec_of(&counts, &vec![0xff; after]);
        for (member, old) in second.members.iter_mut().zip(&first.members) {
            member.assignment = old.assignment.clone();
        }
        let assignments = Assignor::Uniform.assign(&second).expect("known topics");
        check_complete(&second, &assignments);
        let loads: Vec<usize> = assignments.iter().map(load).collect();
        prop_assert!(loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0) <= 1, "{loads:?}");
        // Nobody gives up more than balance demands: who shrinks had more than the least quota before.
        let total: usize = loads.iter().sum();
        let (quota, extras) = (total / after, total % after);
        let old: Vec<usize> = second.members.iter().map(|member| load(&member.assignment)).collect();
        let above = old.iter().filter(|load| **load > quota).count();
        let least: usize = old.iter().map(|load| (*load).min(quota)).sum::<usize>() + above.min(extras);
        prop_assert_eq!(kept(&second, &assignments), least);
        // And a second run with nothing new changes nothing.
        let second = assigned(&second, assignments.clone());
        prop_assert_eq!(Assignor::Uniform.assign(&second).expect("known topics"), assignments);
    }

    #[test]
    fn uniform_is_complete_and_settles_when_members_want_different_topics(
        counts in counts(), before in prop::collection::vec(1..64u8, 1..20), after in prop::collection::vec(1..64u8, 1..20),
    ) {
        let first = spec_of(&counts, &before);
        let assignments = Assignor::Uniform.assign(&first).expect("known topics");
        check_complete(&first, &assignments);
        let first = assigned(&first, assignments);
        let mut second = spec_of(&counts, &after);
        for (member, old) in second.members.iter_mut().zip(&first.members) {
            member.assignment = old.assignment.clone();
        }
        let assignments = Assignor::Uniform.assign(&second).expect("known topics");
        check_complete(&second, &assignments);
        let again = assigned(&second, assignments.clone());
        prop_assert_eq!(Assignor::Uniform.assign(&again).expect("known topics"), assignments);
    }

    #[test]
    fn no_move_within_a_topic_would_balance_it_better(
        counts in counts(), masks in prop::collection::vec(1..64u8, 1..20),
    ) {
        let group = spec_of(&counts, &masks);
        let assignments = Assignor::Uniform.assign(&group).expect("known topics");
        for topic_id in counts.keys() {
            let subscribers = (0..masks.len()).filter(|index| group.members[*index].subscribed_topic_ids.contains(topic_id));
            let subscribers: Vec<usize> = subscribers.collect();
            let least = subscribers.iter().map(|index| load(&assignments[*index])).min().unwrap_or(0);
            for index in subscribers.into_iter().filter(|index| assignments[*index].contains_key(topic_id)) {
                prop_assert!(load(&assignments[index]) <= least + 1);
            }
        }
    }

    #[test]
    fn range_is_complete_and_contiguous(counts in counts(), masks in prop::collection::vec(1..64u8, 1..20)) {
        let group = spec_of(&counts, &masks);
        let assignments = Assignor::Range.assign(&group).expect("known topics");
        check_complete(&group, &assignments);
        for partitions in assignments.iter().flat_map(BTreeMap::values) {
            let (first, last) = (partitions.first().expect("not empty"), partitions.last().expect("not empty"));
            prop_assert_eq!((last - first + 1) as usize, partitions.len());
        }
    }
}
