//! `--delete` and `--delete-offsets`.

use super::{ConsumerGroups, Done, Trouble, error_line, message};
use crate::group::offsets::{TopicWord, named_partitions};
use crate::kafka::java::java_error;
use crate::output::write_out;
use ottla_client::{Admin, ClientError};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;

pub(super) async fn groups(tool: &ConsumerGroups, admin: &Admin) -> Done<()> {
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for group in tool.wanted_groups(admin).await? {
        match admin.delete_group(&group).await {
            Ok(()) => deleted.push(format!("'{group}'")),
            Err(error) => failed.push((group, java_error(&error))),
        }
    }
    let deleted = deleted.join(", ");
    if failed.is_empty() {
        return Ok(write_out(&format!("Deletion of requested consumer groups ({deleted}) was successful.\n"))?);
    }
    let mut text = error_line("Deletion of some consumer groups failed:");
    for (group, error) in failed {
        text += &format!("* Group '{group}' could not be deleted due to: {error}\n");
    }
    if !deleted.is_empty() {
        text += &format!("\nThese consumer groups were deleted successfully: {deleted}\n");
    }
    Ok(write_out(&text)?)
}

pub(super) async fn offsets(tool: &ConsumerGroups, admin: &Admin) -> Done<()> {
    let group = tool.groups.last().cloned().unwrap_or_default();
    let words = tool.topics.iter().map(|word| TopicWord::parse(word)).collect::<Result<Vec<_>, _>>();
    let (mut results, mut wanted) = (BTreeMap::new(), Vec::new());
    for word in words.map_err(Trouble::Usage)? {
        match named_partitions(admin, std::slice::from_ref(&word)).await {
            Ok(partitions) => wanted.extend(partitions),
            Err((topic, error)) => drop(results.insert(TopicPartition::new(topic, -1), Err(error))),
        }
    }
    let deleted = match admin.delete_group_offsets(&group, &wanted).await {
        Ok(of_partitions) => {
            let first = of_partitions.values().find_map(|result| result.clone().err());
            results.extend(of_partitions);
            first.map_or(Ok(()), Err)
        }
        Err(error) => {
            results.extend(wanted.into_iter().map(|partition| (partition, Err(error.clone()))));
            Err(error)
        }
    };
    Ok(write_out(&(summary(&group, &deleted) + &table(&results)))?)
}

fn summary(group: &str, deleted: &Result<(), ClientError>) -> String {
    use ErrorCode::{
        GroupAuthorizationFailed, GroupIdNotFound, GroupSubscribedToTopic, InvalidGroupId, NonEmptyGroup,
        TopicAuthorizationFailed, UnknownTopicOrPartition,
    };
    let Err(error) = deleted else {
        return format!("Request succeeded for deleting offsets from group {group}.\n");
    };
    match error.code() {
        Some(InvalidGroupId | GroupIdNotFound | GroupAuthorizationFailed | NonEmptyGroup) => {
            error_line(&message(error))
        }
        Some(GroupSubscribedToTopic | TopicAuthorizationFailed | UnknownTopicOrPartition) => {
            error_line("Encountered some partition-level error, see the follow-up details.")
        }
        Some(code) => error_line(&format!("Encountered some unknown error: {}", code.name())),
        None => error_line(&format!("Encountered some unknown error: {error}")),
    }
}

fn table(results: &BTreeMap<TopicPartition, Result<(), ClientError>>) -> String {
    let width = results.keys().map(|partition| partition.topic.chars().count()).max().unwrap_or(0).max(15);
    let line = |topic: &str, partition: &str, status: &str| format!("\n{topic:<width$} {partition:<10} {status:<15}");
    let mut text = line("TOPIC", "PARTITION", "STATUS");
    for (partition, result) in results {
        let index = if partition.partition < 0 { "-".to_string() } else { partition.partition.to_string() };
        let status = match result {
            Ok(()) => "Successful".to_string(),
            Err(error) => format!("Error: {}", java_error(error)),
        };
        text += &line(&partition.topic, &index, &status);
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_kafkas_columns() {
        let error =
            ClientError::Broker { subject: "x".to_string(), code: ErrorCode::GroupSubscribedToTopic, message: None };
        let results = [(TopicPartition::new("t", 0), Ok(())), (TopicPartition::new("t", 1), Err(error.clone()))].into();
        let text = table(&results);
        assert!(
            text.starts_with(
                "\nTOPIC           PARTITION  STATUS         \nt               0          Successful     \n"
            )
        );
        assert!(text.ends_with("actively subscribed to it.\n"), "{text}");
        assert!(summary("g", &Err(error)).contains("partition-level error"));
        assert_eq!(summary("g", &Ok(())), "Request succeeded for deleting offsets from group g.\n");
    }
}
