//! Topologies of applications, by name.

use ottla_protocol::streams_group_heartbeat_request::{CopartitionGroup, KeyValue, Subtopology, TopicInfo, Topology};

/// `stateless`: reads `in`. `count`: the same with a store. `repartition`: a second subtopology counts what the first sends it.
/// `joined`: `in` with `other`. `fixed`: a repartition topic with 3 partitions joined with `in`. The rest make no sense.
pub(super) fn topology(name: &str, epoch: i32) -> Topology {
    let subtopologies = match name {
        "stateless" => vec![subtopology("0", &["in"])],
        "count" => {
            vec![Subtopology { state_changelog_topics: vec![changelog("app-store")], ..subtopology("0", &["in"]) }]
        }
        "repartition" => vec![
            Subtopology { repartition_sink_topics: vec!["app-rep".to_string()], ..subtopology("0", &["in"]) },
            Subtopology {
                repartition_source_topics: vec![topic("app-rep", 0)],
                state_changelog_topics: vec![changelog("app-store")],
                ..subtopology("1", &[])
            },
        ],
        "joined" => vec![Subtopology {
            copartition_groups: vec![copartition(&[0, 1], &[])],
            ..subtopology("0", &["in", "other"])
        }],
        "fixed" => vec![Subtopology {
            repartition_source_topics: vec![topic("app-rep", 3)],
            copartition_groups: vec![copartition(&[0], &[0])],
            ..subtopology("0", &["in"])
        }],
        "flexible" => vec![
            Subtopology { repartition_sink_topics: vec!["app-rep".to_string()], ..subtopology("0", &["in"]) },
            Subtopology {
                repartition_source_topics: vec![topic("app-rep", 0)],
                copartition_groups: vec![copartition(&[0], &[0])],
                ..subtopology("1", &["other"])
            },
        ],
        "loop" => vec![Subtopology {
            repartition_source_topics: vec![topic("app-rep", 0)],
            repartition_sink_topics: vec!["app-rep".to_string()],
            ..subtopology("0", &[])
        }],
        "unwritten" => {
            vec![Subtopology { repartition_source_topics: vec![topic("app-rep", 0)], ..subtopology("0", &["in"]) }]
        }
        "twice" => vec![subtopology("0", &["in"]), subtopology("0", &["in"])],
        "outside" => {
            vec![Subtopology { copartition_groups: vec![copartition(&[1], &[])], ..subtopology("0", &["in"]) }]
        }
        "negative" => {
            vec![Subtopology { repartition_source_topics: vec![topic("app-rep", -1)], ..subtopology("0", &["in"]) }]
        }
        "counted" => {
            vec![Subtopology { state_changelog_topics: vec![topic("app-store", 2)], ..subtopology("0", &["in"]) }]
        }
        "sourceless" => vec![subtopology("0", &[])],
        "regex" => vec![Subtopology { source_topic_regex: vec!["i.*".to_string()], ..subtopology("0", &[]) }],
        "endless" => (0..1_001).map(|index| subtopology(&index.to_string(), &["in"])).collect(),
        "large" => vec![subtopology("0", &vec!["in"; 500_000])],
        "huge" => (0..1_000).map(|index| subtopology(&format!("{index:04}"), &["in"])).collect(),
        other => panic!("what is {other}?"),
    };
    Topology { epoch, subtopologies }
}

fn subtopology(id: &str, sources: &[&str]) -> Subtopology {
    Subtopology {
        subtopology_id: id.to_string(),
        source_topics: sources.iter().map(|name| (*name).to_string()).collect(),
        ..Subtopology::default()
    }
}

fn topic(name: &str, partitions: i32) -> TopicInfo {
    TopicInfo { name: name.to_string(), partitions, ..TopicInfo::default() }
}

fn changelog(name: &str) -> TopicInfo {
    let compact = KeyValue { key: "cleanup.policy".to_string(), value: "compact".to_string() };
    TopicInfo { topic_configs: vec![compact], ..topic(name, 0) }
}

fn copartition(sources: &[i16], repartition: &[i16]) -> CopartitionGroup {
    CopartitionGroup {
        source_topics: sources.to_vec(),
        repartition_source_topics: repartition.to_vec(),
        ..CopartitionGroup::default()
    }
}
