//! The role as a whole, on the simulator.

use crate::{Controller, ControllerOptions};
use ottla_config::{BrokerConfig, ConfigMap};
use ottla_metadata::ControllerRequest;
use ottla_protocol::{AllocateProducerIdsRequest, BrokerRegistrationRequest, CreateTopicsRequest};
use ottla_protocol::generated::create_topics_request::CreatableTopic;
use ottla_runtime::Runtime;
use ottla_runtime::sim::World;
use ottla_types::{NodeId, Uuid};

async fn open(runtime: &Runtime) -> Controller {
    let mut configs = ConfigMap::new();
    configs.insert("process.roles".to_string(), "broker,controller".to_string());
    configs.insert("node.id".to_string(), "1".to_string());
    configs.insert("listeners".to_string(), "PLAINTEXT://127.0.0.1:9092".to_string());
    let config = BrokerConfig::parse(configs).unwrap();
    let options = ControllerOptions { config, metadata_dir: "/data/metadata".into(), cluster_id: None };
    Controller::open(runtime, options).await.unwrap()
}

async fn register(controller: &Controller, incarnation: u8) {
    let request = BrokerRegistrationRequest {
        broker_id: 1,
        cluster_id: controller.bootstrapped().await.unwrap().to_string(),
        incarnation_id: Uuid([incarnation; 16]),
        log_dirs: vec![Uuid([9; 16])],
        features: ottla_metadata::features::SUPPORTED
            .iter()
            .map(|&(name, min, max)| ottla_protocol::generated::broker_registration_request::Feature {
                name: name.to_string(),
                min_supported_version: min,
                max_supported_version: max,
            })
            .collect(),
        ..BrokerRegistrationRequest::default()
    };
    let outcome = controller.channel().submit(request.into()).await.unwrap().into_register_broker();
    assert_eq!(outcome.response.error_code, 0, "{:?}", outcome.error_message);
}

fn create(name: &str) -> ControllerRequest {
    let topic = CreatableTopic { name: name.to_string(), num_partitions: 3, replication_factor: 1, ..Default::default() };
    CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, validate_only: false }.into()
}

#[test]
fn what_was_answered_survives_a_power_loss_and_leaders_get_new_epochs() {
    let world = World::new(7);
    world.clone().run(async move {
        let controller = open(&world.node("a")).await;
        register(&controller, 1).await;
        let created = controller.channel().submit(create("t")).await.unwrap().into_create_topics();
        assert_eq!(created.topics[0].error_code, 0, "{:?}", created.topics[0].error_message);
        let id = controller.bootstrapped().await.unwrap();
        let image = controller.images().borrow().clone();
        let epoch = image.partition("t", 0).unwrap().leader_epoch;
        world.power_loss("a");
        drop(controller);

        let controller = open(&world.node("a")).await;
        assert_eq!(controller.bootstrapped().await.unwrap(), id);
        register(&controller, 2).await;
        let image = controller.images().borrow().clone();
        assert_eq!(image.topic("t").unwrap().partitions.len(), 3);
        assert!(image.partition("t", 0).unwrap().leader_epoch > epoch);
        assert!(image.is_active(NodeId(1)));
    });
}

#[test]
fn requests_of_one_round_see_each_other() {
    let world = World::new(8);
    world.clone().run(async move {
        let controller = open(&world.node("a")).await;
        register(&controller, 1).await;
        let channel = controller.channel();
        let (first, second) = (channel.submit(create("t")), channel.submit(create("t")));
        let codes = [first.await, second.await].map(|r| r.unwrap().into_create_topics().topics[0].error_code);
        assert_eq!(codes, [0, ottla_types::ErrorCode::TopicAlreadyExists.code()]);
    });
}

#[test]
fn producer_ids_are_never_handed_out_twice() {
    let world = World::new(9);
    world.clone().run(async move {
        let mut end = 0;
        for incarnation in 1..4 {
            let controller = open(&world.node("a")).await;
            register(&controller, incarnation).await;
            let broker_epoch = controller.images().borrow().broker(NodeId(1)).unwrap().epoch;
            let request = AllocateProducerIdsRequest { broker_id: 1, broker_epoch };
            let block = controller.channel().submit(request.into()).await.unwrap().into_allocate_producer_ids();
            assert_eq!(block.error_code, 0);
            assert!(block.producer_id_start >= end);
            end = block.producer_id_start + i64::from(block.producer_id_len);
            world.power_loss("a");
        }
    });
}
