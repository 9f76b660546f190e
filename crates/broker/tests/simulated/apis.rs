//! Every API in every version that is advertised, and what does not concern partitions.

use crate::kit::*;
use ottla_net::Outcome;
use ottla_protocol::generated::alter_configs_request::AlterConfigsRequest;
use ottla_protocol::generated::alter_replica_log_dirs_request::AlterReplicaLogDirsRequest;
use ottla_protocol::generated::api_versions_request::ApiVersionsRequest;
use ottla_protocol::generated::create_partitions_request::{CreatePartitionsRequest, CreatePartitionsTopic};
use ottla_protocol::generated::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use ottla_protocol::generated::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic,
};
use ottla_protocol::generated::delete_topics_request::DeleteTopicsRequest;
use ottla_protocol::generated::describe_cluster_request::DescribeClusterRequest;
use ottla_protocol::generated::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use ottla_protocol::generated::describe_log_dirs_request::DescribeLogDirsRequest;
use ottla_protocol::generated::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use ottla_protocol::generated::describe_topic_partitions_request::{
    Cursor, DescribeTopicPartitionsRequest, TopicRequest as DescribedTopic,
};
use ottla_protocol::generated::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use ottla_protocol::generated::init_producer_id_request::InitProducerIdRequest;
use ottla_protocol::generated::list_config_resources_request::ListConfigResourcesRequest;
use ottla_protocol::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use ottla_protocol::generated::metadata_request::{MetadataRequest, MetadataRequestTopic};
use ottla_protocol::generated::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use ottla_protocol::{ApiKey, Request, versions};
use ottla_testkit::batches::batch;
use std::time::Duration;

/// Calls `R` in every version that is served, with a body that may depend on the version.
async fn every_version<R: Request>(node: &Node, body: impl Fn(i16) -> R) {
    let row = versions::BROKER.iter().find(|row| row.api_key == R::KEY).expect("an advertised API");
    for version in row.served_from..=row.max {
        node.call(version, &body(version)).await;
    }
}

async fn every_api(node: &Node, topic: &str, index: i32) {
    let id = node.controller.image().topic_id(topic).unwrap_or(ottla_types::Uuid([9; 16]));
    let name = topic.to_string();
    every_version(node, |version| {
        let mut request = produce_request(if version < 13 { topic } else { "" }, index, batch(&["a"]), -1);
        request.topic_data[0].topic_id = if version < 13 { Default::default() } else { id };
        request
    })
    .await;
    every_version(node, |version| {
        let mut request = fetch_request(if version < 13 { topic } else { "" }, index, 0, 0);
        request.topics[0].topic_id = if version < 13 { Default::default() } else { id };
        request
    })
    .await;
    every_version(node, |_| {
        let asked = ListOffsetsPartition { partition_index: index, timestamp: LATEST, ..Default::default() };
        let topics = vec![ListOffsetsTopic { name: name.clone(), partitions: vec![asked] }];
        ListOffsetsRequest { replica_id: -1, topics, ..Default::default() }
    })
    .await;
    every_version(node, |_| {
        let asked = OffsetForLeaderPartition { partition: index, leader_epoch: 0, ..Default::default() };
        let topics = vec![OffsetForLeaderTopic { topic: name.clone(), partitions: vec![asked] }];
        OffsetForLeaderEpochRequest { replica_id: -1, topics }
    })
    .await;
    every_version(node, |_| {
        let partitions = vec![DeleteRecordsPartition { partition_index: index, offset: 0 }];
        let topics = vec![DeleteRecordsTopic { name: name.clone(), partitions }];
        DeleteRecordsRequest { topics, timeout_ms: 1000 }
    })
    .await;
    every_version(node, |_| {
        let topics = vec![TopicRequest { name: name.clone(), partition_indexes: vec![index] }];
        DescribeProducersRequest { topics }
    })
    .await;
    every_version(node, |_| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { name: Some(name.clone()), ..Default::default() }]),
        allow_auto_topic_creation: true,
        ..MetadataRequest::default()
    })
    .await;
    every_version(node, |_| {
        let topics = vec![DescribedTopic { name: name.clone() }];
        DescribeTopicPartitionsRequest { topics, response_partition_limit: 10, cursor: None }
    })
    .await;
    every_version(node, |_| {
        let resource = |resource_type: i8, name: &str| DescribeConfigsResource {
            resource_type,
            resource_name: name.to_string(),
            configuration_keys: None,
        };
        let resources = vec![resource(2, &name), resource(4, "1"), resource(4, ""), resource(4, "77")];
        DescribeConfigsRequest { resources, include_synonyms: true, ..Default::default() }
    })
    .await;
}

#[test]
fn metadata_of_topics_that_a_version_cannot_name_is_an_invalid_request() {
    with_node(211, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let topic_id = topic_id(&node, "t");
        let by_id = MetadataRequestTopic { name: Some("t".to_string()), topic_id };
        let unnamed = MetadataRequestTopic { name: None, ..Default::default() };
        for (version, topic) in [(10, &by_id), (11, &by_id), (11, &unnamed), (12, &unnamed), (13, &unnamed)] {
            let topics = Some(vec![topic.clone()]);
            let response = node.call(version, &MetadataRequest { topics, ..MetadataRequest::default() }).await;
            let told = &response.topics[0];
            assert_eq!(error(told.error_code), "INVALID_REQUEST", "version {version}");
            assert_eq!(
                (told.name.as_deref().unwrap_or_default(), told.topic_id),
                (topic.name.as_deref().unwrap_or_default(), topic.topic_id)
            );
            assert_eq!(error(response.error_code), if version < 13 { "NONE" } else { "INVALID_REQUEST" });
        }
    });
}

#[test]
fn every_advertised_version_is_answered() {
    // Topics that are missing are not made here: their errors are to be encoded, too.
    with_node(210, &[("auto.create.topics.enable", "false")], |node| async move {
        node.create_topic("t", 1, &[]).await;
        every_api(&node, "t", 0).await;
        every_api(&node, "t", 7).await;
        every_api(&node, "nowhere", 0).await;
        every_version(&node, |_| ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
        })
        .await;
        every_version(&node, |version| CreateTopicsRequest {
            topics: vec![CreatableTopic {
                name: format!("v{version}"),
                num_partitions: 1,
                replication_factor: 1,
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
        every_version(&node, |_| CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic { name: "t".into(), count: 1, ..Default::default() }],
            ..Default::default()
        })
        .await;
        every_version(&node, |_| DeleteTopicsRequest::default()).await;
        every_version(&node, |_| InitProducerIdRequest { transactional_id: None, ..Default::default() }).await;
        every_version(&node, |_| AlterConfigsRequest::default()).await;
        every_version(&node, |_| IncrementalAlterConfigsRequest::default()).await;
        every_version(&node, |_| ListConfigResourcesRequest::default()).await;
        every_version(&node, |_| DescribeClusterRequest::default()).await;
        every_version(&node, |_| DescribeLogDirsRequest { topics: None }).await;
        every_version(&node, |_| AlterReplicaLogDirsRequest::default()).await;
    });
}

#[test]
fn errors_of_offline_and_closed_partitions_are_encoded_in_every_version() {
    with_node(211, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.produce("t", 0, &["a"]).await;
        node.world.disk_faults(NODE).fail_syncs("t-0", 1000);
        node.produce_batch("t", 0, batch(&["b"]), -1).await;
        every_api(&node, "t", 0).await;
        node.broker.shutdown().await;
        every_api(&node, "t", 0).await;
    });
}

#[test]
fn an_unknown_version_of_api_versions_gets_the_table() {
    with_node(213, &[], |node| async move {
        let header = ottla_protocol::RequestHeader {
            api_key: ApiKey::ApiVersions,
            api_version: 99,
            correlation_id: 7,
            client_id: None,
        };
        let reply = node.raw(header, bytes::Bytes::from_static(b"whatever")).await;
        let Outcome::Reply(reply) = reply else { panic!("no reply") };
        let response = node.decode::<ApiVersionsRequest>(0, reply).await;
        assert_eq!(error(response.error_code), "UNSUPPORTED_VERSION");
        assert!(response.api_keys.iter().any(|api| api.api_key == 0 && api.min_version == 0));
    });
}

#[test]
fn epoch_of_the_finalized_features_rises_with_the_metadata() {
    with_node(215, &[], |node| async move {
        let request = ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() };
        let before = node.call(4, &request).await;
        assert!(!before.finalized_features.is_empty() && before.finalized_features_epoch > 0);
        assert_eq!(node.call(4, &request).await.finalized_features_epoch, before.finalized_features_epoch);
        node.create_topic("t", 1, &[]).await;
        // A topic and a partition.
        let after = node.call(4, &request).await.finalized_features_epoch;
        assert_eq!(after, before.finalized_features_epoch + 2);
    });
}

#[test]
fn bodies_that_make_no_sense_close_the_connection() {
    with_node(214, &[], |node| async move {
        for row in versions::BROKER {
            for body in [&b""[..], b"\xff\xff\xff\xff\xff\xff\xff\xff", &[0x7f; 200], &[0; 500]] {
                let header = ottla_protocol::RequestHeader {
                    api_key: row.api_key,
                    api_version: row.max,
                    correlation_id: 7,
                    client_id: None,
                };
                let outcome = node.raw(header, bytes::Bytes::copy_from_slice(body)).await;
                // A body of zeros is a valid request of some APIs.
                if let Outcome::Later(reply) = outcome {
                    reply.await;
                }
            }
        }
    });
}

#[test]
fn missing_topics_are_created_for_who_asks_for_their_metadata() {
    with_node(215, &[], |node| async move {
        let ask = |name: &str, allow_auto_topic_creation: bool| MetadataRequest {
            topics: Some(vec![MetadataRequestTopic { name: Some(name.to_string()), ..Default::default() }]),
            allow_auto_topic_creation,
            ..MetadataRequest::default()
        };
        let refused = node.call(12, &ask("t", false)).await;
        assert_eq!(error(refused.topics[0].error_code), "UNKNOWN_TOPIC_OR_PARTITION");
        let created = node.call(12, &ask("t", true)).await;
        assert_eq!(error(created.topics[0].error_code), "NONE");
        assert_eq!(created.topics[0].partitions[0].leader_id, 1);
        assert_eq!(node.produce("t", 0, &["a"]).await, 0, "the first try succeeds");
        let invalid = node.call(12, &ask("no spaces", true)).await;
        assert_eq!(error(invalid.topics[0].error_code), "INVALID_TOPIC_EXCEPTION");
        for name in ["__consumer_offsets", "__transaction_state", "__share_group_state"] {
            let refused = node.call(12, &ask(name, false)).await;
            assert_eq!(error(refused.topics[0].error_code), "UNKNOWN_TOPIC_OR_PARTITION");
            let own = node.call(12, &ask(name, true)).await;
            assert_eq!((error(own.topics[0].error_code), own.topics[0].partitions.len()), ("NONE", 50), "{name}");
            assert!(own.topics[0].is_internal);
        }
        let other = node.over("OTHER").call(12, &ask("t", true)).await;
        assert_eq!(other.brokers[0].port, 9094, "endpoints are those of the listener that was asked");
        assert_eq!(node.call(12, &ask("t", true)).await.brokers[0].port, 9092);
    });
}

#[test]
fn a_controller_that_does_not_answer_times_out() {
    with_node(216, &[], |node| async move {
        node.controller.be_silent(true);
        let topics = vec![CreatableTopic { name: "t".into(), num_partitions: 1, ..Default::default() }];
        let begun = node.runtime.now();
        let response = node.call(7, &CreateTopicsRequest { topics, timeout_ms: 2000, validate_only: false }).await;
        assert_eq!(error(response.topics[0].error_code), "REQUEST_TIMED_OUT");
        assert_eq!(node.runtime.now() - begun, Duration::from_secs(2));
    });
}

#[test]
fn changes_are_usable_when_answered_however_fast_the_metadata_changes() {
    with_node(217, &[], |node| async move {
        node.create_topic("busy", 1, &[]).await;
        let other = node.clone();
        let busy = node.runtime.spawn("busy", async move {
            for n in 0.. {
                let value = (1000 + n % 1000).to_string();
                other.set_configs(2, "busy", &[("max.message.bytes", &value)]).await;
                other.runtime.sleep(Duration::from_millis(1)).await;
            }
        });
        for n in 0..50 {
            let name = format!("t{n}");
            let begun = node.runtime.now();
            node.create_topic(&name, 1, &[]).await;
            assert_eq!(node.produce(&name, 0, &["a"]).await, 0);
            assert!(node.runtime.now() - begun < Duration::from_secs(5));
        }
        busy.abort();
    });
}

#[test]
fn topics_are_described_in_pages() {
    with_node(218, &[], |node| async move {
        node.create_topic("a", 3, &[]).await;
        node.create_topic("b", 3, &[]).await;
        let page = |cursor: Option<Cursor>| DescribeTopicPartitionsRequest {
            topics: vec![],
            response_partition_limit: 4,
            cursor,
        };
        let first = node.call(0, &page(None)).await;
        assert_eq!(first.topics.iter().map(|t| t.partitions.len()).collect::<Vec<_>>(), [3, 1]);
        let cursor = first.next_cursor.expect("there is more");
        assert_eq!((cursor.topic_name.as_str(), cursor.partition_index), ("b", 1));
        let next = Cursor { topic_name: cursor.topic_name, partition_index: cursor.partition_index };
        let second = node.call(0, &page(Some(next))).await;
        assert_eq!((second.topics[0].partitions.len(), second.next_cursor), (2, None));
        let wrong = DescribeTopicPartitionsRequest {
            topics: vec![DescribedTopic { name: "a".into() }],
            ..page(Some(Cursor { topic_name: "a".into(), partition_index: -1 }))
        };
        assert_eq!(error(node.call(0, &wrong).await.topics[0].error_code), "INVALID_REQUEST");
    });
}

#[test]
fn log_directories_tell_their_partitions_and_sizes() {
    with_node(219, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        node.produce("t", 1, &["a"]).await;
        let response = node.call(4, &DescribeLogDirsRequest { topics: None }).await;
        let topic = &response.results[0].topics[0];
        let sizes: Vec<_> = topic.partitions.iter().map(|p| (p.partition_index, p.partition_size > 0)).collect();
        assert_eq!((topic.name.as_str(), sizes), ("t", vec![(0, false), (1, true)]));
        node.runtime.sleep(Duration::from_secs(11)).await;
        assert_eq!(node.metrics.log.segments.get(), 2);
        assert!(node.metrics.log.log_bytes.get() > 0);
        assert_eq!(node.metrics.log.offline_log_dirs.get(), 0);
    });
}
