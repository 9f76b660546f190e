//! `ottla topic list`.

use crate::failure::Failure;
use crate::table;
use ottla_client::{Admin, ClusterMetadata, TopicMetadata};

pub(super) async fn run(admin: &Admin, internal: bool) -> Result<(), Failure> {
    print!("{}", render(&admin.list_topics().await?, internal));
    Ok(())
}

fn render(cluster: &ClusterMetadata, internal: bool) -> String {
    let topics: Vec<&TopicMetadata> = cluster.topics.values().filter(|topic| internal || !topic.is_internal).collect();
    if topics.is_empty() {
        return "No topics yet. Make one with `ottla topic create NAME`.\n".to_string();
    }
    table::render(&["TOPIC", "#PARTITIONS", "#REPLICAS", "STATE"], topics.into_iter().map(row))
}

fn row(topic: &TopicMetadata) -> Vec<String> {
    let partitions = match &topic.partitions {
        Ok(partitions) => partitions,
        Err(error) => return vec![topic.name.clone(), String::new(), String::new(), error.to_string()],
    };
    let replicas = partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(0);
    let leaderless = partitions.iter().filter(|partition| partition.leader.is_none()).count();
    let behind = partitions.iter().filter(|partition| partition.isr.len() < partition.replicas.len()).count();
    let state = match (leaderless, behind) {
        (0, 0) => "ok".to_string(),
        (0, behind) => format!("{behind} under-replicated"),
        (leaderless, _) => format!("{leaderless} without a leader"),
    };
    vec![topic.name.clone(), partitions.len().to_string(), replicas.to_string(), state]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::PartitionMetadata;
    use ottla_types::Uuid;

    fn topic(name: &str, is_internal: bool, leaders: &[Option<i32>]) -> (String, TopicMetadata) {
        let partitions = leaders.iter().zip(0..).map(|(leader, partition)| PartitionMetadata {
            partition,
            leader: *leader,
            leader_epoch: 0,
            replicas: vec![1],
            isr: leader.iter().copied().collect(),
            offline_replicas: vec![],
        });
        let partitions = Ok(partitions.collect());
        (name.to_string(), TopicMetadata { name: name.to_string(), topic_id: Uuid::ZERO, is_internal, partitions })
    }

    #[test]
    fn topics_are_listed_with_their_state() {
        let topics = [
            topic("orders", false, &[Some(1), Some(1)]),
            topic("sick", false, &[Some(1), None]),
            topic("__x", true, &[Some(1)]),
        ];
        let cluster = ClusterMetadata { topics: topics.into(), ..ClusterMetadata::default() };
        let expected = "\
TOPIC   PARTITIONS  REPLICAS  STATE
orders           2         1  ok
sick             2         1  1 without a leader
";
        assert_eq!(render(&cluster, false), expected);
        assert!(render(&cluster, true).contains("__x"));
        assert!(render(&ClusterMetadata::default(), false).starts_with("No topics yet"));
    }
}
