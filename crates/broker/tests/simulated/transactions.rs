//! Transactions through the broker: both versions, isolation, fencing, verification, offsets.

use crate::kit::*;
use ottla_protocol::generated::describe_producers_request::{DescribeProducersRequest, TopicRequest};
use ottla_protocol::generated::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::generated::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use ottla_protocol::generated::list_transactions_request::ListTransactionsRequest;
use ottla_protocol::generated::offset_fetch_request::OffsetFetchRequest;
use ottla_protocol::generated::produce_request::ProduceRequest;
use ottla_protocol::generated::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest,
};
use ottla_testkit::batches;
use std::time::Duration;

const VERSIONS: [i16; 2] = [1, 2];

async fn with_topics(node: &Node) {
    node.create_topic("t", 2, &[]).await;
    node.create_topic("u", 1, &[]).await;
}

async fn latest_committed(node: &Node, topic: &str, partition_index: i32) -> i64 {
    let partition = ListOffsetsPartition { partition_index, timestamp: LATEST, ..ListOffsetsPartition::default() };
    let topics = vec![ListOffsetsTopic { name: topic.to_string(), partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, isolation_level: 1, topics, ..ListOffsetsRequest::default() };
    node.call(LIST_OFFSETS, &request).await.topics[0].partitions[0].offset
}

#[test]
fn first_find_creates_the_transaction_state_topic() {
    with_node(700, &[], |node| async move {
        let find = FindCoordinatorRequest { key_type: 1, ..find_group("tx") };
        let found = node.call(6, &find).await.coordinators.remove(0);
        assert_eq!((error(found.error_code), found.node_id), ("NONE", 1));
        let image = node.controller.image();
        assert_eq!(image.topic("__transaction_state").unwrap().partitions.len(), 50);
        let configs = image.configs(&ottla_metadata::ConfigResource::topic("__transaction_state"));
        let configs: Vec<_> = configs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("cleanup.policy", "compact"),
            ("compression.type", "uncompressed"),
            ("min.insync.replicas", "1"),
            ("segment.bytes", "104857600"),
            ("unclean.leader.election.enable", "false"),
        ];
        assert_eq!(configs, expected);
    });
}

#[test]
fn committed_transactions_are_seen_as_a_whole_and_aborted_ones_never() {
    for version in VERSIONS {
        with_node(701, &[], |node| async move {
            with_topics(&node).await;
            let mut txn = Txn::new("tx", version);
            txn.init(&node).await;
            for (round, committed) in [(0, true), (1, false), (2, true)] {
                for (topic, partition) in [("t", 0), ("t", 1), ("u", 0), ("t", 0)] {
                    let value = format!("{round}");
                    assert_eq!(txn.send(&node, topic, partition, &value).await, "NONE");
                }
                let open = node.read_committed("t", 0).await;
                let end = node.list_offset("t", 0, LATEST).await.offset;
                assert!(open.last_stable_offset < end, "an open transaction holds readers back");
                assert_eq!(latest_committed(&node, "t", 0).await, open.last_stable_offset);
                assert_eq!(txn.end(&node, committed).await, "NONE");
                let state = node.completed("tx").await;
                assert_eq!(state, if committed { "CompleteCommit" } else { "CompleteAbort" });
            }
            let found = node.read_committed("t", 0).await;
            assert_eq!(found.values, ["0", "0", "2", "2"], "version {version}");
            assert_eq!(found.last_stable_offset, node.list_offset("t", 0, LATEST).await.offset);
            assert_eq!(node.read_committed("u", 0).await.values, ["0", "2"]);
            // read_uncommitted sees everything that is no marker.
            assert_eq!(node.read_all("u", 0, 0).await.len(), 3 + 3, "with the markers");
        });
    }
}

#[test]
fn offsets_of_a_transaction_count_when_it_commits() {
    for version in VERSIONS {
        with_node(702, &[], |node| async move {
            with_topics(&node).await;
            node.coordinate("g").await;
            let mut txn = Txn::new("tx", version);
            txn.init(&node).await;
            for (offset, committed, expected) in [(5, true, 5), (9, false, 5), (12, true, 12)] {
                assert_eq!(txn.send(&node, "u", 0, "x").await, "NONE");
                assert_eq!(txn.send_offset(&node, "g", "t", offset).await, "NONE");
                let stable = OffsetFetchRequest { require_stable: true, ..fetch_offsets_request("g", "t", &[0]) };
                let answer = node.fetch_group(stable.clone()).await;
                let code = error(answer.topics[0].partitions[0].error_code);
                assert_eq!(code, "UNSTABLE_OFFSET_COMMIT");
                assert_eq!(txn.end(&node, committed).await, "NONE");
                node.completed("tx").await;
                assert_eq!(node.committed("g", "t", 0).await, expected, "version {version}");
                let answer = node.fetch_group(stable).await;
                assert_eq!(answer.topics[0].partitions[0].committed_offset, expected);
            }
        });
    }
}

#[test]
fn zombie_is_fenced_everywhere() {
    for version in VERSIONS {
        with_node(703, &[], |node| async move {
            with_topics(&node).await;
            node.coordinate("g").await;
            let mut zombie = Txn::new("tx", version);
            zombie.init(&node).await;
            assert_eq!(zombie.send(&node, "t", 0, "zombie").await, "NONE");
            let mut heir = Txn::new("tx", version);
            heir.init(&node).await;
            assert!(heir.epoch > zombie.epoch && heir.producer_id == zombie.producer_id);
            // Where it was open, and where it was not.
            assert_eq!(zombie.try_send(&node, "t", 0, "zombie").await, "INVALID_PRODUCER_EPOCH");
            assert_eq!(zombie.try_send(&node, "u", 0, "zombie").await, "INVALID_PRODUCER_EPOCH");
            assert_eq!(zombie.try_send_offset(&node, "g", "t", 7).await, "INVALID_PRODUCER_EPOCH");
            assert_eq!(zombie.end(&node, true).await, "PRODUCER_FENCED");
            assert_eq!(heir.send(&node, "t", 0, "heir").await, "NONE");
            assert_eq!(heir.end(&node, true).await, "NONE");
            node.completed("tx").await;
            assert_eq!(node.read_committed("t", 0).await.values, ["heir"]);
            assert_eq!(node.committed("g", "t", 0).await, -1);
        });
    }
}

#[test]
fn batches_outside_of_a_transaction_are_refused() {
    with_node(704, &[], |node| async move {
        with_topics(&node).await;
        let mut old = Txn::new("old", 1);
        old.init(&node).await;
        // Not added; INVALID_TXN_STATE to those who do not know better.
        assert_eq!(old.try_send(&node, "t", 0, "x").await, "TRANSACTION_ABORTABLE");
        assert_eq!(old.add(&node, "t", 0).await, "NONE");
        assert_eq!(old.add(&node, "nowhere", 0).await, "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(old.try_send(&node, "t", 0, "x").await, "NONE");
        assert_eq!(old.try_send(&node, "t", 1, "x").await, "TRANSACTION_ABORTABLE");
        // Without a transactional id, and of an id that nobody knows.
        let builder = ottla_records::BatchBuilder::new(
            ottla_records::Compression::None,
            ottla_records::TimestampType::CreateTime,
        );
        let builder = builder
            .producer(ottla_types::ProducerId(old.producer_id), ottla_types::ProducerEpoch(old.epoch), 0)
            .transactional();
        let records = batches::build(builder, &["x"]).to_bytes();
        let nameless = node.produce_batch("u", 0, records.clone(), -1).await;
        assert_eq!(error(nameless.error_code), "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
        let transactional_id = Some("other".to_string());
        let request = ProduceRequest { transactional_id, ..produce_request("u", 0, records, -1) };
        let unknown = the_partition(node.call(PRODUCE, &request).await);
        assert_eq!(error(unknown.error_code), "INVALID_PRODUCER_ID_MAPPING");
        // A plain batch while the producer's transaction is open.
        let plain = batches::idempotent_batch(old.producer_id, old.epoch, 1, &["x"]);
        assert_eq!(error(node.produce_batch("t", 0, plain, -1).await.error_code), "INVALID_TXN_STATE");
        // Switched off, nothing is asked.
        node.set_configs(4, "", &[("transaction.partition.verification.enable", "false")]).await;
        assert_eq!(old.try_send(&node, "t", 1, "x").await, "NONE");
    });
}

#[test]
fn transaction_that_times_out_is_aborted() {
    let configs = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000")];
    for version in VERSIONS {
        with_node(705, &configs, |node| async move {
            with_topics(&node).await;
            let mut txn = Txn::new("tx", version);
            txn.timeout_ms = 3_000;
            txn.init(&node).await;
            assert_eq!(txn.send(&node, "t", 0, "late").await, "NONE");
            node.produce("t", 0, &["plain"]).await;
            assert_eq!(node.read_committed("t", 0).await.values, [""; 0]);
            node.runtime.sleep(Duration::from_secs(10)).await;
            assert_eq!(node.completed("tx").await, "CompleteAbort");
            assert_eq!(node.read_committed("t", 0).await.values, ["plain"]);
            let code = txn.try_send(&node, "t", 0, "late").await;
            assert_eq!(code, "INVALID_PRODUCER_EPOCH", "version {version}");
        });
    }
}

#[test]
fn transactions_and_their_producers_are_described_and_listed() {
    with_node(706, &[], |node| async move {
        with_topics(&node).await;
        let mut txn = Txn::new("tx", 2);
        txn.init(&node).await;
        Txn::new("idle", 2).init(&node).await;
        assert_eq!(txn.send(&node, "t", 1, "x").await, "NONE");
        let state = node.describe_txn("tx").await;
        assert_eq!((state.transaction_state.as_str(), state.producer_id), ("Ongoing", txn.producer_id));
        assert_eq!((state.topics[0].topic.as_str(), &state.topics[0].partitions[..]), ("t", &[1][..]));
        assert_eq!(error(node.describe_txn("nobody").await.error_code), "TRANSACTIONAL_ID_NOT_FOUND");
        let topics =
            ["t", "missing", "no name"].map(|name| TopicRequest { name: name.to_string(), partition_indexes: vec![1] });
        let producers = node.call(0, &DescribeProducersRequest { topics: topics.to_vec() }).await;
        let errors = producers.topics.iter().map(|topic| error(topic.partitions[0].error_code));
        let expected = ["NONE", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_TOPIC_EXCEPTION"];
        assert_eq!(errors.collect::<Vec<_>>(), expected);
        let producer = &producers.topics[0].partitions[0].active_producers[0];
        assert_eq!((producer.producer_id, producer.current_txn_start_offset), (txn.producer_id, 0));
        let list = |request: ListTransactionsRequest| {
            let node = node.clone();
            async move {
                let mut listed = node.call(2, &request).await;
                listed.transaction_states.sort_by(|a, b| a.transactional_id.cmp(&b.transactional_id));
                let ids = listed.transaction_states.into_iter().map(|state| state.transactional_id);
                (error(listed.error_code), ids.collect::<Vec<_>>(), listed.unknown_state_filters)
            }
        };
        let all = ListTransactionsRequest { duration_filter: -1, ..ListTransactionsRequest::default() };
        assert_eq!(list(all.clone()).await, ("NONE", vec!["idle".to_string(), "tx".to_string()], vec![]));
        let filters = vec!["Ongoing".to_string(), "Strange".to_string()];
        let ongoing = ListTransactionsRequest { state_filters: filters, ..all.clone() };
        assert_eq!(list(ongoing).await, ("NONE", vec!["tx".to_string()], vec!["Strange".to_string()]));
        let broken = ListTransactionsRequest { transactional_id_pattern: Some("a(".to_string()), ..all };
        assert_eq!(list(broken).await.0, "INVALID_REGULAR_EXPRESSION");
    });
}

#[test]
fn hanging_transaction_is_ended_by_an_administrators_marker() {
    with_node(707, &[], |node| async move {
        with_topics(&node).await;
        let mut txn = Txn::new("tx", 1);
        txn.init(&node).await;
        assert_eq!(txn.send(&node, "t", 0, "hanging").await, "NONE");
        let topic =
            |name: &str, index: i32| WritableTxnMarkerTopic { name: name.to_string(), partition_indexes: vec![index] };
        let marker = WritableTxnMarker {
            producer_id: txn.producer_id,
            producer_epoch: txn.epoch,
            topics: vec![topic("t", 0), topic("t", 9), topic("nowhere", 0)],
            ..WritableTxnMarker::default()
        };
        let older = WritableTxnMarker { producer_epoch: txn.epoch - 1, ..marker.clone() };
        for version in [1, 2] {
            let answer = node.call(version, &WriteTxnMarkersRequest { markers: vec![older.clone()] }).await;
            let codes: Vec<_> =
                answer.markers[0].topics.iter().map(|topic| error(topic.partitions[0].error_code)).collect();
            let unknown = "UNKNOWN_TOPIC_OR_PARTITION";
            assert_eq!(codes, ["INVALID_PRODUCER_EPOCH", unknown, unknown]);
        }
        let answer = node.call(1, &WriteTxnMarkersRequest { markers: vec![marker] }).await;
        assert_eq!(error(answer.markers[0].topics[0].partitions[0].error_code), "NONE");
        let found = node.read_committed("t", 0).await;
        assert_eq!((found.values, found.last_stable_offset), (vec![], 2));
    });
}

#[test]
fn topic_that_is_deleted_does_not_keep_a_transaction_from_its_end() {
    for version in VERSIONS {
        with_node(708, &[], |node| async move {
            with_topics(&node).await;
            let mut txn = Txn::new("tx", version);
            txn.init(&node).await;
            assert_eq!(txn.send(&node, "t", 0, "x").await, "NONE");
            assert_eq!(txn.send(&node, "u", 0, "x").await, "NONE");
            node.delete_topic("t").await;
            assert_eq!(txn.end(&node, true).await, "NONE");
            assert_eq!(node.completed("tx").await, "CompleteCommit");
            assert_eq!(node.read_committed("u", 0).await.values, ["x"]);
        });
    }
}

#[test]
fn first_batch_of_the_next_transaction_waits_for_the_markers() {
    with_node(712, &[], |node| async move {
        with_topics(&node).await;
        let mut txn = Txn::new("tx", 2);
        txn.init(&node).await;
        assert_eq!(txn.send(&node, "t", 0, "x").await, "NONE");
        node.world.disk_faults(NODE).slow_syncs("/t-0/", 1, Duration::from_millis(60));
        assert_eq!(txn.end(&node, true).await, "NONE");
        let ended = node.runtime.now();
        assert_eq!(txn.try_send(&node, "t", 1, "y").await, "NONE", "one attempt is enough");
        assert!(node.runtime.now() - ended >= Duration::from_millis(40), "the marker's flush was under way");
        assert_eq!(node.read_committed("t", 0).await.values, ["x"]);
        assert_eq!(txn.end(&node, true).await, "NONE");
        assert_eq!(node.completed("tx").await, "CompleteCommit");
    });
}

#[test]
fn many_transactions_of_many_producers_mix() {
    with_node(709, &[], |node| async move {
        with_topics(&node).await;
        let mut tasks = Vec::new();
        for n in 0..20 {
            let node = node.clone();
            let (runtime, version) = (node.runtime.clone(), 1 + n % 2);
            tasks.push(runtime.spawn("producer", async move {
                let mut txn = Txn::new(&format!("tx{n}"), version);
                txn.init(&node).await;
                for round in 0..10 {
                    let value = format!("{n}.{round}");
                    for partition in [0, 1] {
                        assert_eq!(txn.send(&node, "t", partition, &value).await, "NONE");
                    }
                    assert_eq!(txn.end(&node, round % 3 != 0).await, "NONE");
                }
                node.completed(&format!("tx{n}")).await;
            }));
        }
        for task in tasks {
            task.await.expect("a producer");
        }
        let mut expected: Vec<String> = (0..20)
            .flat_map(|n| (0..10).filter(|round| round % 3 != 0).map(move |round| format!("{n}.{round}")))
            .collect();
        expected.sort_unstable();
        for partition in [0, 1] {
            let mut found = node.read_committed("t", partition).await.values;
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    });
}
