//! `ottla share delete` and `ottla share delete-offsets`.

use super::{explain_unknown, names};
use crate::group::tell_deleted;
use ottla_client::{Admin, ClientError};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use ottla_types::ErrorCode;
use serde::Serialize;

/// Deletes one after another until one cannot be; what was deleted is told in any case.
pub(super) async fn groups(admin: &Admin, groups: &[String], output: OutputArgs) -> Result<(), Failure> {
    let existing = names(admin, &[]).await?;
    let (mut done, mut failed) = (Vec::new(), Ok(()));
    for group in groups {
        // A group of another kind is not deleted by this name.
        let is_known = existing.iter().any(|(name, _)| name == group);
        let unknown = || ClientError::Broker {
            subject: format!("share group '{group}'"),
            code: ErrorCode::GroupIdNotFound,
            message: None,
        };
        let deleted = if is_known { admin.delete_group(group).await } else { Err(unknown()) };
        failed = explain_unknown(admin, group, deleted).await;
        if failed.is_err() {
            break;
        }
        done.push(group.as_str());
    }
    tell_deleted("share group", &done, output).and(failed)
}

/// How the deletion of a topic's offsets went.
#[derive(Debug, Serialize)]
struct Deleted {
    topic: String,
    error: Option<String>,
}

pub(super) async fn offsets(admin: &Admin, group: &str, topics: &[String], output: OutputArgs) -> Result<(), Failure> {
    let topics = topics.iter().cloned().collect();
    let results = admin.delete_share_group_offsets(group, &topics).await;
    let results = explain_unknown(admin, group, results).await?;
    let row = |(topic, result): (String, Result<(), ClientError>)| Deleted {
        topic,
        error: result.err().map(|error| error.to_string()),
    };
    let rows: Vec<Deleted> = results.into_iter().map(row).collect();
    output.print(&rows, |rows| render(rows))?;
    match rows.iter().filter(|row| row.error.is_some()).count() {
        0 => Ok(()),
        failed => Err(Failure::new(format!("the offsets of {failed} of {} topics were not deleted", rows.len()))),
    }
}

fn render(rows: &[Deleted]) -> String {
    let row = |row: &Deleted| vec![row.topic.clone(), row.error.clone().unwrap_or_else(|| "deleted".to_string())];
    table::render(&["TOPIC", "RESULT"], rows.iter().map(row))
}
