//! `--delete` with or without internal topics, `--delete-offsets`, and which topics are internal.

use super::{StreamsGroups, TYPE, described, offsets};
use crate::group_tools::{Done, delete_offsets, error_line, nested, not_empty, only_one, quoted};
use crate::java::java_error;
use ottla_client::{Admin, ClientError, GroupListing, StreamsGroupDescription};
use ottla_terminal::output::write_out;
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn groups(tool: &StreamsGroups, admin: &Admin) -> Done<()> {
    let listed = admin.list_groups(&[], &[TYPE]).await.map_err(|error| nested(&error))?;
    let wanted: BTreeSet<String> = match tool.all_groups {
        true => listed.iter().map(|group| group.group_id.clone()).collect(),
        false => tool.groups.iter().cloned().collect(),
    };
    let (mut deleted, mut failed, mut internal) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    for group in wanted {
        if let Some(refusal) = refusal(&group, listed.iter().find(|listing| listing.group_id == group)) {
            failed.insert(group, refusal);
            continue;
        }
        if tool.delete_all_internal_topics {
            let topics = internal_topics(admin, &group).await?;
            internal.extend((!topics.is_empty()).then(|| (group.clone(), topics)));
        }
        match admin.delete_group(&group).await {
            Ok(()) => drop(deleted.insert(group)),
            Err(error) => drop(failed.insert(group, java_error(&error))),
        }
    }
    let mut failures = BTreeMap::new();
    for (group, topics) in internal.iter().filter(|(group, _)| deleted.contains(*group)) {
        if let Err(error) = delete_topics(admin, topics).await? {
            failures.insert(group.clone(), java_error(&error));
        }
    }
    write_out(&summary(&deleted, &failed))?;
    if !internal.is_empty() && !deleted.is_empty() {
        let of: Vec<&String> = deleted.iter().filter(|group| internal.contains_key(*group)).collect();
        write_out(&summary_of_topics(&of, &failures))?;
    }
    Ok(())
}

/// Why a group is not even asked for.
fn refusal(group: &str, listing: Option<&GroupListing>) -> Option<String> {
    let Some(listing) = listing else {
        let cause = format!("Group '{group}' does not exist or is not a streams group.");
        return Some(format!("java.lang.IllegalArgumentException: {cause}"));
    };
    not_empty("Streams", group, &listing.state)
}

fn summary(deleted: &BTreeSet<String>, failed: &BTreeMap<String, String>) -> String {
    if failed.is_empty() {
        let names = if deleted.is_empty() { "''".to_string() } else { quoted(deleted) };
        return format!("Deletion of requested streams groups ({names}) was successful.\n");
    }
    let mut text = error_line("Deletion of some streams groups failed:");
    for (group, error) in failed {
        text += &format!("* Group '{group}' could not be deleted due to: {error}\n");
    }
    if !deleted.is_empty() {
        text += &format!("\nThese streams groups were deleted successfully: {}.\n", quoted(deleted));
    }
    text
}

fn summary_of_topics(groups: &[&String], failures: &BTreeMap<String, String>) -> String {
    if failures.is_empty() {
        let names = quoted(groups.iter().copied());
        return format!("Deletion of associated internal topics of the streams groups ({names}) was successful.\n");
    }
    let mut text = "Deletion of some associated internal topics failed:\n".to_string();
    for (group, error) in failures {
        text += &format!("* Internal topics of the streams group '{group}' could not be deleted due to: {error}\n");
    }
    text
}

/// Deletes topics and names those that resist. The inner error is the first one.
async fn delete_topics(admin: &Admin, topics: &[String]) -> Done<Result<(), ClientError>> {
    let mut first = Ok(());
    for topic in topics {
        if let Err(error) = admin.delete_topic(topic).await {
            write_out(&format!("Failed to delete internal topic: {topic}\n"))?;
            first = first.and(Err(error));
        }
    }
    Ok(first)
}

/// The internal topics of a group. What stands in its way is said, as of a group without any.
pub(super) async fn internal_topics(admin: &Admin, group: &str) -> Done<Vec<String>> {
    let described = match described(admin, group).await {
        Ok(described) => described,
        Err(error) => {
            write_out(&error_line(&format!("Retrieving internal topics failed due to {}", java_error(&error))))?;
            return Ok(Vec::new());
        }
    };
    let (internal, strange) = sorted_topics(&described);
    for topic in strange {
        let cause = format!(
            "The internal topic '{topic}' is not inferred as internal and thus will not be deleted with the group '{group}'."
        );
        write_out(&error_line(&cause))?;
    }
    Ok(internal)
}

/// Topics that the group made for itself: those whose names say so, and others.
fn sorted_topics(group: &StreamsGroupDescription) -> (Vec<String>, Vec<String>) {
    let sources: BTreeSet<&String> = group.subtopologies.iter().flat_map(|part| &part.source_topics).collect();
    let made = group.subtopologies.iter();
    let made = made.flat_map(|part| part.repartition_source_topics.iter().chain(&part.state_changelog_topics));
    made.filter(|topic| !sources.contains(topic)).cloned().partition(|topic| is_internal(topic, &group.group_id))
}

/// Whether Kafka Streams gives such names to the topics that it makes for an application.
fn is_internal(topic: &str, application_id: &str) -> bool {
    let Some(rest) = topic.strip_prefix(application_id).and_then(|rest| rest.strip_prefix('-')) else { return false };
    let endings = ["-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"];
    let is_numbered = |infix: &str| {
        let found = rest.strip_suffix("-topic").and_then(|rest| rest.rsplit_once(infix));
        found.is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    endings.iter().any(|ending| topic.ends_with(ending))
        || is_numbered("KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-")
        || is_numbered("KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-")
}

pub(super) async fn offsets(tool: &StreamsGroups, admin: &Admin) -> Done<()> {
    let group = only_one(&tool.groups, "group")?;
    if tool.all_input_topics {
        let committed = offsets::committed(admin, group, false).await?;
        return delete_offsets::of_partitions(admin, group, committed.into_keys().collect(), BTreeMap::new()).await;
    }
    delete_offsets::of_words(admin, group, &tool.input_topics).await
}

#[cfg(test)]
mod tests {
    use super::super::describe::tests::group;
    use super::*;

    #[test]
    fn deletions_are_told_as_kafka_tells_them() {
        let deleted: BTreeSet<String> = ["a".to_string(), "b".to_string()].into();
        let text = summary(&deleted, &BTreeMap::new());
        assert_eq!(text, "Deletion of requested streams groups ('a', 'b') was successful.\n");
        let failed = [("x".to_string(), refusal("x", None).unwrap())].into();
        let text = summary(&deleted, &failed);
        assert!(text.contains("IllegalArgumentException: Group 'x' does not exist or is not a streams group.\n"));
        assert!(text.ends_with("\nThese streams groups were deleted successfully: 'a', 'b'.\n"));
    }

    #[test]
    fn internal_topics_are_known_by_their_names() {
        let names = ["app-x-repartition", "app-y-changelog"].map(str::to_string).to_vec();
        assert_eq!(sorted_topics(&group()), (names, vec!["other".to_string()]));
        assert!(is_internal("app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000014-topic", "app"));
        for other in ["app-changelogs", "other-x-changelog", "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-x-topic"] {
            assert!(!is_internal(other, "app"), "{other}");
        }
    }
}
