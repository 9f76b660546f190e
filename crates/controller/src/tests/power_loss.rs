//! A controller that loses power at random disk operations: what it answered stays true.

use super::node::{BROKER, allocate, broker, create, created, delete, image, open, prepare_log_directory, submit};
use crate::Controller;
use ottla_metadata::ControllerError;
use ottla_runtime::Runtime;
use ottla_runtime::sim::{Outage, World};
use ottla_types::{ErrorCode, Uuid};
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: u64 = 60;
const LIVES: u64 = 5;
const NODE: &str = "node";

/// What the outside has been told, over all lives of the node.
#[derive(Default)]
struct Told {
    cluster_id: Option<Uuid>,
    topics: BTreeMap<String, Uuid>,
    /// Topics of which it is not known whether they are there.
    unsure: BTreeSet<String>,
    producer_ids_below: i64,
    broker_epoch: i64,
    leader_epochs: BTreeMap<String, i32>,
    metadata_offset: i64,
}

async fn live(world: &World) {
    let mut told = Told { broker_epoch: -1, ..Told::default() };
    for life in 0..LIVES {
        let runtime = world.node(NODE);
        prepare_log_directory(&runtime).await;
        let outage = if world.random_range(0..4) == 0 { Outage::Crash } else { Outage::PowerLoss };
        world.disk_faults(NODE).plan_outage(world.random_range(1..150), outage);
        match open(&runtime).await {
            Ok(controller) => {
                work(world, &runtime, &controller, life, &mut told).await;
                world.take_down(NODE, outage);
            }
            Err(error) => assert!(!world.is_up(NODE), "{error}"),
        }
        world.disk_faults(NODE).cancel_outage();
        check(world, &mut told).await;
    }
}

/// Does what brokers and clients do until the node goes down.
async fn work(world: &World, runtime: &Runtime, controller: &Controller, life: u64, told: &mut Told) {
    let broker = broker();
    let registered = tokio::select! {
        biased;
        () = world.down(NODE) => return,
        registered = controller.register_broker(runtime, &broker) => registered,
    };
    let Ok(registered) = registered else { return };
    assert!(registered.broker_epoch > told.broker_epoch, "broker epochs rise");
    told.broker_epoch = registered.broker_epoch;
    for number in 0..40 {
        let done = match world.random_range(0..4) {
            0 | 1 => create_one(controller, format!("topic-{life}-{number}"), told).await,
            2 => delete_one(world, controller, told).await,
            _ => allocate_one(controller, registered.broker_epoch, told).await,
        };
        if done.is_err() {
            return;
        }
        told.metadata_offset = controller.metadata_offset();
    }
}

async fn create_one(controller: &Controller, name: String, told: &mut Told) -> Result<(), ControllerError> {
    told.unsure.insert(name.clone());
    let (error, id) = created(submit(controller, create(&name, 2)).await?.into_create_topics());
    assert_eq!(error, ErrorCode::None);
    told.unsure.remove(&name);
    told.topics.insert(name, id);
    Ok(())
}

async fn delete_one(world: &World, controller: &Controller, told: &mut Told) -> Result<(), ControllerError> {
    let count = told.topics.len() as u64;
    if count == 0 {
        return Ok(());
    }
    let name = told.topics.keys().nth(world.random_range(0..count) as usize).cloned().unwrap();
    told.topics.remove(&name);
    told.unsure.insert(name.clone());
    let response = submit(controller, delete(&name)).await?.into_delete_topics();
    assert_eq!(response.responses[0].error_code, 0);
    told.unsure.remove(&name);
    assert!(image(controller).topic(&name).is_none());
    Ok(())
}

async fn allocate_one(controller: &Controller, epoch: i64, told: &mut Told) -> Result<(), ControllerError> {
    let block = submit(controller, allocate(epoch)).await?.into_allocate_producer_ids();
    assert_eq!(block.error_code, 0);
    assert!(block.producer_id_start >= told.producer_ids_below, "a producer id is never handed out twice");
    told.producer_ids_below = block.producer_id_start + i64::from(block.producer_id_len);
    Ok(())
}

/// Opens the controller without faults and compares with what was told.
async fn check(world: &World, told: &mut Told) {
    let runtime = world.node(NODE);
    let controller = open(&runtime).await.unwrap();
    let cluster_id = controller.ready().await.unwrap();
    assert_eq!(*told.cluster_id.get_or_insert(cluster_id), cluster_id, "the cluster keeps its id");
    let now = image(&controller);
    assert!(controller.metadata_offset() >= told.metadata_offset);
    for (name, id) in &told.topics {
        assert_eq!(now.topic_id(name), Some(*id), "{name} was acknowledged");
    }
    for topic in now.topics() {
        let name = topic.name.to_string();
        assert!(told.topics.contains_key(&name) || told.unsure.contains(&name), "{name} was deleted");
    }
    // Topics of which nobody was told become known now.
    for name in std::mem::take(&mut told.unsure) {
        if let Some(id) = now.topic_id(&name) {
            told.topics.insert(name, id);
        }
    }
    assert!(now.next_producer_id() >= told.producer_ids_below);
    let registered = controller.register_broker(&runtime, &broker()).await.unwrap();
    assert!(registered.broker_epoch > told.broker_epoch, "broker epochs rise");
    told.broker_epoch = registered.broker_epoch;
    let now = image(&controller);
    for topic in now.topics() {
        let partition = topic.partition(0).unwrap();
        assert_eq!(partition.leader, Some(BROKER));
        let before = told.leader_epochs.insert(topic.name.to_string(), partition.leader_epoch.0);
        assert!(before.is_none_or(|before| before < partition.leader_epoch.0), "an old leader epoch is never resumed");
    }
    check_replay(world, controller).await;
}

/// The same log gives the same image.
async fn check_replay(world: &World, controller: Controller) {
    let (before, offset) = (image(&controller), controller.metadata_offset());
    controller.shutdown().await;
    world.power_loss(NODE);
    let controller = open(&world.node(NODE)).await.unwrap();
    controller.ready().await.unwrap();
    assert_eq!((image(&controller), controller.metadata_offset()), (before, offset));
    controller.shutdown().await;
}

#[test]
fn what_was_answered_stays_true() {
    for seed in 0..SEEDS {
        let world = World::new(seed);
        world.run(live(&world));
    }
}

#[test]
fn equal_seeds_give_equal_traces() {
    let trace = |seed| {
        let world = World::new(seed);
        world.run(live(&world));
        world.trace_hash()
    };
    for seed in 0..3 {
        assert_eq!(trace(seed), trace(seed));
    }
}
