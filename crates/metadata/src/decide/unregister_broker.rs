//! UnregisterBroker: a broker that will not come back.

use super::election::without_broker;
use crate::{DecideContext, Decision, Entry, MetadataImage};
use ottla_protocol::{MetadataRecord, UnregisterBrokerRecord, UnregisterBrokerRequest, UnregisterBrokerResponse};
use ottla_types::{ErrorCode, NodeId};

/// Takes the broker out of every ISR, gives its leaderships to others, and removes it. The removal comes last, so that
/// the whole can be asked for again when only a part was committed.
///
/// Unlike Kafka, a node does not unregister itself while it serves.
pub fn unregister_broker(
    image: &MetadataImage,
    request: &UnregisterBrokerRequest,
    context: &DecideContext<'_>,
) -> Decision<UnregisterBrokerResponse> {
    let id = NodeId(request.broker_id);
    let Some(broker) = image.broker(id) else {
        return Decision::none(UnregisterBrokerResponse {
            error_code: ErrorCode::BrokerIdNotRegistered.code(),
            error_message: Some(format!("Broker ID {id} is not currently registered")),
            ..Default::default()
        });
    };
    if id == context.config.node_id && broker.is_active() {
        return Decision::none(UnregisterBrokerResponse {
            error_code: ErrorCode::InvalidRequest.code(),
            error_message: Some(format!(
                "Broker {id} is the one that answers: without its registration it would serve nothing until its next \
                 start. Next step: shut it down, then unregister it through another one"
            )),
            ..Default::default()
        });
    }
    let mut records = Entry::new();
    for topic in image.topics() {
        for (index, partition) in (0..).zip(&topic.partitions) {
            records.extend(without_broker(image, topic.id, index, partition, id));
        }
    }
    let record = UnregisterBrokerRecord { broker_id: id.0, broker_epoch: broker.epoch };
    records.push(MetadataRecord::UnregisterBroker(record));
    Decision::split(records, UnregisterBrokerResponse::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::testing::Cluster;
    use crate::image::records::ids;

    fn unregister(cluster: &mut Cluster, broker_id: i32) -> UnregisterBrokerResponse {
        cluster.run(|image, context| unregister_broker(image, &UnregisterBrokerRequest { broker_id }, context))
    }

    #[test]
    fn its_leaderships_go_to_others_in_sync() {
        let mut cluster = Cluster::with_brokers(3);
        cluster.create_topic("a", 6, &[]);
        let before = cluster.image.topic("a").unwrap().partitions.clone();
        assert_eq!(unregister(&mut cluster, 2).error_code, 0);
        assert!(cluster.image.broker(NodeId(2)).is_none());
        for (before, after) in before.iter().zip(&cluster.image.topic("a").unwrap().partitions) {
            assert!(!ids(&after.isr).contains(&2) && after.isr.len() == 2);
            assert!(after.isr.contains(&after.leader.unwrap()));
            let led = before.leader == Some(NodeId(2));
            assert_eq!(after.leader_epoch.0 - before.leader_epoch.0, i32::from(led));
        }
    }

    #[test]
    fn the_last_replica_in_sync_is_waited_for() {
        let mut cluster = Cluster::with_brokers(1).configured(&[("node.id", "9")]);
        cluster.create_topic("a", 1, &[]);
        assert_eq!(unregister(&mut cluster, 1).error_code, 0);
        let partition = cluster.image.partition("a", 0).unwrap();
        assert_eq!((partition.leader, ids(&partition.isr)), (None, vec![1]));
        cluster.register(1);
        let partition = cluster.image.partition("a", 0).unwrap();
        assert_eq!((partition.leader, partition.leader_epoch.0), (Some(NodeId(1)), 2));
    }

    #[test]
    fn the_node_that_answers_stays_registered() {
        let mut cluster = Cluster::with_brokers(1);
        let response = unregister(&mut cluster, 1);
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
        assert!(cluster.image.broker(NodeId(1)).is_some());
    }

    #[test]
    fn an_unknown_broker_cannot_be_unregistered() {
        let mut cluster = Cluster::with_brokers(1);
        let response = unregister(&mut cluster, 7);
        assert_eq!(response.error_code, ErrorCode::BrokerIdNotRegistered.code());
        assert_eq!(response.error_message.as_deref(), Some("Broker ID 7 is not currently registered"));
    }
}
