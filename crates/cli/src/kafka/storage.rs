//! `kafka-storage`. An ottla node needs no format step; `format` fixes the id of the cluster that the node will form.

mod wanted_levels;

use crate::log::on_disk;
use ottla_config::{BrokerConfig, parse_properties};
use ottla_runtime::Runtime;
use ottla_storage::{Identity, LogDirsError};
use ottla_terminal::failure::Failure;
use ottla_terminal::input::read_text;
use ottla_terminal::output::write_out;
use ottla_tools::KafkaTool;
use ottla_tools::feature_levels as levels;
use ottla_types::{NodeId, Uuid};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The Kafka storage tool.
#[derive(Debug, clap::Parser)]
pub(super) struct Storage {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Get information about the Kafka log directories on this node.
    Info {
        /// The Kafka configuration file to use.
        #[arg(long, short)]
        config: PathBuf,
    },
    /// Format the Kafka log directories on this node.
    Format(Format),
    /// Look up the corresponding features for a given metadata version.
    VersionMapping {
        /// The release version to use for the corresponding feature mapping.
        #[arg(long, short)]
        release_version: Option<String>,
    },
    /// Look up dependencies for a given feature version.
    FeatureDependencies {
        /// The feature and version to look up dependencies for, in feature=version format.
        #[arg(long, short, required = true)]
        feature: Vec<String>,
    },
    /// Print a random UUID.
    RandomUuid,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("quorum")))]
struct Format {
    /// The Kafka configuration file to use.
    #[arg(long, short)]
    config: PathBuf,
    /// The cluster ID to use.
    #[arg(long, short = 't')]
    cluster_id: String,
    /// A SCRAM_CREDENTIAL to add to the metadata log.
    #[arg(long, short = 'S')]
    add_scram: Vec<String>,
    /// Skip over already formatted directories rather than failing.
    #[arg(long, short = 'g')]
    ignore_formatted: bool,
    /// The release version to use for the initial feature settings.
    #[arg(long, short)]
    release_version: Option<String>,
    /// The setting to use for a specific feature, in feature=level format.
    #[arg(long, short)]
    feature: Vec<String>,
    /// Initialize a controller as a single-node dynamic quorum.
    #[arg(long, short, group = "quorum")]
    standalone: bool,
    /// Initialize a server without specifying a dynamic quorum.
    #[arg(long, short = 'N', group = "quorum")]
    no_initial_controllers: bool,
    /// Initialize a server with the specified dynamic quorum: id@hostname:port:directory,...
    #[arg(long, short = 'I', group = "quorum")]
    initial_controllers: Option<String>,
}

impl KafkaTool for Storage {
    const NAME: &'static str = "kafka-storage";

    fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Command::RandomUuid => on_disk(async |runtime| write_out(&format!("{}\n", runtime.random_uuid()))),
            Command::VersionMapping { release_version } => write_out(&levels::mapping(release_version.as_deref())?),
            Command::FeatureDependencies { feature } => write_out(&levels::dependencies(feature)?),
            Command::Info { config } => {
                let config = read_config(config)?;
                on_disk(async |runtime| info(&runtime, &directories(&config)).await)
            }
            Command::Format(format) => {
                let config = read_config(&format.config)?;
                format.check(&config)?;
                on_disk(async |runtime| format.run(&runtime, &config).await)
            }
        }
    }
}

fn read_config(file: &Path) -> Result<BrokerConfig, Failure> {
    let properties =
        parse_properties(&read_text(file)?).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    if properties.get("process.roles").is_none_or(|roles| roles.trim().is_empty()) {
        return Err(Failure::new(
            "The kafka configuration file appears to be for a legacy cluster. Formatting is only supported for clusters in \
             KRaft mode.",
        ));
    }
    BrokerConfig::parse(properties).map_err(|errors| Failure::new(errors.to_string()))
}

/// Every directory of the node, sorted.
fn directories(config: &BrokerConfig) -> BTreeSet<String> {
    let mut directories: BTreeSet<String> = config.storage.log_dirs.iter().cloned().collect();
    directories.insert(config.storage.metadata_log_dir.clone());
    directories
}

impl Format {
    fn check(&self, config: &BrokerConfig) -> Result<(), Failure> {
        let has_voters = !config.quorum.voters.is_empty();
        if has_voters && (self.standalone || self.initial_controllers.is_some()) {
            return Err(Failure::new(
                "You cannot specify controller.quorum.voters and format the node with --initial-controllers or \
                 --standalone. If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
                 controller.quorum.bootstrap.servers instead.",
            ));
        }
        if self.standalone && !config.roles.controller {
            return Err(Failure::new("You can only use --standalone on a controller."));
        }
        let names_quorum = self.standalone || self.no_initial_controllers || self.initial_controllers.is_some();
        if !names_quorum && config.roles.controller && !has_voters {
            return Err(Failure::new(
                "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
                 --standalone, --initial-controllers, or --no-initial-controllers.",
            ));
        }
        wanted_levels::check(self.release_version.as_deref(), &self.feature, !has_voters)?;
        if !self.add_scram.is_empty() {
            return Err(
                Failure::new("SCRAM credentials cannot be set while formatting yet").then("format without --add-scram")
            );
        }
        Ok(())
    }

    async fn run(&self, runtime: &Runtime, config: &BrokerConfig) -> Result<(), Failure> {
        let cluster_id: Uuid = self.cluster_id.parse().map_err(|_| {
            let cause = format!("Cluster ID string {} does not appear to be a valid UUID", self.cluster_id);
            Failure::new(cause).then("make one with `kafka-storage random-uuid`")
        })?;
        let (mut formatted, mut empty) = (Vec::new(), Vec::new());
        for directory in directories(config) {
            match identity(runtime, &directory).await? {
                Some(found) => formatted.push((directory, found)),
                None => empty.push(directory),
            }
        }
        for (directory, found) in &formatted {
            self.check_identity(directory, found, config.node_id)?;
        }
        if let (Some((directory, _)), false) = (formatted.first(), self.ignore_formatted) {
            return Err(Failure::new(format!(
                "Log directory {directory} is already formatted. Use --ignore-formatted to ignore this directory and format \
                 the others."
            )));
        }
        if empty.is_empty() {
            return write_out("All of the log directories are already formatted.\n");
        }
        for directory in empty {
            let kind = self.kind_of(&directory, config);
            let release = levels::LATEST_PRODUCTION;
            write_out(&format!("Formatting {kind} {directory} with metadata.version {release}.\n"))?;
            let done = ottla_storage::format(runtime, Path::new(&directory), config.node_id, cluster_id).await;
            done.map_err(refused)?;
        }
        Ok(())
    }

    /// What Kafka calls the directory.
    fn kind_of(&self, directory: &str, config: &BrokerConfig) -> &'static str {
        match (directory == config.storage.metadata_log_dir, self.standalone, &self.initial_controllers) {
            (false, ..) => "data directory",
            (true, true, _) => "dynamic metadata voter directory",
            (true, false, Some(all)) if all.split(',').any(|one| one.starts_with(&format!("{}@", config.node_id))) => {
                "dynamic metadata voter directory"
            }
            (true, false, Some(_)) => "dynamic metadata directory",
            (true, false, None) => "metadata directory",
        }
    }

    fn check_identity(&self, directory: &str, found: &Identity, node_id: NodeId) -> Result<(), Failure> {
        match &found.cluster_id {
            Some(cluster_id) if *cluster_id != self.cluster_id => {
                return Err(Failure::new(format!(
                    "Invalid cluster.id in: {directory}/meta.properties. Expected {}, but read {cluster_id}",
                    self.cluster_id
                )));
            }
            _ => {}
        }
        if found.node_id != node_id {
            return Err(Failure::new(format!(
                "Stored node id {} doesn't match previous node id {node_id} in: {directory}/meta.properties. If you moved \
                 your data, make sure your configured node id matches. If you intend to create a new node, you should \
                 remove all data in your data directories.",
                found.node_id
            )));
        }
        Ok(())
    }
}

async fn identity(runtime: &Runtime, directory: &str) -> Result<Option<Identity>, Failure> {
    ottla_storage::identity(runtime, Path::new(directory)).await.map_err(|error| Failure::new(error.to_string()))
}

fn refused(error: LogDirsError) -> Failure {
    Failure::new(error.to_string())
}

async fn info(runtime: &Runtime, directories: &BTreeSet<String>) -> Result<(), Failure> {
    let (mut found, mut problems, mut first) = (Vec::new(), Vec::new(), None::<Identity>);
    for directory in directories {
        let path = Path::new(directory);
        if !path.is_dir() {
            let what = if path.exists() { "is not a directory" } else { "does not exist" };
            problems.push(format!("{directory} {what}"));
            continue;
        }
        found.push(directory.clone());
        match identity(runtime, directory).await {
            Ok(None) => problems.push(format!("{directory} is not formatted.")),
            Ok(Some(identity)) => match &first {
                Some(first) if first.cluster_id != identity.cluster_id => {
                    problems.push("Mismatched cluster IDs between storage directories.".to_string());
                }
                Some(first) if first.node_id != identity.node_id => {
                    problems.push("Mismatched node IDs between storage directories.".to_string());
                }
                Some(_) => {}
                None => first = Some(identity),
            },
            Err(failure) => problems.push(format!("Error loading {directory}/meta.properties: {}", failure.cause)),
        }
    }
    write_out(&summary(&found, first.as_ref(), &problems))?;
    if problems.is_empty() { Ok(()) } else { Err(Failure::said()) }
}

fn summary(found: &[String], identity: Option<&Identity>, problems: &[String]) -> String {
    let list = |one: &str, many: &str, rows: &[String]| match rows {
        [] => String::new(),
        rows => {
            let head = if rows.len() == 1 { one } else { many };
            format!("{head}\n{}\n", rows.iter().map(|row| format!("  {row}\n")).collect::<String>())
        }
    };
    let mut text = list("Found log directory:", "Found log directories:", found);
    if let Some(identity) = identity {
        let cluster = identity.cluster_id.as_ref().map_or(String::new(), |id| format!("cluster.id={id}, "));
        text += &format!(
            "Found metadata: {{{cluster}directory.id={}, node.id={}, version=1}}\n\n",
            identity.directory_id, identity.node_id
        );
    }
    text + &list("Found problem:", "Found problems:", problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_printed_as_kafka_does() {
        let identity = Identity { cluster_id: Some("c".to_string()), node_id: NodeId(1), directory_id: Uuid::ZERO };
        let text = summary(&["/a".to_string()], Some(&identity), &[]);
        assert_eq!(
            text,
            "Found log directory:\n  /a\n\nFound metadata: {cluster.id=c, directory.id=AAAAAAAAAAAAAAAAAAAAAA, node.id=1, version=1}\n\n"
        );
        let text = summary(&[], None, &["/a does not exist".to_string(), "/b does not exist".to_string()]);
        assert_eq!(text, "Found problems:\n  /a does not exist\n  /b does not exist\n\n");
    }
}
