//! What the tools for groups (`kafka-consumer-groups`, `kafka-share-groups`, `kafka-streams-groups`) share: how they end, and
//! the words that they take.

pub(super) mod delete_offsets;
pub(super) mod options;
pub(super) mod plan;
pub(super) mod scenario;

use super::java::java_error;
use super::shared::{Cluster, usage};
use options::Connection;
use ottla_client::{Admin, Client, ClientError, GroupListing};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A problem behind the command line.
pub(super) enum Trouble {
    /// The command line is wrong after all: exit code 1.
    Usage(String),
    /// Said on standard output, with the exit code of [`GroupTool::fails`].
    Said(String),
    /// This program's own.
    Failure(Failure),
}

pub(super) type Done<T> = Result<T, Trouble>;

impl From<ClientError> for Trouble {
    fn from(error: ClientError) -> Trouble {
        Trouble::Said(java_error(&error))
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failure(failure)
    }
}

/// An error that Java wraps twice before it is printed.
pub(super) fn nested(error: &ClientError) -> Trouble {
    Trouble::Said(format!("java.util.concurrent.ExecutionException: {}", java_error(error)))
}

/// An error as Kafka's tools print it, on standard output.
pub(super) fn error_line(cause: &str) -> String {
    format!("\nError: {cause}\n")
}

/// How one of these tools speaks, and how it ends.
pub(super) struct GroupTool<'a> {
    /// Name of Kafka's script: the `client.id`.
    pub(super) name: &'a str,
    /// `consumer`, `share` or `streams`, as it stands in the message of a failure.
    pub(super) kind: &'a str,
    /// Whether the exit code is 1 after a failure that was said on standard output; Kafka's older tools end with 0.
    pub(super) fails: bool,
}

impl GroupTool<'_> {
    pub(super) fn run(
        &self,
        connection: &Connection,
        command: impl AsyncFnOnce(&Admin) -> Done<()>,
    ) -> Result<(), Failure> {
        let Connection { timeout_ms, command_config, .. } = connection;
        let mut cluster = Cluster::new(connection.bootstrap()?, command_config.as_deref(), &[], self.name)?;
        cluster.properties.set("default.api.timeout.ms", timeout_ms.max(&1).to_string());
        cluster.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            let timeout = Duration::from_millis(u64::try_from(*timeout_ms).unwrap_or(0));
            let done = tokio::time::timeout(timeout, command(&admin)).await;
            let late = || {
                let cause = "Timed out waiting for a node assignment.";
                Trouble::Said(format!("org.apache.kafka.common.errors.TimeoutException: {cause}"))
            };
            match done.unwrap_or_else(|_| Err(late())) {
                Ok(()) => Ok(()),
                Err(Trouble::Usage(cause)) => Err(usage(cause)),
                Err(Trouble::Failure(failure)) => Err(failure),
                Err(Trouble::Said(cause)) => {
                    write_out(&error_line(&format!("Executing {} group command failed due to {cause}", self.kind)))?;
                    if self.fails { Err(Failure::said()) } else { Ok(()) }
                }
            }
        })
    }
}

/// The refusal that is the first to be true, in Kafka's order.
pub(super) fn first_refusal(refusals: impl IntoIterator<Item = (bool, String)>) -> Result<(), Failure> {
    match refusals.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, cause)) => Err(usage(cause)),
        None => Ok(()),
    }
}

/// What Kafka says of two options that exclude each other.
pub(super) fn conflict(used: &str, other: &str) -> String {
    format!("Option \"[{used}]\" can't be used with option \"[{other}]\"")
}

/// The value of an option that takes one value, but was declared so that it can be given several times.
pub(super) fn only_one<'a>(values: &'a [String], option: &str) -> Done<&'a str> {
    match values {
        [value] => Ok(value),
        _ => Err(Trouble::Said(format!("Found multiple arguments for option {option}, but you asked for only one"))),
    }
}

/// Words out of a list, in any case and separated by commas, as they are written in the list. The error is a word that is not
/// in it.
pub(super) fn parse_words(text: Option<&str>, known: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let words = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    let find = |word: &str| known.iter().find(|known| known.eq_ignore_ascii_case(word)).copied();
    words.map(|word| find(word).ok_or_else(|| word.to_string())).collect()
}

/// The states that `--list --state` asks for, out of those that a group of this type can be in.
pub(super) fn parse_states(text: &str, known: &[&'static str]) -> Done<Vec<&'static str>> {
    parse_words(Some(text), known)
        .map_err(|_| Trouble::Usage(format!("Invalid state list '{text}'. Valid states are: {}", known.join(", "))))
}

/// `--list` of share groups and streams groups: names, or a table with states.
pub(super) async fn print_groups(
    admin: &Admin,
    group_type: &str,
    state: Option<&str>,
    known: &[&'static str],
) -> Done<()> {
    let states = parse_states(state.unwrap_or_default(), known)?;
    let groups = admin.list_groups(&states, &[group_type]).await?;
    let text = match state {
        None => groups.iter().map(|group| format!("{}\n", group.group_id)).collect(),
        Some(_) => states_of(&groups, known),
    };
    Ok(write_out(&text)?)
}

fn states_of(groups: &[GroupListing], known: &[&str]) -> String {
    let width = groups.iter().map(|group| group.group_id.chars().count()).max().unwrap_or(0).max(15);
    let state = |text: &str| known.iter().find(|known| known.eq_ignore_ascii_case(text)).copied().unwrap_or("Unknown");
    let row = |group: &GroupListing| format!("{:<width$} {}\n", group.group_id, state(&group.state));
    format!("{:<width$} STATE\n", "GROUP") + &groups.iter().map(row).collect::<String>()
}

/// The ids of all groups of this type.
pub(super) async fn all_groups(admin: &Admin, group_type: &str) -> Done<Vec<String>> {
    let listed = admin.list_groups(&[], &[group_type]).await.map_err(|error| nested(&error))?;
    Ok(listed.into_iter().map(|group| group.group_id).collect())
}

/// Why a group in this state is not even asked to go, in Java's words. `kind` is `Share` or `Streams`.
pub(super) fn not_empty(kind: &str, group: &str, state: &str) -> Option<String> {
    match state {
        "Empty" => None,
        "Dead" => Some(format!("java.lang.IllegalStateException: {kind} group '{group}' group state is DEAD.")),
        _ => {
            let class = "org.apache.kafka.common.errors.GroupNotEmptyException";
            Some(format!("{class}: {kind} group '{group}' is not EMPTY."))
        }
    }
}

/// Says that offsets of a group are not reset while it has members.
pub(super) fn say_active(group: &str, state: &str) -> Result<(), Failure> {
    write_out(&error_line(&format!(
        "Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
    )))
}

/// `a:0,1;b:0`, as Kafka writes partitions of several topics.
pub(super) fn by_topic(partitions: &BTreeSet<TopicPartition>) -> String {
    let mut topics: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition.to_string());
    }
    topics.iter().map(|(topic, indexes)| format!("{topic}:{}", indexes.join(","))).collect::<Vec<_>>().join(";")
}

/// `'a', 'b'`
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_listed_with_their_states() {
        let listing = |name: &str, state: &str| GroupListing {
            group_id: name.to_string(),
            protocol_type: "share".to_string(),
            state: state.to_string(),
            group_type: "Share".to_string(),
        };
        let text = states_of(&[listing("a", "Empty"), listing("b", "strange")], &["Empty"]);
        assert_eq!(text, "GROUP           STATE\na               Empty\nb               Unknown\n");
    }

    #[test]
    fn words_are_taken_in_any_case() {
        assert_eq!(parse_words(Some("empty, STABLE"), &["Stable", "Empty"]), Ok(vec!["Empty", "Stable"]));
        assert_eq!(parse_words(Some("x"), &["Stable"]), Err("x".to_string()));
        assert_eq!(parse_words(None, &["Stable"]), Ok(Vec::new()));
        let partitions = [("b", 0), ("a", 1), ("a", 0)].map(|(topic, index)| TopicPartition::new(topic, index));
        assert_eq!(by_topic(&partitions.into()), "a:0,1;b:0");
        assert_eq!(quoted(&["a".to_string(), "b".to_string()]), "'a', 'b'");
    }
}
