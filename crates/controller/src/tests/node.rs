//! A node with nothing but a controller, and requests for it.

use crate::{Controller, ControllerConfig, LocalBroker};
use ottla_config::BrokerConfig;
use ottla_metadata::{BrokerEndpoint, ControllerError, ControllerRequest, ControllerResponse, MetadataImage};
use ottla_protocol::create_topics_request::CreatableTopic;
use ottla_protocol::{AllocateProducerIdsRequest, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest};
use ottla_quorum::{NoPeers, OpenError, QuorumConfig};
use ottla_runtime::Runtime;
use ottla_types::{ErrorCode, NodeId, Uuid};
use std::path::Path;
use std::sync::Arc;

pub(super) const BROKER: NodeId = NodeId(0);

pub(super) async fn open(runtime: &Runtime) -> Result<Controller, OpenError> {
    open_with(runtime, None).await
}

pub(super) async fn open_with(runtime: &Runtime, cluster_id: Option<Uuid>) -> Result<Controller, OpenError> {
    let quorum =
        QuorumConfig { snapshot_after_bytes: 4000, reserve_bytes: 64 * 1024, ..QuorumConfig::new("/data/metadata") };
    let broker = Arc::new(BrokerConfig::parse(Default::default()).unwrap());
    Controller::open(runtime, ControllerConfig { quorum, broker, cluster_id }, Arc::new(NoPeers)).await
}

/// The log directory around the metadata directory.
pub(super) async fn prepare_log_directory(runtime: &Runtime) {
    runtime.disk().create_dir_all(Path::new("/data")).await.unwrap();
    runtime.disk().sync_dir(Path::new("/"), "test.setup").await.unwrap();
}

pub(super) fn broker() -> LocalBroker {
    let endpoint =
        BrokerEndpoint { name: "PLAINTEXT".to_owned(), host: "localhost".to_owned(), port: 9092, security_protocol: 0 };
    LocalBroker { node_id: BROKER, endpoints: vec![endpoint], rack: None, directories: vec![Uuid([9; 16])] }
}

pub(super) fn create(name: &str, partitions: i32) -> ControllerRequest {
    let topic = CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..Default::default() }.into()
}

pub(super) fn delete(name: &str) -> ControllerRequest {
    DeleteTopicsRequest { topic_names: vec![name.to_owned()], ..Default::default() }.into()
}

pub(super) fn allocate(broker_epoch: i64) -> ControllerRequest {
    AllocateProducerIdsRequest { broker_id: BROKER.0, broker_epoch }.into()
}

pub(super) async fn submit(
    controller: &Controller,
    request: ControllerRequest,
) -> Result<ControllerResponse, ControllerError> {
    controller.channel().submit(request).await
}

/// Error and id of the only topic of a response.
pub(super) fn created(response: CreateTopicsResponse) -> (ErrorCode, Uuid) {
    let topic = &response.topics[0];
    (ErrorCode::from_code(topic.error_code).unwrap(), topic.topic_id)
}

pub(super) fn image(controller: &Controller) -> Arc<MetadataImage> {
    controller.images().borrow().clone()
}
