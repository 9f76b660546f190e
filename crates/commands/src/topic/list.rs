//! `ottla topic list`.

use ottla_client::{Admin, ClusterMetadata, TopicMetadata};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;

/// One topic, as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    topic: String,
    /// Nothing where the broker did not tell them.
    partitions: Option<usize>,
    replication_factor: Option<usize>,
    is_internal: bool,
    state: String,
}

pub(super) async fn run(admin: &Admin, internal: bool, output: OutputArgs) -> Result<(), Failure> {
    output.print(&listed(&admin.list_topics().await?, internal), |topics| render(topics))
}

fn listed(cluster: &ClusterMetadata, internal: bool) -> Vec<Listed> {
    cluster.topics.values().filter(|topic| internal || !topic.is_internal).map(Listed::of).collect()
}

fn render(topics: &[Listed]) -> String {
    if topics.is_empty() {
        return "No topics yet. Make one with `ottla topic create NAME`.\n".to_string();
    }
    let number = |count: Option<usize>| count.map(|count| count.to_string()).unwrap_or_default();
    let row = |topic: &Listed| {
        vec![topic.topic.clone(), number(topic.partitions), number(topic.replication_factor), topic.state.clone()]
    };
    table::render(&["TOPIC", "#PARTITIONS", "#REPLICAS", "STATE"], topics.iter().map(row))
}

impl Listed {
    fn of(topic: &TopicMetadata) -> Listed {
        let named = |partitions, replication_factor, state| Listed {
            topic: topic.name.clone(),
            partitions,
            replication_factor,
            is_internal: topic.is_internal,
            state,
        };
        let partitions = match &topic.partitions {
            Ok(partitions) => partitions,
            Err(error) => return named(None, None, error.to_string()),
        };
        let replicas = partitions.iter().map(|partition| partition.replicas.len()).max().unwrap_or(0);
        let leaderless = partitions.iter().filter(|partition| partition.leader.is_none()).count();
        let behind = partitions.iter().filter(|partition| partition.isr.len() < partition.replicas.len()).count();
        let state = match (leaderless, behind) {
            (0, 0) => "ok".to_string(),
            (0, behind) => format!("{behind} under-replicated"),
            (leaderless, _) => format!("{leaderless} without a leader"),
        };
        named(Some(partitions.len()), Some(replicas), state)
    }
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
            ..PartitionMetadata::default()
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
        assert_eq!(render(&listed(&cluster, false)), expected);
        assert!(render(&listed(&cluster, true)).contains("__x"));
        assert!(render(&[]).starts_with("No topics yet"));
    }
}
