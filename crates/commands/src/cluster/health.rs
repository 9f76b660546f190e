//! `ottla cluster health`: what is wrong with a cluster, worst first, each with its next step.

use ottla_client::{Admin, Client, ClusterDescription, ClusterMetadata, ConfigResource, Connection, LogDir};
use ottla_terminal::colour;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use serde::Serialize;
use std::collections::BTreeMap;

/// Free space below which a disk counts as full.
pub(super) const FREE_PERCENT_DEFAULT: u8 = 5;
/// Names that one finding lists; the rest is counted.
const NAMES_MAX: usize = 5;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data cannot be read or written.
    Error,
    /// It still works, with less safety than wanted.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a sentence.
    pub problem: String,
    /// What to do about it.
    pub next_step: String,
}

/// What the command says.
#[derive(Debug, Serialize)]
struct Health {
    healthy: bool,
    brokers: usize,
    partitions: usize,
    findings: Vec<Finding>,
}

pub(super) async fn run(client: &Client, min_free: u8, output: OutputArgs) -> Result<(), Failure> {
    let admin = Admin::new(client);
    let (cluster, metadata) = (admin.describe_cluster().await?, admin.list_topics().await?);
    let findings = examine(client, &cluster, &metadata, min_free).await;
    let partitions = metadata.topics.values().map(|topic| topic.partitions.as_ref().map_or(0, Vec::len)).sum();
    let health = Health { healthy: findings.is_empty(), brokers: metadata.brokers.len(), partitions, findings };
    output.print(&health, render)?;
    match health.findings.len() {
        0 => Ok(()),
        1 => Err(Failure::new("1 problem was found")),
        count => Err(Failure::new(format!("{count} problems were found"))),
    }
}

/// Everything that can be seen from outside, worst first.
pub async fn examine(
    client: &Client,
    cluster: &ClusterDescription,
    metadata: &ClusterMetadata,
    min_free: u8,
) -> Vec<Finding> {
    let admin = Admin::new(client);
    let mut findings = of_brokers(cluster);
    findings.extend(of_partitions(metadata, &min_isr(&admin, metadata).await));
    for (id, address) in &metadata.brokers {
        match Connection::connect(client.runtime(), &address.address(), client.options()).await {
            Ok(_) => match admin.describe_log_dirs(*id).await {
                Ok(dirs) => findings.extend(of_log_dirs(*id, &dirs, min_free)),
                Err(error) => findings.push(warning(
                    format!("broker {id} does not tell its log directories: {error}"),
                    "ask with a user that may describe the cluster",
                )),
            },
            Err(error) => findings.push(Finding {
                severity: Severity::Error,
                problem: format!("broker {id} cannot be reached at its advertised address: {error}"),
                next_step: format!(
                    "start it, or correct advertised.listeners of broker {id}: clients must be able to reach {}",
                    address.address()
                ),
            }),
        }
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

fn of_brokers(cluster: &ClusterDescription) -> Vec<Finding> {
    let mut findings = Vec::new();
    if cluster.controller_id.is_none() {
        findings.push(Finding {
            severity: Severity::Error,
            problem: "the cluster has no controller: topics and configs cannot be changed".to_string(),
            next_step: "look whether most nodes of the metadata quorum run and reach each other".to_string(),
        });
    }
    for id in &cluster.fenced {
        findings.push(warning(
            format!("broker {id} is fenced: it is registered and does not report"),
            "start it; if it is gone for good, take it out with `ottla kafka-cluster unregister --id ID`",
        ));
    }
    findings
}

/// `min.insync.replicas` of each topic whose replicas are not all in sync; others do not matter.
async fn min_isr(admin: &Admin, metadata: &ClusterMetadata) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (name, topic) in &metadata.topics {
        let partitions = topic.partitions.as_deref().unwrap_or_default();
        if partitions.iter().all(|partition| partition.isr.len() >= partition.replicas.len()) {
            continue;
        }
        let configs = admin.describe_configs(&ConfigResource::Topic(name.clone())).await.unwrap_or_default();
        let min = configs.iter().find(|config| config.name == "min.insync.replicas");
        found.insert(name.clone(), min.and_then(|min| min.value.as_ref()?.parse().ok()).unwrap_or(1));
    }
    found
}

fn of_partitions(metadata: &ClusterMetadata, min_isr: &BTreeMap<String, usize>) -> Vec<Finding> {
    let (mut leaderless, mut below, mut behind) = (Vec::new(), Vec::new(), Vec::new());
    let mut findings = Vec::new();
    for (name, topic) in &metadata.topics {
        let partitions = match &topic.partitions {
            Ok(partitions) => partitions,
            Err(error) => {
                findings.push(warning(format!("{error}"), "ask again, or look into the broker's log"));
                continue;
            }
        };
        for partition in partitions {
            let label = format!("{name}-{}", partition.partition);
            if partition.leader.is_none() {
                leaderless.push(label);
            } else if min_isr.get(name).is_some_and(|min| partition.isr.len() < *min) {
                below.push(label);
            } else if partition.isr.len() < partition.replicas.len() {
                behind.push(label);
            }
        }
    }
    let all = [
        (
            Severity::Error,
            leaderless,
            "without a leader",
            "start the brokers that hold their replicas; the broker's log says why a log is offline",
        ),
        (
            Severity::Error,
            below,
            "below min.insync.replicas: acks=all is refused",
            "start the brokers that are missing",
        ),
        (
            Severity::Warning,
            behind,
            "with fewer replicas in sync than wanted",
            "start the brokers that are missing, or wait until they have caught up",
        ),
    ];
    for (severity, labels, what, next_step) in all {
        if !labels.is_empty() {
            let problem = format!("{} {what}: {}", counted(labels.len()), listed(&labels));
            findings.push(Finding { severity, problem, next_step: next_step.to_string() });
        }
    }
    findings
}

fn of_log_dirs(broker: i32, dirs: &[LogDir], min_free: u8) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dir in dirs {
        if let Some(error) = &dir.error {
            findings.push(Finding {
                severity: Severity::Error,
                problem: format!("log directory {} of broker {broker} is offline: {error}", dir.path),
                next_step: "look at the disk, then start the broker again".to_string(),
            });
        }
        let (total, free) = (u64::try_from(dir.total_bytes), u64::try_from(dir.usable_bytes));
        if let (Ok(total @ 1..), Ok(free)) = (total, free) {
            let percent = free.saturating_mul(100) / total;
            if percent < u64::from(min_free) {
                findings.push(Finding {
                    severity: if percent == 0 { Severity::Error } else { Severity::Warning },
                    problem: format!("the disk of {} on broker {broker} has {percent} % left", dir.path),
                    next_step: "free space, lower retention.ms or retention.bytes of big topics, or add a disk"
                        .to_string(),
                });
            }
        }
        if dir.is_cordoned {
            findings.push(warning(
                format!("log directory {} of broker {broker} takes no new partitions", dir.path),
                "take it out of cordoned.log.dirs when that is no longer wanted",
            ));
        }
    }
    findings
}

fn warning(problem: String, next_step: &str) -> Finding {
    Finding { severity: Severity::Warning, problem, next_step: next_step.to_string() }
}

fn counted(count: usize) -> String {
    format!("{count} partition{}", if count == 1 { "" } else { "s" })
}

fn listed(labels: &[String]) -> String {
    let mut text = labels[..labels.len().min(NAMES_MAX)].join(", ");
    if labels.len() > NAMES_MAX {
        text += &format!(" and {} more", labels.len() - NAMES_MAX);
    }
    text
}

/// Findings as lines, each with what to do below it.
pub fn render_findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let severity = match finding.severity {
            Severity::Error => colour::out(colour::BAD, "error:"),
            Severity::Warning => colour::out(colour::DOUBTFUL, "warning:"),
        };
        let advice = colour::out(colour::ADVICE, "next step:");
        format!("{severity} {}\n  {advice} {}\n", finding.problem, finding.next_step)
    };
    findings.iter().map(line).collect()
}

fn render(health: &Health) -> String {
    if health.healthy {
        let brokers = format!("{} broker{}", health.brokers, if health.brokers == 1 { "" } else { "s" });
        let well = colour::out(colour::GOOD, "Healthy:");
        return format!("{well} {brokers}, {}.\n", counted(health.partitions));
    }
    render_findings(&health.findings)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ottla_client::{PartitionMetadata, TopicMetadata};
    use ottla_types::Uuid;

    /// Three topics with four partitions: one sound, one behind, two below min.insync.replicas and without a leader.
    pub(in super::super) fn metadata() -> ClusterMetadata {
        let partition = |partition, leader, replicas: &[i32], isr: &[i32]| PartitionMetadata {
            partition,
            leader,
            leader_epoch: 0,
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
            ..PartitionMetadata::default()
        };
        let topic = |name: &str, partitions| {
            let partitions = Ok(partitions);
            (
                name.to_string(),
                TopicMetadata { name: name.to_string(), topic_id: Uuid::ZERO, is_internal: false, partitions },
            )
        };
        let topics = [
            topic("behind", vec![partition(0, Some(1), &[1, 2], &[1])]),
            topic("poor", vec![partition(0, Some(1), &[1, 2], &[1]), partition(1, None, &[1], &[1])]),
            topic("sound", vec![partition(0, Some(1), &[1], &[1])]),
        ];
        ClusterMetadata { topics: topics.into(), ..ClusterMetadata::default() }
    }

    #[test]
    fn partitions_are_judged_by_leader_min_isr_and_replicas() {
        let min_isr = [("behind".to_string(), 1), ("poor".to_string(), 2)].into();
        let problems: Vec<String> =
            of_partitions(&metadata(), &min_isr).into_iter().map(|finding| finding.problem).collect();
        assert_eq!(
            problems,
            [
                "1 partition without a leader: poor-1",
                "1 partition below min.insync.replicas: acks=all is refused: poor-0",
                "1 partition with fewer replicas in sync than wanted: behind-0",
            ]
        );
    }

    #[test]
    fn disks_are_judged_by_what_is_left() {
        let dir = |usable_bytes, error| LogDir {
            path: "/d".to_string(),
            error,
            total_bytes: 1000,
            usable_bytes,
            is_cordoned: false,
            replicas: BTreeMap::new(),
        };
        assert_eq!(of_log_dirs(1, &[dir(50, None), dir(-1, None)], 5), []);
        let full = of_log_dirs(1, &[dir(49, None), dir(3, None)], 5);
        assert_eq!(
            full.iter().map(|finding| finding.severity).collect::<Vec<_>>(),
            [Severity::Warning, Severity::Error]
        );
        let offline = ottla_client::ClientError::Closed("x");
        assert!(of_log_dirs(1, &[dir(900, Some(offline))], 5)[0].problem.contains("is offline"));
    }

    #[test]
    fn many_names_are_counted() {
        let labels: Vec<String> = (0..8).map(|i| format!("t-{i}")).collect();
        assert_eq!(listed(&labels), "t-0, t-1, t-2, t-3, t-4 and 3 more");
    }
}
