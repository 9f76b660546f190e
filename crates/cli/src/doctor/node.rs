//! A cluster that runs, and the nodes of it that run on this machine.

use super::Report;
use crate::processes;
use ottla_client::{Admin, Client, ClusterMetadata, Isolation, OffsetSpec};
use ottla_commands::cluster::examine as examine_health;
use ottla_terminal::failure::Failure;
use ottla_terminal::times::now_ms;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;

/// Free space of a disk below which it counts as full. Percent.
const FREE_PERCENT_MIN: u8 = 5;
/// Partitions whose newest timestamp is looked at.
const PARTITIONS_ASKED_MAX: usize = 100;
/// How far a newest record may lie in the future.
const DRIFT_MS_MAX: i64 = 10_000;
/// Share of the files that a node may open, above which it is warned of. Percent.
const OPEN_FILES_PERCENT_MAX: u64 = 80;

pub(super) async fn examine(client: &Client) -> Result<Report, Failure> {
    let mut report = Report::default();
    let admin = Admin::new(client);
    let (cluster, metadata) = (admin.describe_cluster().await?, admin.list_topics().await?);
    report.well(format!("cluster {} answers with {} brokers", cluster.cluster_id, metadata.brokers.len()));
    report.findings = examine_health(client, &cluster, &metadata, FREE_PERCENT_MIN).await;
    let unreachable = report.findings.iter().filter(|finding| finding.problem.contains("advertised address")).count();
    if unreachable == 0 {
        report.well("every broker is reached at its advertised address");
    }
    examine_clock(&mut report, &admin, &metadata).await;
    examine_processes(&mut report);
    Ok(report)
}

/// Brokers do not tell their time, but the newest records of topics with their own stamp do.
async fn examine_clock(report: &mut Report, admin: &Admin, metadata: &ClusterMetadata) {
    let now = now_ms();
    let partitions = metadata.topics.values().flat_map(|topic| {
        let partitions = topic.partitions.as_deref().unwrap_or_default().iter();
        let led = partitions.filter(|partition| partition.leader.is_some());
        led.map(|partition| (TopicPartition::new(topic.name.as_str(), partition.partition), OffsetSpec::MaxTimestamp))
    });
    let wanted: BTreeMap<TopicPartition, OffsetSpec> = partitions.take(PARTITIONS_ASKED_MAX).collect();
    let Ok(newest) = admin.list_offsets(&wanted, Isolation::ReadUncommitted).await else { return };
    let ahead = newest.iter().max_by_key(|(_, listed)| listed.timestamp);
    match ahead {
        Some((partition, listed)) if listed.timestamp > now.saturating_add(DRIFT_MS_MAX) => report.warning(
            format!(
                "{partition} has a record {} s in the future: the clock of a producer, of a broker or of this machine is wrong",
                (listed.timestamp - now) / 1000
            ),
            "compare the clocks; let all machines follow NTP. Retention by time keeps such records too long",
        ),
        _ => report.well("no record lies in the future"),
    }
}

/// Nodes of this machine, as far as they are of the same user.
fn examine_processes(report: &mut Report) {
    for node in processes::nodes() {
        let Some(found) = processes::descriptors(node.pid) else { continue };
        let open = u64::try_from(found.open).unwrap_or(u64::MAX);
        let text = format!("the node with process id {} has {open} of {} files open", node.pid, found.limit);
        if open.saturating_mul(100) > found.limit.saturating_mul(OPEN_FILES_PERCENT_MAX) {
            report.error(text, "raise the limit: LimitNOFILE= of the systemd unit, or `ulimit -n` before the start");
        } else {
            report.well(text);
        }
    }
}
