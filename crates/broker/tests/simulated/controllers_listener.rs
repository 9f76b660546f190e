//! What a controller's listener serves: the administration of a cluster, for Kafka's `--bootstrap-controller`.

use crate::kit::*;
use ottla_net::Handler;
use ottla_protocol::ApiKey;
use ottla_protocol::generated::api_versions_request::ApiVersionsRequest;
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::generated::describe_cluster_request::DescribeClusterRequest;
use ottla_protocol::generated::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use ottla_protocol::generated::describe_quorum_request::{DescribeQuorumRequest, PartitionData, TopicData};
use ottla_protocol::generated::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use ottla_protocol::versions;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
const CONFIGS: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("listeners", "PLAINTEXT://10.0.0.1:9092,CONTROLLER://10.0.0.1:9093"),
    ("controller.listener.names", "CONTROLLER"),
];

fn ask(endpoint_type: i8) -> DescribeClusterRequest {
    DescribeClusterRequest { endpoint_type, ..Default::default() }
}

#[test]
fn each_kind_of_listener_tells_of_its_own_nodes() {
    with_node(2100, CONFIGS, |node| async move {
        for (listener, own, other, port) in
            [("PLAINTEXT", BROKERS, CONTROLLERS, 9092), ("CONTROLLER", CONTROLLERS, BROKERS, 9093)]
        {
            let node = node.over(listener);
            for version in 1..=2 {
                let response = node.call(version, &ask(own)).await;
                assert_eq!((error(response.error_code), response.endpoint_type), ("NONE", own), "{listener}");
                let told: Vec<_> = response.brokers.iter().map(|node| (node.broker_id, node.port)).collect();
                assert_eq!((told, response.controller_id), (vec![(1, port)], 1), "{listener}");
                let response = node.call(version, &ask(other)).await;
                assert_eq!(error(response.error_code), "MISMATCHED_ENDPOINT_TYPE", "{listener}");
                let response = node.call(version, &ask(7)).await;
                assert_eq!(error(response.error_code), "UNSUPPORTED_ENDPOINT_TYPE", "{listener}");
            }
        }
        // Version 0 knows of brokers only.
        assert_eq!(error(node.over("PLAINTEXT").call(0, &ask(BROKERS)).await.error_code), "NONE");
        let response = node.over("CONTROLLER").call(0, &ask(BROKERS)).await;
        assert_eq!(error(response.error_code), "INVALID_REQUEST");
        let words = "The request was sent to an endpoint of type CONTROLLER, but we wanted an endpoint of type BROKER";
        assert_eq!(response.error_message.as_deref(), Some(words));
    });
}

#[test]
fn a_controllers_listener_says_what_it_serves() {
    with_node(2101, CONFIGS, |node| async move {
        let software = ApiVersionsRequest { client_software_name: "x".into(), client_software_version: "1".into() };
        let told = node.over("CONTROLLER").call(4, &software).await;
        let told: Vec<i16> = told.api_keys.iter().map(|api| api.api_key).collect();
        let served: Vec<i16> = versions::controller().map(|row| row.api_key.code()).collect();
        assert_eq!(told, served);
        let handler = node.handler();
        for api in [ApiKey::Metadata, ApiKey::Produce, ApiKey::Fetch, ApiKey::DescribeClientQuotas, ApiKey::ListGroups]
        {
            assert_eq!(handler.served_versions("CONTROLLER", api), None, "{api:?}");
        }
        assert_eq!(handler.served_versions("CONTROLLER", ApiKey::CreateTopics), Some((2, 7)));
        assert_eq!(handler.served_versions("PLAINTEXT", ApiKey::Metadata), Some((0, 13)));
        assert_eq!(handler.served_versions("PLAINTEXT", ApiKey::Produce), Some((3, 13)), "0 to 2 are only advertised");
        let everything = node.call(4, &software).await;
        assert_eq!(everything.api_keys.len(), versions::BROKER.len());
    });
}

#[test]
fn a_cluster_is_administered_by_its_controllers() {
    with_node(2102, CONFIGS, |node| async move {
        let node = node.over("CONTROLLER");
        let topic = CreatableTopic { name: "t".into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1000, ..Default::default() };
        assert_eq!(error(node.call(7, &request).await.topics[0].error_code), "NONE");
        let config = AlterableConfig { name: "retention.ms".into(), config_operation: 0, value: Some("7".into()) };
        let resource = AlterConfigsResource { resource_type: 2, resource_name: "t".into(), configs: vec![config] };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        assert_eq!(error(node.call(1, &request).await.responses[0].error_code), "NONE");
        let resource = DescribeConfigsResource {
            resource_type: 2,
            resource_name: "t".into(),
            configuration_keys: Some(vec!["retention.ms".into()]),
        };
        let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let described = node.call(4, &request).await;
        assert_eq!(described.results[0].configs[0].value.as_deref(), Some("7"));
        let partitions = vec![PartitionData { partition_index: 0 }];
        let topics = vec![TopicData { topic_name: "__cluster_metadata".into(), partitions }];
        let quorum = node.call(2, &DescribeQuorumRequest { topics }).await;
        let listeners: Vec<_> = quorum.nodes[0].listeners.iter().map(|l| (l.name.as_str(), l.port)).collect();
        assert_eq!(listeners, [("CONTROLLER", 9093)]);
    });
}
