//! Properties that hold for any group, and Kafka's examples.

mod racks;

use super::*;
use bytes::Bytes;
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;

const ALL: [Assignor; 4] = [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky];

fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

fn member(topics: &[&str]) -> GroupMember {
    let topics = topics.iter().map(ToString::to_string).collect();
    GroupMember { topics, generation_id: -1, ..GroupMember::default() }
}

fn group(topics: &[(&str, &[&str])]) -> Members {
    topics.iter().map(|(id, topics)| (id.to_string(), member(topics))).collect()
}

fn counts(topics: &[(&str, usize)]) -> Topics {
    topics.iter().map(|(topic, count)| (topic.to_string(), vec![Racks::new(); *count])).collect()
}

fn shown(assignments: &Assignments) -> Vec<String> {
    let owned = |owned: &BTreeSet<TopicPartition>| {
        owned.iter().map(|p| format!("{}{}", p.topic, p.partition)).collect::<Vec<_>>().join(" ")
    };
    assignments.iter().map(|(id, partitions)| format!("{id}: {}", owned(partitions))).collect()
}

#[test]
fn the_examples_of_kafkas_documentation() {
    let members = group(&[("C0", &["t", "u"]), ("C1", &["t", "u"])]);
    let topics = counts(&[("t", 3), ("u", 3)]);
    assert_eq!(shown(&Assignor::Range.assign(&members, &topics)), ["C0: t0 t1 u0 u1", "C1: t2 u2"]);
    assert_eq!(shown(&Assignor::RoundRobin.assign(&members, &topics)), ["C0: t0 t2 u1", "C1: t1 u0 u2"]);
    let members = group(&[("C0", &["a"]), ("C1", &["a", "b"]), ("C2", &["a", "b", "c"])]);
    let topics = counts(&[("a", 1), ("b", 2), ("c", 3)]);
    assert_eq!(shown(&Assignor::RoundRobin.assign(&members, &topics)), ["C0: a0", "C1: b0", "C2: b1 c0 c1 c2"]);
    assert_eq!(shown(&Assignor::Sticky.assign(&members, &topics)), ["C0: a0", "C1: b0 b1", "C2: c0 c1 c2"]);
}

#[test]
fn static_members_keep_their_order_when_member_ids_change() {
    let mut members = group(&[("z", &["t"]), ("a", &["t"])]);
    members.get_mut("z").unwrap().group_instance_id = Some("i1".to_string());
    members.get_mut("a").unwrap().group_instance_id = Some("i2".to_string());
    let assigned = Assignor::Range.assign(&members, &counts(&[("t", 2)]));
    assert_eq!(shown(&assigned), ["a: t1", "z: t0"]);
}

fn random_group(runtime: &Runtime) -> (Members, Topics) {
    let below = |limit: u64| runtime.random_range(0..limit);
    let topics: Vec<String> = (0..1 + below(4)).map(|n| format!("t{n}")).collect();
    let counts = topics.iter().map(|topic| (topic.clone(), vec![Racks::new(); below(9) as usize])).collect();
    let same = below(2) == 0;
    let mut members = Members::new();
    for id in 0..1 + below(6) {
        let wanted = topics.iter().filter(|_| same || below(3) > 0).cloned().collect();
        members.insert(format!("m{id}"), GroupMember { topics: wanted, generation_id: -1, ..GroupMember::default() });
    }
    (members, counts)
}

fn own(members: &mut Members, assignments: &Assignments, generation_id: i32) {
    for (id, member) in members {
        member.owned = assignments.get(id).cloned().unwrap_or_default();
        member.generation_id = generation_id;
    }
}

/// Every partition that somebody wants has one owner, who wants it. `may_lack`: some wait for their owner to give them up.
fn check_complete(assignments: &Assignments, members: &Members, counts: &Topics, may_lack: bool) {
    let mut seen = BTreeSet::new();
    for (id, owned) in assignments {
        for partition in owned {
            assert!(members[id].topics.contains(&*partition.topic), "{id} did not subscribe to {partition:?}");
            assert!(seen.insert(partition.clone()), "{partition:?} has two owners");
        }
    }
    for (topic, count) in counts {
        if !may_lack && members.values().any(|member| member.topics.contains(topic)) {
            (0..count.len() as i32)
                .for_each(|index| assert!(seen.contains(&partition(topic, index)), "{topic}-{index} is nobody's"));
        }
    }
}

fn spread(assignments: &Assignments) -> usize {
    let sizes = assignments.values().map(BTreeSet::len);
    sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0)
}

#[test]
fn any_group_gets_every_partition_once_and_sticky_groups_are_even_and_stay() {
    let world = World::new(5);
    let runtime = world.node("client");
    for _ in 0..500 {
        let (mut members, counts) = random_group(&runtime);
        let same = members.values().all(|member| member.topics == members["m0"].topics);
        for assignor in ALL {
            check_complete(&assignor.assign(&members, &counts), &members, &counts, false);
        }
        let first = Assignor::Sticky.assign(&members, &counts);
        assert!(!same || spread(&first) <= 1, "{first:?}");
        own(&mut members, &first, 1);
        assert_eq!(Assignor::Sticky.assign(&members, &counts), first, "nothing changed, nothing moves");
        // One leaves: what the others had stays theirs.
        if members.len() > 1 {
            members.remove("m0");
            let second = Assignor::Sticky.assign(&members, &counts);
            check_complete(&second, &members, &counts, false);
            let stays = members.iter().all(|(id, member)| member.owned.is_subset(&second[id]));
            assert!(!same || stays, "{first:?} {second:?}");
        }
    }
}

#[test]
fn cooperative_rounds_never_give_a_partition_to_two_and_come_to_rest() {
    let world = World::new(6);
    let runtime = world.node("client");
    for _ in 0..300 {
        let (mut members, counts) = random_group(&runtime);
        let mut generation = 1;
        for change in 0..3 {
            if change > 0 {
                let topics = members["m0"].topics.clone();
                let newcomer = GroupMember { topics, generation_id: -1, ..GroupMember::default() };
                members.insert(format!("n{change}"), newcomer);
            }
            for round in 0.. {
                assert!(round < 10, "it does not come to rest");
                let next = Assignor::CooperativeSticky.assign(&members, &counts);
                check_complete(&next, &members, &counts, true);
                let revokes = members.iter().any(|(id, member)| !member.owned.is_subset(&next[id]));
                own(&mut members, &next, generation);
                generation += 1;
                if !revokes {
                    check_complete(&next, &members, &counts, false);
                    break;
                }
            }
        }
    }
}

#[test]
fn an_old_claim_yields_and_equal_ones_cancel() {
    let mut members = group(&[("a", &["t"]), ("b", &["t"])]);
    for (id, generation) in [("a", 4), ("b", 5)] {
        let member = members.get_mut(id).unwrap();
        member.owned.insert(partition("t", 0));
        member.generation_id = generation;
    }
    assert_eq!(shown(&Assignor::Sticky.assign(&members, &counts(&[("t", 1)]))), ["a: ", "b: t0"]);
    members.get_mut("a").unwrap().generation_id = 5;
    check_complete(&Assignor::Sticky.assign(&members, &counts(&[("t", 1)])), &members, &counts(&[("t", 1)]), false);
}

#[test]
fn subscriptions_and_assignments_survive_the_wire() {
    let mut told = member(&["t", "u"]);
    told.owned.extend([partition("t", 3), partition("u", 0)]);
    told.generation_id = 7;
    told.rack = Some("r1".to_string());
    for assignor in [Assignor::Sticky, Assignor::CooperativeSticky] {
        let bytes = encode_subscription(assignor, &told).unwrap();
        assert_eq!(decode_member(None, &bytes).unwrap(), told, "{assignor:?}");
    }
    assert_eq!(decode_assignment(&encode_assignment(&told.owned).unwrap()).unwrap(), told.owned);
    assert!(decode_member(None, &Bytes::from_static(&[0])).is_err());
}
