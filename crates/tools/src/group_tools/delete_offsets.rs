//! `--delete-offsets` of consumer groups and streams groups.

use super::{Done, Trouble, error_line};
use crate::java::{described_error, java_error};
use ottla_client::{Admin, ClientError};
use ottla_terminal::group::offsets::{TopicWord, named_partitions};
use ottla_terminal::output::write_out;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;

/// What became of the offset of each partition; partition -1 stands for a topic that could not be looked up.
type Results = BTreeMap<TopicPartition, Result<(), ClientError>>;

/// Deletes the offsets of what the words name, and says how it went.
pub(crate) async fn of_words(admin: &Admin, group: &str, words: &[String]) -> Done<()> {
    let words = words.iter().map(|word| TopicWord::parse(word)).collect::<Result<Vec<_>, _>>();
    let (mut results, mut wanted) = (Results::new(), Vec::new());
    for word in words.map_err(Trouble::Usage)? {
        match named_partitions(admin, std::slice::from_ref(&word)).await {
            Ok(partitions) => wanted.extend(partitions),
            Err((topic, error)) => drop(results.insert(TopicPartition::new(topic, -1), Err(error))),
        }
    }
    of_partitions(admin, group, wanted, results).await
}

/// Deletes the offsets of these partitions, and says how it went with them and with those of `results`.
pub(crate) async fn of_partitions(
    admin: &Admin,
    group: &str,
    wanted: Vec<TopicPartition>,
    mut results: Results,
) -> Done<()> {
    let deleted = match admin.delete_group_offsets(group, &wanted).await {
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
    Ok(write_out(&(summary(group, &deleted) + &table(&results)))?)
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
            error_line(&described_error(error))
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
