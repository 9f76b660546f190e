//! Racks: what Java's assignors give in the same situations, and that a group comes to rest.

use super::{ALL, check_complete, own, shown};
use crate::assign::{Assignments, Assignor, GroupMember, Members, Racks, Topics};
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;
use std::collections::BTreeSet;

/// Brokers in these racks (`-` for none) hold the partitions of all topics in a row, each on so many brokers in turn.
fn topics(counts: &[(&str, usize)], replicas: usize, brokers: &str) -> Topics {
    let brokers: Vec<char> = brokers.chars().collect();
    let mut next = 0;
    let mut placed = Topics::new();
    for (topic, count) in counts {
        let racks = |first: usize| -> Racks {
            let on = (first..first + replicas).map(|index| brokers[index % brokers.len()]);
            on.filter(|rack| *rack != '-').map(String::from).collect()
        };
        placed.insert(topic.to_string(), (next..next + count).map(racks).collect());
        next += count;
    }
    placed
}

/// Members `A`, `B` ... in these racks, with these topics each.
fn members(racks: &str, subscriptions: &[&str]) -> Members {
    let member = |((id, rack), topics): ((char, char), &&str)| {
        let topics = topics.split(' ').map(String::from).collect();
        let rack = (rack != '-').then(|| rack.to_string());
        (id.to_string(), GroupMember { topics, rack, generation_id: -1, ..GroupMember::default() })
    };
    ('A'..).zip(racks.chars()).zip(subscriptions).map(member).collect()
}

fn mismatches(assignments: &Assignments, members: &Members, topics: &Topics) -> usize {
    let far = |id: &String, partition: &ottla_types::TopicPartition| {
        let racks = &topics[&*partition.topic][partition.partition as usize];
        members[id].rack.as_ref().is_some_and(|rack| !racks.contains(rack))
    };
    assignments.iter().map(|(id, owned)| owned.iter().filter(|partition| far(id, partition)).count()).sum()
}

struct Case {
    counts: &'static [(&'static str, usize)],
    replicas: usize,
    brokers: &'static str,
    racks: &'static str,
    subscriptions: &'static [&'static str],
}

impl Case {
    fn check(&self, assignor: Assignor, expected: &[&str], far: usize) {
        let (members, topics) =
            (members(self.racks, self.subscriptions), topics(self.counts, self.replicas, self.brokers));
        let assigned = assignor.assign(&members, &topics);
        let what = format!("{assignor:?}, {} replicas on {}, members in {}", self.replicas, self.brokers, self.racks);
        assert_eq!(shown(&assigned), expected, "{what}");
        assert_eq!(mismatches(&assigned, &members, &topics), far, "{what}");
    }
}

const UNEVEN: &[(&str, usize)] = &[("t", 6), ("u", 7), ("v", 2)];
const EVEN: &[(&str, usize)] = &[("t", 5), ("u", 5), ("v", 5)];
const SAME: &[&str] = &["t u v", "t u v", "t u v"];
const MIXED: &[&str] = &["t u v", "t u v", "t v"];

#[test]
fn racks_are_passed_over_where_they_make_no_difference() {
    let ranges = ["A: t0 t1 u0 u1 u2 v0", "B: t2 t3 u3 u4 v1", "C: t4 t5 u5 u6"];
    let dealt = ["A: t0 t3 u0 u3 u6", "B: t1 t4 u1 u4 v0", "C: t2 t5 u2 u5 v1"];
    // No broker has one, no member has one, every partition is in all of them, members are elsewhere.
    let cases = [
        (3, "---", "abc"),
        (3, "abc", "---"),
        (3, "abc", "abc"),
        (4, "abcd", "abc"),
        (3, "abc", "def"),
        (3, "abc", "-ef"),
    ];
    for (replicas, brokers, racks) in cases {
        let case = Case { counts: UNEVEN, replicas, brokers, racks, subscriptions: SAME };
        let (members, topics) = (members(racks, SAME), topics(UNEVEN, replicas, brokers));
        let far = |assignor: Assignor| mismatches(&assignor.assign(&members, &topics), &members, &topics);
        case.check(Assignor::Range, &ranges, far(Assignor::Range));
        case.check(Assignor::Sticky, &dealt, far(Assignor::Sticky));
    }
}

#[test]
fn ranges_follow_racks_within_what_everybody_gets() {
    let case = |replicas, brokers| Case { counts: UNEVEN, replicas, brokers, racks: "abc", subscriptions: SAME };
    let one = ["A: t0 t3 u0 u3 u6", "B: t1 t4 u1 u4 v0", "C: t2 t5 u2 u5 v1"];
    case(1, "abc").check(Assignor::Range, &one, 0);
    let two = ["A: t0 t2 u0 u2 u3 v1", "B: t1 t3 u1 u4 v0", "C: t4 t5 u5 u6"];
    case(2, "abc").check(Assignor::Range, &two, 1);
    let nothing_near_the_third = ["A: t0 t1 u0 u1 u2 v0", "B: t2 t3 u3 u4 v1", "C: t4 t5 u5 u6"];
    case(3, "ab").check(Assignor::Range, &nothing_near_the_third, 4);
}

#[test]
fn ranges_follow_racks_where_subscriptions_differ() {
    let case = |replicas, brokers| Case { counts: UNEVEN, replicas, brokers, racks: "abc", subscriptions: MIXED };
    let one = ["A: t0 t3 u0 u2 u3 u6", "B: t1 t4 u1 u4 u5 v0", "C: t2 t5 v1"];
    case(1, "abc").check(Assignor::Range, &one, 2);
    let two = ["A: t0 t2 u0 u2 u3 u5 v1", "B: t1 t3 u1 u4 u6 v0", "C: t4 t5"];
    case(2, "abc").check(Assignor::Range, &two, 0);
    let three = ["A: t0 t1 u0 u1 u2 u3 v0", "B: t2 t3 u4 u5 u6 v1", "C: t4 t5"];
    case(3, "ab").check(Assignor::Range, &three, 2);
}

#[test]
fn ranges_keep_topics_of_one_size_together_before_they_follow_racks() {
    let same = |replicas, brokers| Case { counts: EVEN, replicas, brokers, racks: "abc", subscriptions: SAME };
    let ranges = ["A: t0 t1 u0 u1 v0 v1", "B: t2 t3 u2 u3 v2 v3", "C: t4 u4 v4"];
    same(1, "abc").check(Assignor::Range, &ranges, 10);
    same(2, "abc").check(Assignor::Range, &ranges, 5);
    same(3, "ab").check(Assignor::Range, &ranges, 3);
    let mixed = |replicas, brokers| Case { counts: EVEN, replicas, brokers, racks: "abc", subscriptions: MIXED };
    let one = ["A: t0 t1 u0 u1 u4 v0 v1", "B: t2 t3 u2 u3 v2 v3", "C: t4 v4"];
    mixed(1, "abc").check(Assignor::Range, &one, 9);
    let two = ["A: t2 u0 u1 u3 v2", "B: t0 t3 u2 u4 v0 v3", "C: t1 t4 v1 v4"];
    mixed(2, "abc").check(Assignor::Range, &two, 0);

    let counts = &[("t", 6), ("u", 6), ("v", 2), ("w", 2)];
    let pairs = &["t u", "t u", "v w", "v w"];
    let pairs = |replicas, brokers| Case { counts, replicas, brokers, racks: "abba", subscriptions: pairs };
    let near = ["A: t0 t2 t4 u0 u2 u4", "B: t1 t3 t5 u1 u3 u5", "C: v1 w1", "D: v0 w0"];
    pairs(1, "ab").check(Assignor::Range, &near, 0);
    let all = &["t u v w", "t u v w", "t u v w", "t u v w"];
    let all = |replicas, brokers| Case { counts, replicas, brokers, racks: "abba", subscriptions: all };
    let near = ["A: t0 t2 u0 u2 v0 w0", "B: t1 t3 u1 u3 v1 w1", "C: t5 u5", "D: t4 u4"];
    all(1, "ab").check(Assignor::Range, &near, 0);
    let near = ["A: t0 t3 u0 u3 v0 w0", "B: t1 t4 u1 u4 v1 w1", "C: t2 u2", "D: t5 u5"];
    all(1, "abc").check(Assignor::Range, &near, 6);
}

#[test]
fn sticky_members_get_what_is_near_and_give_up_what_is_far() {
    let dealt = ["A: t0 t3 u0 u3 u6", "B: t1 t4 u1 u4 v0", "C: t2 t5 u2 u5 v1"];
    for (replicas, brokers, far) in [(1, "abc", 0), (2, "abc", 0), (3, "ab", 5)] {
        let case = Case { counts: UNEVEN, replicas, brokers, racks: "abc", subscriptions: SAME };
        case.check(Assignor::Sticky, &dealt, far);
    }
    let topics = topics(UNEVEN, 1, "abc");
    let mut members = members("abc", SAME);
    let row = ["t0 t1 t2 t3 t4", "t5 u0 u1 u2 u3", "u4 u5 u6 v0 v1"];
    for (member, owned) in members.values_mut().zip(row) {
        let partition = |name: &str| super::partition(&name[..1], name[1..].parse().unwrap());
        member.owned = owned.split(' ').map(partition).collect();
    }
    assert_eq!(shown(&Assignor::Sticky.assign(&members, &topics)), dealt);
    let held_back = ["A: t0 t3", "B: u1", "C: u5 v1"];
    assert_eq!(shown(&Assignor::CooperativeSticky.assign(&members, &topics)), held_back);
}

#[test]
fn sticky_members_with_different_topics_stay_even_and_are_near_no_less_than_with_java() {
    // Java's sticky assignor leaves so many far.
    for (replicas, brokers, javas) in [(1, "abc", 4), (2, "abc", 0), (3, "ab", 5)] {
        let (members, topics) = (members("abc", MIXED), topics(UNEVEN, replicas, brokers));
        let assigned = Assignor::Sticky.assign(&members, &topics);
        check_complete(&assigned, &members, &topics, false);
        assert!(assigned.values().all(|owned| owned.len() == 5), "{assigned:?}");
        let far = mismatches(&assigned, &members, &topics);
        assert!(far <= javas, "{replicas} replicas: {far} of {:?} are far", shown(&assigned));
    }
}

fn random_group(runtime: &Runtime) -> (Members, Topics) {
    let below = |limit: u64| runtime.random_range(0..limit);
    let rack = || ["a", "b", "c", "d"][below(4) as usize].to_string();
    let names: Vec<String> = (0..1 + below(4)).map(|n| format!("t{n}")).collect();
    let replicas = 1 + below(2);
    let partition = || (0..replicas).map(|_| rack()).collect::<BTreeSet<_>>();
    let topics = names.iter().map(|name| (name.clone(), (0..below(9)).map(|_| partition()).collect())).collect();
    let same = below(2) == 0;
    let mut members = Members::new();
    for id in 0..1 + below(6) {
        let topics = names.iter().filter(|_| same || below(3) > 0).cloned().collect();
        let rack = (below(5) > 0).then(rack);
        members.insert(format!("m{id}"), GroupMember { topics, rack, generation_id: -1, ..GroupMember::default() });
    }
    (members, topics)
}

fn loads(assignments: &Assignments, topic: Option<&str>) -> Vec<usize> {
    let counts = |owned: &BTreeSet<ottla_types::TopicPartition>| {
        owned.iter().filter(|partition| topic.is_none_or(|topic| *partition.topic == *topic)).count()
    };
    let mut loads: Vec<usize> = assignments.values().map(counts).collect();
    loads.sort_unstable();
    loads
}

#[test]
fn any_group_with_racks_gets_every_partition_once_as_evenly_as_without() {
    let world = World::new(7);
    let runtime = world.node("client");
    let (mut far, mut far_without) = (0, 0);
    for _ in 0..500 {
        let (members, topics) = random_group(&runtime);
        let mut unracked = members.clone();
        unracked.values_mut().for_each(|member| member.rack = None);
        let same = members.values().all(|member| member.topics == members["m0"].topics);
        for assignor in ALL {
            let assigned = assignor.assign(&members, &topics);
            check_complete(&assigned, &members, &topics, false);
            let without = assignor.assign(&unracked, &topics);
            match assignor {
                Assignor::Range => topics.keys().for_each(|topic| {
                    assert_eq!(loads(&assigned, Some(topic)), loads(&without, Some(topic)), "{assigned:?}");
                }),
                Assignor::RoundRobin => assert_eq!(assigned, without, "it knows no racks"),
                Assignor::Sticky | Assignor::CooperativeSticky => {
                    assert!(!same || loads(&assigned, None) == loads(&without, None), "{assigned:?} {without:?}");
                }
            }
            if assignor != Assignor::RoundRobin {
                far += mismatches(&assigned, &members, &topics);
                far_without += mismatches(&without, &members, &topics);
            }
        }
    }
    assert!(far * 4 < far_without * 3, "{far} instead of {far_without} partitions are far from their members");
}

#[test]
fn cooperative_groups_with_racks_come_to_rest() {
    let world = World::new(8);
    let runtime = world.node("client");
    for _ in 0..300 {
        let (mut members, topics) = random_group(&runtime);
        let mut generation = 1;
        for change in 0..3 {
            if change > 0 {
                let newcomer = GroupMember { owned: BTreeSet::new(), generation_id: -1, ..members["m0"].clone() };
                members.insert(format!("n{change}"), newcomer);
            }
            for round in 0.. {
                assert!(round < 20, "it does not come to rest");
                let next = Assignor::CooperativeSticky.assign(&members, &topics);
                check_complete(&next, &members, &topics, true);
                let is_at_rest = members.iter().all(|(id, member)| member.owned == next[id]);
                own(&mut members, &next, generation);
                generation += 1;
                if is_at_rest {
                    check_complete(&next, &members, &topics, false);
                    break;
                }
            }
        }
    }
}
