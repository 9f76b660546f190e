//! Random lives of a group: whatever happens, no task is active twice and no process works on a task twice; when everybody has
//! been heard of often enough, every task is active once, and a reload changes nothing.

use super::client::Client;
use super::stories::prompt;
use crate::consumer::tests::world::{GROUP, World};
use crate::event::GroupEvent;
use crate::streams::StreamsOverrides;
use crate::streams::tasks::Tasks;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Event {
    Join(usize),
    Beat(usize),
    Acknowledge(usize),
    Leave(usize),
    /// Answers are lost: the member is heard of, but does not hear.
    Lost(usize),
    Crash(usize),
    Partitions(usize),
    Standbys(u64),
    Wait(i64),
    Reload,
}

const MEMBERS: usize = 5;

fn event() -> impl Strategy<Value = Event> {
    let member = 0..MEMBERS;
    prop_oneof![
        3 => member.clone().prop_map(Event::Join),
        4 => member.clone().prop_map(Event::Beat),
        6 => member.clone().prop_map(Event::Acknowledge),
        1 => member.clone().prop_map(Event::Leave),
        1 => member.clone().prop_map(Event::Lost),
        1 => member.prop_map(Event::Crash),
        1 => (1..6_usize).prop_map(Event::Partitions),
        1 => (0..3_u64).prop_map(Event::Standbys),
        1 => (1..50_000_i64).prop_map(Event::Wait),
        1 => Just(Event::Reload),
    ]
}

struct Life {
    world: World,
    clients: BTreeMap<usize, Client>,
    partitions: usize,
}

impl Life {
    fn new() -> Life {
        let mut world = World::new(prompt());
        world.put_topic("in", 2);
        Life { world, clients: BTreeMap::new(), partitions: 2 }
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Join(index) => {
                let client = self.clients.entry(*index).or_insert_with(|| {
                    let mut client = Client::new(&format!("m{index}"));
                    // Threads 0 and 1, and 2 and 3, are of one process.
                    client.process_id = format!("p{}", index / 2);
                    client.topology = "repartition".to_string();
                    client
                });
                client.join(&mut self.world);
                self.create(*index);
            }
            Event::Beat(index) => self.beat(*index, false),
            Event::Acknowledge(index) => self.beat(*index, true),
            Event::Leave(index) => {
                if let Some(mut client) = self.clients.remove(index) {
                    client.leave(&mut self.world);
                }
            }
            Event::Lost(index) => {
                if let Some(client) = self.clients.get_mut(index) {
                    client.clone().beat(&mut self.world, false);
                }
            }
            Event::Crash(index) => drop(self.clients.remove(index)),
            Event::Partitions(count) => {
                self.partitions = self.partitions.max(*count);
                // Internal topics that exist keep their partitions; Kafka's users delete them when they grow their sources.
                ["app-rep", "app-store"].into_iter().for_each(|topic| self.world.delete_topic(topic));
                self.world.put_topic("in", self.partitions);
            }
            Event::Standbys(count) => {
                let mut config = (*self.world.shard.config).clone();
                let overrides = StreamsOverrides { num_standby_replicas: Some(*count), ..StreamsOverrides::default() };
                config.streams.groups.insert(GROUP.to_string(), overrides);
                self.world.event(GroupEvent::ConfigChanged(Arc::new(config)), None);
            }
            Event::Wait(ms) => self.world.wait(*ms),
            Event::Reload => self.world.reload(),
        }
    }

    /// A fenced member gives everything up and joins again.
    fn beat(&mut self, index: usize, acknowledges: bool) {
        let Some(client) = self.clients.get_mut(&index) else { return };
        if acknowledges {
            client.acknowledge(&mut self.world)
        } else {
            client.beat(&mut self.world, false)
        };
        if client.is_fenced {
            (client.owned, client.told) = Default::default();
            client.join(&mut self.world);
        }
        self.create(index);
    }

    fn create(&mut self, index: usize) {
        for topic in std::mem::take(&mut self.clients.get_mut(&index).expect("it has just spoken").creates) {
            self.world.put_topic(&topic.name, usize::try_from(topic.num_partitions).expect("positive"));
        }
    }

    /// As the coordinator knows it: also what members are still giving up.
    fn check(&self) {
        let Some(group) = self.world.shard.groups.streams(GROUP) else { return };
        let (mut active, mut in_process) = (BTreeSet::new(), BTreeSet::new());
        for member in group.members() {
            for tasks in [&member.assigned_tasks, &member.tasks_pending_revocation] {
                for (id, partitions) in &tasks.active {
                    for partition in partitions.keys() {
                        assert!(active.insert((id.clone(), *partition)), "{id}_{partition} is active twice");
                        let place = (member.process_id.clone(), id.clone(), *partition);
                        assert!(in_process.insert(place), "{id}_{partition} is twice in one process");
                    }
                }
                for (id, partition) in each(&tasks.standby) {
                    let place = (member.process_id.clone(), id.clone(), partition);
                    assert!(in_process.insert(place), "{id}_{partition} is twice in one process");
                }
            }
        }
    }

    /// Everybody is heard of until nothing changes any more.
    fn settle(&mut self) {
        for _ in 0..12 {
            (0..MEMBERS).for_each(|index| self.beat(index, true));
        }
        // Who crashed is removed meanwhile, and its tasks go to the others.
        self.world.wait(30_000);
        (0..MEMBERS).for_each(|index| self.beat(index, true));
        self.world.wait(30_000);
        for _ in 0..12 {
            (0..MEMBERS).for_each(|index| self.beat(index, true));
        }
        self.check();
        let Some(group) = self.world.shard.groups.streams(GROUP).filter(|group| !group.is_empty()) else { return };
        assert_eq!(group.state_name(), "Stable");
        let tasks: usize = self.clients.values().map(|client| each(&client.owned.active).count()).sum();
        assert_eq!(tasks, 2 * self.partitions, "every task is worked on");
    }
}

fn each(tasks: &Tasks) -> impl Iterator<Item = (&String, i32)> {
    tasks.iter().flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, *partition)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_ever_active_twice_and_all_are_in_the_end(events in prop::collection::vec(event(), 1..60)) {
        let mut life = Life::new();
        for event in &events {
            life.happen(event);
            life.check();
        }
        life.settle();
        life.world.reload();
    }
}
