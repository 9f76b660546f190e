//! `kafka-streams-application-reset`: an application of Kafka Streams begins anew. Offsets of its input topics are moved, its
//! internal topics are deleted; local state is the application's own.

mod positions;

use super::KafkaTool;
use super::group_tools::conflict;
use super::java::java_error;
use super::shared::{Cluster, usage};
use ottla_client::{Admin, Client, ClientError, MembersToRemove, OffsetAndMetadata};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_types::{ErrorCode, TopicPartition};
use positions::Positions;
use regex::Regex;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// How often a member that left by itself meanwhile is passed over.
const REMOVALS_MAX: usize = 4;
/// What internal topics of Kafka Streams end with, behind the application's id.
const INTERNAL_SUFFIXES: [&str; 4] =
    ["-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"];
/// Those of joins by a foreign key, with a number in them.
const NUMBERED_INTERNAL: &str = r"^.+-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-\d+-topic$";

/// Reset a Kafka Streams application, so that it reprocesses its data from scratch. It must be stopped; its local state is to
/// be cleaned up by the application itself.
#[derive(Debug, clap::Parser)]
pub(super) struct StreamsApplicationReset {
    /// REQUIRED: The Kafka Streams application ID (application.id).
    #[arg(long, value_name = "id")]
    application_id: Option<String>,
    /// The servers to connect to.
    #[arg(long, value_name = "server to connect to", default_value = "localhost:9092")]
    bootstrap_server: String,
    /// Comma-separated list of user input topics. Their offsets are reset to the earliest one unless something else is said.
    #[arg(long, value_name = "list", value_delimiter = ',')]
    input_topics: Vec<String>,
    /// [deprecated] Comma-separated list of intermediate user topics. For these topics, the tool will skip to the end.
    #[arg(long, value_name = "list", value_delimiter = ',')]
    intermediate_topics: Vec<String>,
    /// Comma-separated list of internal topics to delete, out of those that a dry run shows.
    #[arg(long, value_name = "list", value_delimiter = ',')]
    internal_topics: Vec<String>,
    #[command(flatten)]
    positions: Positions,
    /// [deprecated] Property file containing configs of the client. Use --command-config instead.
    #[arg(long, value_name = "file name")]
    config_file: Option<PathBuf>,
    /// Property file containing configs of the client.
    #[arg(long, value_name = "file name")]
    command_config: Option<PathBuf>,
    /// Remove members of the group, such as stopped ones with a long session timeout. All instances must be stopped.
    #[arg(long)]
    force: bool,
    /// Display the actions that would be performed without executing the reset commands.
    #[arg(long)]
    dry_run: bool,
}

impl KafkaTool for StreamsApplicationReset {
    const NAME: &'static str = "kafka-streams-application-reset";

    fn run(&self) -> Result<(), Failure> {
        let application = self.application_id.as_deref();
        let application = application.ok_or_else(|| usage("Missing required option(s) [application-id]"))?;
        if let Some(cause) = self.positions.conflict() {
            return Err(usage(cause));
        }
        if self.config_file.is_some() && self.command_config.is_some() {
            return Err(usage(conflict("config-file", "command-config")));
        }
        if self.config_file.is_some() {
            write_out(
                "Option --config-file has been deprecated and will be removed in a future version. Use --command-config \
                 instead.\n",
            )?;
        }
        let config = self.config_file.as_ref().or(self.command_config.as_ref());
        let cluster = Cluster::new(&self.bootstrap_server, config.map(PathBuf::as_path), &[], Self::NAME)?;
        cluster.run(Threads::One, async |client: Client| {
            let admin = Admin::new(&client);
            let done = self.reset(&admin, application).await;
            done.map_err(|failure| match failure.cause.is_empty() {
                true => failure,
                false => Failure { cause: format!("ERROR: {}", failure.cause), ..failure },
            })
        })
    }
}

impl StreamsApplicationReset {
    async fn reset(&self, admin: &Admin, application: &str) -> Result<(), Failure> {
        self.end_members(admin, application).await?;
        let cluster = admin.list_topics().await.map_err(java)?;
        let topics: BTreeSet<String> =
            cluster.topics.values().filter(|t| !t.is_internal).map(|t| t.name.clone()).collect();
        if self.dry_run {
            write_out(
                "----Dry run displays the actions which will be performed when running Streams Reset Tool----\n",
            )?;
        }
        let were_found = self.move_offsets(admin, application, &topics).await?;
        self.delete_internal(admin, application, &topics).await?;
        if were_found { Ok(()) } else { Err(Failure::said()) }
    }

    /// Refuses a group that has members, or removes them.
    async fn end_members(&self, admin: &Admin, application: &str) -> Result<(), Failure> {
        for _ in 0..REMOVALS_MAX {
            let members = match admin.describe_group(application).await {
                Ok(described) => described.members,
                Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => return Ok(()),
                Err(error) => return Err(java(error)),
            };
            if members.is_empty() {
                return Ok(());
            }
            if !self.force {
                let ids: Vec<String> = members.into_iter().map(|member| member.member_id).collect();
                return Err(Failure::new(format!(
                    "java.lang.IllegalStateException: Consumer group '{application}' is still active and has following \
                     members: [{}]. Make sure to stop all running application instances before running the reset tool. \
                     You can use option '--force' to remove active members from the group.",
                    ids.join(", ")
                )));
            }
            write_out(&format!("Force deleting all active members in the group: {application}\n"))?;
            let removed = admin.remove_group_members(application, MembersToRemove::All, None).await.map_err(java)?;
            let failed = removed.into_iter().find_map(|member| member.result.err());
            match failed {
                None => return Ok(()),
                // It left by itself.
                Some(error) if error.code() == Some(ErrorCode::UnknownMemberId) => {}
                Some(error) => return Err(java(error)),
            }
        }
        Err(Failure::new(format!("members of group '{application}' come and go: stop the application")))
    }

    /// Whether all topics that were named exist.
    async fn move_offsets(&self, admin: &Admin, application: &str, topics: &BTreeSet<String>) -> Result<bool, Failure> {
        if !self.intermediate_topics.is_empty() {
            write_out("WARN: `--intermediate-topics` is deprecated and will be removed in a future release\n")?;
        }
        if self.input_topics.is_empty() && self.intermediate_topics.is_empty() {
            write_out("No input or intermediate topics specified. Skipping seek.\n")?;
            return Ok(true);
        }
        if !self.input_topics.is_empty() {
            write_out(&format!("Reset-offsets for input topics {}\n", list(&self.input_topics)))?;
        }
        if !self.intermediate_topics.is_empty() {
            write_out(&format!("Seek-to-end for intermediate topics {}\n", list(&self.intermediate_topics)))?;
        }
        let (inputs, no_inputs) = split(&self.input_topics, topics);
        let (intermediates, no_intermediates) = split(&self.intermediate_topics, topics);
        if !no_inputs.is_empty() {
            write_out("Following input topics are not found, skipping them\n")?;
            no_inputs.iter().try_for_each(|topic| write_out(&format!("Topic: {topic}\n")))?;
        }
        if !no_intermediates.is_empty() {
            write_out("Following intermediate topics are not found, skipping them\n")?;
            no_intermediates.iter().try_for_each(|topic| write_out(&format!("Topic:{topic}\n")))?;
        }
        let were_found = no_inputs.is_empty() && no_intermediates.is_empty();
        if inputs.is_empty() && intermediates.is_empty() {
            return Ok(were_found);
        }
        // A topic that is named twice is an input.
        let inputs = partitions(admin, &inputs).await?;
        let intermediates = partitions(admin, &intermediates).await?.difference(&inputs).cloned().collect();
        let mut offsets = self.positions.of_inputs(admin, application, &inputs).await?;
        offsets.extend(positions::of_intermediates(admin, application, &intermediates).await?);
        if !self.dry_run {
            let offsets = offsets.into_iter().map(|(partition, offset)| (partition, OffsetAndMetadata::new(offset)));
            admin.alter_group_offsets(application, &offsets.collect()).await.map_err(java)?;
        }
        write_out("Done.\n")?;
        Ok(were_found)
    }

    async fn delete_internal(
        &self,
        admin: &Admin,
        application: &str,
        topics: &BTreeSet<String>,
    ) -> Result<(), Failure> {
        let is_named = |topic: &String| self.input_topics.contains(topic) || self.intermediate_topics.contains(topic);
        let found = topics.iter().filter(|topic| !is_named(topic) && is_internal(application, topic));
        let found: Vec<String> = found.cloned().collect();
        let doomed = if self.internal_topics.is_empty() {
            write_out(&format!("Deleting inferred internal topics {}\n", list(&found)))?;
            found
        } else {
            if self.internal_topics.iter().any(|topic| !found.contains(topic)) {
                return Err(Failure::new(
                    "java.lang.IllegalArgumentException: Invalid topic specified in the --internal-topics option. Ensure \
                     that the topics specified are all internal topics. Do a dry run without the --internal-topics option to \
                     see the list of all internal topics that can be deleted.",
                ));
            }
            write_out(&format!("Deleting specified internal topics {}\n", list(&self.internal_topics)))?;
            self.internal_topics.clone()
        };
        if !self.dry_run {
            delete(admin, &doomed).await?;
        }
        write_out("Done.\n")
    }
}

/// Deletes all of them that can be deleted.
async fn delete(admin: &Admin, topics: &[String]) -> Result<(), Failure> {
    let mut has_errors = false;
    for topic in topics {
        if let Err(error) = admin.delete_topic(topic).await {
            eprintln!("ERROR: deleting topic {topic}\n{}", java_error(&error));
            has_errors = true;
        }
    }
    match has_errors {
        true => Err(Failure::new("java.lang.RuntimeException: Encountered an error deleting one or more topics")),
        false => Ok(()),
    }
}

/// Whether Kafka Streams made the topic for this application.
fn is_internal(application: &str, topic: &str) -> bool {
    let numbered = Regex::new(NUMBERED_INTERNAL).expect("a constant");
    topic.strip_prefix(application).is_some_and(|rest| rest.starts_with('-'))
        && (INTERNAL_SUFFIXES.iter().any(|suffix| topic.ends_with(suffix)) || numbered.is_match(topic))
}

/// Those that exist, and those that do not.
fn split<'a>(named: &'a [String], topics: &BTreeSet<String>) -> (Vec<&'a str>, Vec<&'a str>) {
    named.iter().map(String::as_str).partition(|topic| topics.contains(*topic))
}

async fn partitions(admin: &Admin, topics: &[&str]) -> Result<BTreeSet<TopicPartition>, Failure> {
    let mut partitions = BTreeSet::new();
    for (name, topic) in admin.describe_topics(topics).await.map_err(java)? {
        let rows = topic.partitions.map_err(java)?;
        partitions.extend(rows.into_iter().map(|row| TopicPartition::new(name.as_str(), row.partition)));
    }
    Ok(partitions)
}

/// As Java prints a list.
fn list(names: &[String]) -> String {
    format!("[{}]", names.join(", "))
}

fn java(error: ClientError) -> Failure {
    Failure::new(java_error(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_topics_are_known_by_their_names() {
        let internal = [
            "app-store-changelog",
            "app-KSTREAM-KEY-SELECT-0000000001-repartition",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000006-topic",
            "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000014-topic",
            "app-test-subscription-registration-topic",
            "app-test-subscription-response-topic",
        ];
        for topic in internal {
            assert!(is_internal("app", topic), "{topic}");
            assert!(!is_internal("ap", topic), "{topic}");
        }
        for topic in
            ["app-input", "app-changelogs", "other-store-changelog", "app-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-x-topic"]
        {
            assert!(!is_internal("app", topic), "{topic}");
        }
    }
}
