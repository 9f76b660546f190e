//! `--delete` and `--delete-offsets`.

use super::{ShareGroups, TYPE};
use crate::group_tools::{Done, error_line, nested, not_empty, only_one, quoted};
use crate::java::{described_error, java_error};
use ottla_client::{Admin, ClientError, GroupListing};
use ottla_terminal::output::write_out;
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn groups(tool: &ShareGroups, admin: &Admin) -> Done<()> {
    let listed = admin.list_groups(&[], &[TYPE]).await.map_err(|error| nested(&error))?;
    let wanted: BTreeSet<String> = match tool.all_groups {
        true => listed.iter().map(|group| group.group_id.clone()).collect(),
        false => tool.groups.iter().cloned().collect(),
    };
    let (mut deleted, mut failed) = (BTreeSet::new(), BTreeMap::new());
    for group in wanted {
        let found = listed.iter().find(|listing| listing.group_id == group);
        let result = match refusal(&group, found) {
            Some(refusal) => Err(refusal),
            None => admin.delete_group(&group).await.map_err(|error| java_error(&error)),
        };
        match result {
            Ok(()) => drop(deleted.insert(group)),
            Err(error) => drop(failed.insert(group, error)),
        }
    }
    Ok(write_out(&summary(&deleted, &failed))?)
}

/// Why a group is not even asked for.
fn refusal(group: &str, listing: Option<&GroupListing>) -> Option<String> {
    let Some(listing) = listing else {
        return Some(format!("java.lang.IllegalArgumentException: Group '{group}' is not a share group."));
    };
    not_empty("Share", group, &listing.state)
}

fn summary(deleted: &BTreeSet<String>, failed: &BTreeMap<String, String>) -> String {
    if failed.is_empty() {
        return format!("Deletion of requested share groups ({}) was successful.\n", quoted(deleted));
    }
    let mut text = error_line("Deletion of some share groups failed:");
    for (group, error) in failed {
        text += &format!("* Group '{group}' could not be deleted due to: {error}\n");
    }
    if !deleted.is_empty() {
        text += &format!("\nThese share groups were deleted successfully: {}\n", quoted(deleted));
    }
    text
}

pub(super) async fn offsets(tool: &ShareGroups, admin: &Admin) -> Done<()> {
    let group = only_one(&tool.groups, "group")?;
    let topics: BTreeSet<String> = tool.topics.iter().cloned().collect();
    let (text, results) = match admin.delete_share_group_offsets(group, &topics).await {
        Ok(results) => {
            let first = results.values().find_map(|result| result.as_ref().err());
            (first.map_or(String::new(), complaint), results)
        }
        Err(error) => {
            let results = topics.into_iter().map(|topic| (topic, Err(error.clone()))).collect();
            (complaint(&error), results)
        }
    };
    Ok(write_out(&(text + &table(&results)))?)
}

/// What is said of an error before the table; errors of topics stand in the table alone.
fn complaint(error: &ClientError) -> String {
    use ErrorCode::{
        GroupAuthorizationFailed, GroupIdNotFound, InvalidGroupId, NonEmptyGroup, TopicAuthorizationFailed,
        UnknownTopicOrPartition,
    };
    match error.code() {
        Some(InvalidGroupId | GroupIdNotFound | GroupAuthorizationFailed | NonEmptyGroup) => {
            error_line(&described_error(error))
        }
        Some(TopicAuthorizationFailed | UnknownTopicOrPartition) => String::new(),
        _ => error_line(&format!("Encounter some unknown error: {}", java_error(error))),
    }
}

fn table(results: &BTreeMap<String, Result<(), ClientError>>) -> String {
    let width = results.keys().map(|topic| topic.chars().count()).max().unwrap_or(0).max(15);
    let mut text = format!("\n{:<width$} STATUS", "TOPIC");
    for (topic, result) in results {
        let status = match result {
            Ok(()) => "Successful".to_string(),
            Err(error) => format!("Error: {}", described_error(error)),
        };
        text += &format!("\n{topic:<width$} {status}");
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_are_told_as_kafka_tells_them() {
        let deleted: BTreeSet<String> = ["a".to_string(), "b".to_string()].into();
        assert_eq!(
            summary(&deleted, &BTreeMap::new()),
            "Deletion of requested share groups ('a', 'b') was successful.\n"
        );
        let failed = [("x".to_string(), refusal("x", None).unwrap())].into();
        assert_eq!(
            summary(&BTreeSet::new(), &failed),
            "\nError: Deletion of some share groups failed:\n* Group 'x' could not be deleted due to: \
             java.lang.IllegalArgumentException: Group 'x' is not a share group.\n"
        );
    }

    #[test]
    fn topics_stand_in_kafkas_columns() {
        let error = |code| ClientError::Broker { subject: "x".to_string(), code, message: None };
        let results = [("a".to_string(), Ok(())), ("b".to_string(), Err(error(ErrorCode::UnknownTopicOrPartition)))];
        let expected = "\nTOPIC           STATUS\na               Successful\nb               Error: This server does not host this topic-partition.\n";
        assert_eq!(table(&results.into()), expected);
        assert_eq!(complaint(&error(ErrorCode::UnknownTopicOrPartition)), "");
        assert_eq!(complaint(&error(ErrorCode::NonEmptyGroup)), "\nError: The group is not empty.\n");
    }
}
