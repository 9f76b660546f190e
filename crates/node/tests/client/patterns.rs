//! Topic patterns: matched by this client in the classic protocol, by the broker with KIP-848.

use super::kit::{Stage, member, poll_until};
use ottla_client::{Assignor, Consumer, GroupProtocol, NewTopic};
use std::collections::BTreeSet;

fn protocols() -> [GroupProtocol; 2] {
    [GroupProtocol::Classic { assignors: vec![Assignor::Range] }, GroupProtocol::Consumer { assignor: None }]
}

fn topics(consumer: &Consumer) -> BTreeSet<String> {
    consumer.assignment().into_iter().map(|partition| partition.topic.to_string()).collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_pattern_finds_topics_that_are_there_and_topics_that_come() {
    for protocol in protocols() {
        let stage = Stage::new().await;
        let admin = ottla_client::Admin::new(&stage.client);
        for name in ["orders-a", "my-orders-a"] {
            admin.create_topic(&NewTopic::new(name, 1), false).await.unwrap();
        }
        let mut consumers = vec![stage.consumer(member("g", protocol))];
        consumers[0].subscribe_pattern("orders-.*").unwrap();
        poll_until(&mut consumers, |found| topics(&found[0]) == names(&["orders-a"])).await;
        admin.create_topic(&NewTopic::new("orders-b", 1), false).await.unwrap();
        poll_until(&mut consumers, |found| topics(&found[0]) == names(&["orders-a", "orders-b"])).await;
        assert_eq!(consumers[0].subscription(), names(&["orders-a", "orders-b"]));
        consumers[0].subscribe(&["my-orders-a"]).unwrap();
        poll_until(&mut consumers, |found| topics(&found[0]) == names(&["my-orders-a"])).await;
        consumers[0].subscribe_pattern(".*-b").unwrap();
        poll_until(&mut consumers, |found| topics(&found[0]) == names(&["orders-b"])).await;
        let broken = consumers[0].subscribe_pattern("orders-(").unwrap_err();
        assert!(broken.to_string().contains("orders-("), "{broken}");
        stage.node.shutdown().await.unwrap();
    }
}
