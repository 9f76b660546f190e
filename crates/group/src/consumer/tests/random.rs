//! Random histories: whatever members do, no partition ever has two owners, and the log tells the whole state.

use super::client::Client;
use super::world::{World, config};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Action {
    Join(usize, u8),
    Beat(usize),
    Acknowledge(usize),
    Say(usize),
    Subscribe(usize, u8),
    Leave(usize),
    Away(usize),
    ClassicJoin(usize, u8),
    ClassicSync(usize),
    ClassicBeat(usize),
    Topic(usize, usize),
    Delete(usize),
    Wait(i64),
    Reload,
}

const MEMBERS: usize = 6;
const TOPICS: [&str; 3] = ["foo", "bar", "bazaar"];

fn action() -> impl Strategy<Value = Action> {
    let member = 0..MEMBERS;
    prop_oneof![
        4 => (member.clone(), any::<u8>()).prop_map(|(member, mask)| Action::Join(member, mask)),
        12 => member.clone().prop_map(Action::Beat),
        12 => member.clone().prop_map(Action::Acknowledge),
        3 => member.clone().prop_map(Action::Say),
        2 => (member.clone(), any::<u8>()).prop_map(|(member, mask)| Action::Subscribe(member, mask)),
        2 => member.clone().prop_map(Action::Leave),
        2 => member.clone().prop_map(Action::Away),
        3 => (member.clone(), any::<u8>()).prop_map(|(member, mask)| Action::ClassicJoin(member, mask)),
        3 => member.clone().prop_map(Action::ClassicSync),
        3 => member.prop_map(Action::ClassicBeat),
        2 => (0..TOPICS.len(), 1..8usize).prop_map(|(topic, partitions)| Action::Topic(topic, partitions)),
        1 => (0..TOPICS.len()).prop_map(Action::Delete),
        3 => prop_oneof![Just(100), Just(11_000), Just(31_000), Just(46_000)].prop_map(Action::Wait),
        1 => Just(Action::Reload),
    ]
}

/// The first half of the members are static. Who starts anew has a new id.
fn client(index: usize, incarnation: usize) -> Client {
    let mut client = Client::new(&format!("member-{index}-{incarnation}"));
    client.instance_id = (index < MEMBERS / 2).then(|| format!("instance-{index}"));
    client
}

fn subscribe(client: &mut Client, mask: u8) {
    client.topics = TOPICS
        .iter()
        .enumerate()
        .filter(|(bit, _)| mask & (1 << bit) != 0)
        .map(|(_, topic)| topic.to_string())
        .collect();
    client.regex = (mask & 8 != 0).then(|| if mask & 16 != 0 { "ba.*".to_string() } else { "fo+".to_string() });
    client.assignor =
        (mask & 32 != 0).then(|| if mask & 64 != 0 { "range".to_string() } else { "uniform".to_string() });
}

fn act(world: &mut World, clients: &mut [Client], incarnations: &mut usize, action: &Action) {
    match action {
        Action::Join(member, mask) => {
            *incarnations += 1;
            clients[*member] = client(*member, *incarnations);
            subscribe(&mut clients[*member], *mask);
            clients[*member].join(world);
        }
        Action::ClassicJoin(member, mask) => {
            // A static member that comes back asks for a new id, a member that is there joins again.
            if !is_in_group(world, &clients[*member], true) {
                *incarnations += 1;
                clients[*member] = client(*member, *incarnations);
                if clients[*member].instance_id.is_some() {
                    clients[*member].member_id = String::new();
                }
            }
            subscribe(&mut clients[*member], mask & 7);
            clients[*member].regex = None;
            clients[*member].classic_join(world);
        }
        // Members speak the protocol in which they joined.
        Action::Beat(member) if is_in_group(world, &clients[*member], false) => {
            clients[*member].beat(world, false);
        }
        Action::Acknowledge(member) if is_in_group(world, &clients[*member], false) => {
            clients[*member].acknowledge(world);
        }
        Action::Say(member) if is_in_group(world, &clients[*member], false) => {
            clients[*member].beat(world, true);
        }
        Action::Subscribe(member, mask) if is_in_group(world, &clients[*member], false) => {
            subscribe(&mut clients[*member], *mask);
            clients[*member].subscribe(world);
        }
        Action::ClassicSync(member) if is_in_group(world, &clients[*member], true) => {
            clients[*member].classic_sync(world, &[]);
        }
        Action::ClassicBeat(member) if is_in_group(world, &clients[*member], true) => {
            clients[*member].classic_beat(world);
        }
        Action::Leave(member) => drop(clients[*member].leave(world, -1)),
        Action::Away(member) => drop(clients[*member].leave(world, -2)),
        Action::Topic(topic, partitions) => {
            let before = world.topics().by_name(TOPICS[*topic]).map_or(0, |topic| topic.partition_racks.len());
            world.put_topic(TOPICS[*topic], before.max(*partitions));
        }
        Action::Delete(topic) => world.delete_topic(TOPICS[*topic]),
        Action::Wait(ms) => world.wait(*ms),
        Action::Reload => world.reload(),
        _ => {}
    }
}

fn is_in_group(world: &World, client: &Client, classic: bool) -> bool {
    let member = world.group().and_then(|group| group.member(&client.member_id));
    member.is_some_and(|member| member.uses_classic_protocol() == classic)
}

/// Every partition is owned, or being revoked, by at most one member, and the group knows in which epoch.
fn check_owners(world: &World) {
    let Some(group) = world.group() else { return };
    let mut owners = BTreeMap::new();
    for member in group.members() {
        for owned in [&member.assigned_partitions, &member.partitions_pending_revocation] {
            for (topic_id, partitions) in owned.iter() {
                for partition in partitions.keys() {
                    let before = owners.insert((*topic_id, *partition), member.member_id.clone());
                    assert_eq!(before, None, "{topic_id}-{partition} also belongs to {}", member.member_id);
                    let epoch = group.partition_epoch(*topic_id, *partition);
                    assert_eq!(epoch, Some(member.member_epoch), "{topic_id}-{partition} of {}", member.member_id);
                }
            }
        }
    }
    assert!(group.target.epoch <= group.group_epoch, "no target without group epoch");
    for member in group.members() {
        assert!(member.member_epoch <= group.target.epoch.max(0), "no member is ahead of the target");
    }
}

/// What a client works on is what the group has given to it, or still waits for it to give up.
fn check_clients(world: &World, clients: &[Client]) {
    let Some(group) = world.group() else { return };
    for client in clients {
        let Some(member) = group.member(&client.member_id) else { continue };
        // A client that was fenced, or is of the other protocol, learns that with its next request.
        if member.uses_classic_protocol() || client.epoch != member.member_epoch {
            continue;
        }
        for (topic_id, partitions) in &client.owned {
            for partition in partitions {
                let known = member.assignment_epoch(*topic_id, *partition).is_some();
                assert!(known, "{} works on {topic_id}-{partition}, which is not its own", client.member_id);
            }
        }
    }
}

proptest! {
    #[test]
    fn assignments_never_overlap_and_the_log_tells_everything(actions in prop::collection::vec(action(), 1..120)) {
        let mut world = World::new(config());
        world.put_topic("foo", 4);
        world.put_topic("bar", 3);
        let mut clients: Vec<Client> = (0..MEMBERS).map(|index| client(index, 0)).collect();
        let mut incarnations = 0;
        for action in &actions {
            act(&mut world, &mut clients, &mut incarnations, action);
            check_owners(&world);
            check_clients(&world, &clients);
        }
        world.reload();
        check_owners(&world);
    }

    #[test]
    fn a_group_that_is_left_in_peace_gives_every_partition_to_somebody(actions in prop::collection::vec(action(), 1..60)) {
        let mut world = World::new(config());
        world.put_topic("foo", 4);
        let mut clients: Vec<Client> = (0..MEMBERS).map(|index| client(index, 0)).collect();
        let mut incarnations = 0;
        for action in &actions {
            act(&mut world, &mut clients, &mut incarnations, action);
        }
        // All start anew, and then only do what they are told.
        world.wait(3_600_000);
        let mut clients: Vec<Client> = (0..MEMBERS).map(|index| Client::new(&format!("new-{index}"))).collect();
        for client in &mut clients {
            client.topics = vec!["foo".to_string()];
            client.join(&mut world);
        }
        for _ in 0..8 {
            world.wait(5_000);
            clients.iter_mut().for_each(|client| drop(client.acknowledge(&mut world)));
        }
        let partitions = world.topics().by_name("foo").map_or(0, |topic| topic.partition_racks.len());
        let owned: usize = clients.iter().flat_map(|client| client.owned.values()).map(|list| list.len()).sum();
        prop_assert_eq!(owned, partitions);
        prop_assert_eq!(world.group().map(|group| group.state_name()), Some("Stable"));
    }
}
