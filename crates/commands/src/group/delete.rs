//! `ottla group delete` and `ottla group delete-offsets`.

use super::explain_unknown_group;
use crate::topic::partitions_of;
use ottla_client::Admin;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use ottla_types::{ErrorCode, TopicPartition};
use serde::Serialize;

/// Deletes one after another until one cannot be; what was deleted is told in any case.
pub(super) async fn groups(admin: &Admin, groups: &[String], output: OutputArgs) -> Result<(), Failure> {
    let (mut done, mut failed) = (Vec::new(), Ok(()));
    for group in groups {
        failed = match admin.delete_group(group).await {
            Err(error) if error.code() == Some(ErrorCode::NonEmptyGroup) => {
                Err(Failure::from(error).then("stop its consumers, then try again"))
            }
            deleted => explain_unknown_group(admin, group, deleted).await,
        };
        if failed.is_err() {
            break;
        }
        done.push(group.as_str());
    }
    tell_deleted("group", &done, output).and(failed)
}

/// Says which groups of a kind are gone.
pub(crate) fn tell_deleted(kind: &str, groups: &[&str], output: OutputArgs) -> Result<(), Failure> {
    let rows: Vec<DeletedGroup> = groups.iter().map(|group| DeletedGroup { group: group.to_string() }).collect();
    output.print(&rows, |rows| rows.iter().map(|row| format!("Deleted {kind} {}.\n", row.group)).collect())
}

/// A group that is gone.
#[derive(Debug, Serialize)]
struct DeletedGroup {
    group: String,
}

/// How the deletion of one offset went.
#[derive(Debug, Serialize)]
struct Deleted {
    topic: String,
    partition: i32,
    error: Option<String>,
}

pub(super) async fn offsets(admin: &Admin, group: &str, topics: &[String], output: OutputArgs) -> Result<(), Failure> {
    let partitions: Vec<TopicPartition> = partitions_of(admin, topics).await?.into_iter().collect();
    let results = explain_unknown_group(admin, group, admin.delete_group_offsets(group, &partitions).await).await?;
    let row = |(partition, result): (TopicPartition, Result<(), ottla_client::ClientError>)| Deleted {
        topic: partition.topic.to_string(),
        partition: partition.partition,
        error: result.err().map(|error| error.to_string()),
    };
    let rows: Vec<Deleted> = results.into_iter().map(row).collect();
    output.print(&rows, |rows| render(rows))?;
    match rows.iter().filter(|row| row.error.is_some()).count() {
        0 => Ok(()),
        failed => Err(Failure::new(format!("{failed} of {} offsets were not deleted", rows.len()))
            .then("stop the consumers that subscribe to these topics, then try again")),
    }
}

fn render(rows: &[Deleted]) -> String {
    let row = |row: &Deleted| {
        let result = row.error.clone().unwrap_or_else(|| "deleted".to_string());
        vec![row.topic.clone(), row.partition.to_string(), result]
    };
    table::render(&["TOPIC", "#PARTITION", "RESULT"], rows.iter().map(row))
}
