//! `kafka-metadata-quorum`.

mod controller;
mod describe;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use controller::Controller;
use ottla_client::{Admin, Client, ClientError};
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_tools::KafkaTool;
use ottla_tools::java::java_error;
use ottla_tools::shared::{Cluster, usage, with_pairs};
use ottla_types::Uuid;
use std::path::PathBuf;

/// This tool describes kraft metadata quorum status.
#[derive(Debug, clap::Parser)]
pub(super) struct MetadataQuorum {
    /// A comma-separated list of host:port pairs to use for establishing the connection to the Kafka cluster.
    #[arg(long, conflicts_with = "bootstrap_controller")]
    bootstrap_server: Option<String>,
    /// A comma-separated list of host:port pairs to use for establishing the connection to the Kafka controllers.
    #[arg(long)]
    bootstrap_controller: Option<String>,
    /// Property file containing configs to be passed to Admin Client. For add-controller, the file is used to specify the
    /// controller properties as well.
    #[arg(long)]
    command_config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Describe the metadata quorum info.
    Describe {
        /// A short summary of the quorum status.
        #[arg(long)]
        status: bool,
        /// Detailed information about the status of replication.
        #[arg(long)]
        replication: bool,
        /// Human-readable output.
        #[arg(long)]
        human_readable: bool,
    },
    /// Add a controller to the KRaft controller cluster.
    AddController {
        /// True if we should print what would be done, but not do it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a controller from the KRaft controller cluster.
    RemoveController {
        /// The id of the controller to remove.
        #[arg(long, short = 'i', allow_negative_numbers = true)]
        controller_id: i32,
        /// The directory ID of the controller to remove.
        #[arg(long, short = 'd')]
        controller_directory_id: String,
        /// True if we should print what would be done, but not do it.
        #[arg(long)]
        dry_run: bool,
    },
}

impl KafkaTool for MetadataQuorum {
    const NAME: &'static str = "kafka-metadata-quorum";

    fn run(&self) -> Result<(), Failure> {
        let bootstrap = self.bootstrap_server.as_ref().or(self.bootstrap_controller.as_ref());
        let bootstrap = bootstrap
            .ok_or_else(|| usage("one of the arguments --bootstrap-server --bootstrap-controller is required"))?;
        if let Some(file) = self.command_config.as_ref().filter(|file| !file.exists()) {
            return Err(Failure::new(format!("Properties file {} does not exists!", file.display())));
        }
        let cluster = match &self.command {
            // The file is a controller's: what clients do not know there is no mistake.
            Command::AddController { .. } => {
                let properties = with_pairs(self.command_config.as_deref(), &[])?;
                Cluster { bootstrap: bootstrap.clone(), properties, of_controllers: false }
            }
            _ => Cluster::new(bootstrap, self.command_config.as_deref(), &[], "kafka-metadata-quorum")?,
        };
        let cluster = cluster.of_controllers(self.bootstrap_controller.is_some());
        match &self.command {
            Command::Describe { status, replication, human_readable } => {
                let view = View::of(*status, *replication, *human_readable)?;
                cluster.run(Threads::One, async |client: Client| view.show(&Admin::new(&client)).await)
            }
            Command::AddController { dry_run } => {
                let file = self.command_config.as_ref().ok_or_else(|| {
                    let text = "You must supply the configuration file of the controller you are adding when using \
                                add-controller.";
                    Failure::new(text)
                })?;
                let controller = Controller::read(file)?;
                if !dry_run {
                    cluster.run(Threads::One, async |client: Client| controller.add(&Admin::new(&client)).await)?;
                }
                let verb = if *dry_run { "DRY RUN of adding" } else { "Added" };
                write_out(&format!("{verb} {controller}\n"))
            }
            Command::RemoveController { controller_id, controller_directory_id, dry_run } => {
                let directory_id = removable(*controller_id, controller_directory_id)?;
                if !dry_run {
                    cluster.run(Threads::One, async |client: Client| {
                        let removed = Admin::new(&client).remove_raft_voter(*controller_id, directory_id, None).await;
                        removed.map_err(refused)
                    })?;
                }
                // Kafka's tool has two spaces behind this word, one of them its own.
                let verb = if *dry_run { "DRY RUN of removing " } else { "Removed " };
                write_out(&format!("{verb} KRaft controller {controller_id} with directory id {directory_id}\n"))
            }
        }
    }
}

/// What `describe` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Status,
    Replication { human_readable: bool },
}

impl View {
    fn of(status: bool, replication: bool, human_readable: bool) -> Result<View, Failure> {
        match (status, replication) {
            (true, true) => {
                Err(Failure::new("Only one of --status or --replication should be specified with describe sub-command"))
            }
            (false, true) => Ok(View::Replication { human_readable }),
            (true, false) if human_readable => {
                Err(Failure::new("The option --human-readable is only supported along with --replication"))
            }
            (true, false) => Ok(View::Status),
            (false, false) => {
                Err(Failure::new("One of --status or --replication must be specified with describe sub-command"))
            }
        }
    }

    async fn show(self, admin: &Admin) -> Result<(), Failure> {
        match self {
            View::Status => {
                let cluster_id = admin.describe_cluster().await.map_err(refused)?.cluster_id;
                let quorum = admin.describe_quorum().await.map_err(refused)?;
                write_out(&describe::status(&cluster_id, &quorum)?)
            }
            View::Replication { human_readable } => {
                let quorum = admin.describe_quorum().await.map_err(refused)?;
                let now_ms = human_readable.then(ottla_terminal::times::now_ms);
                write_out(&describe::replication(&quorum, now_ms)?)
            }
        }
    }
}

fn removable(controller_id: i32, directory_id: &str) -> Result<Uuid, Failure> {
    if controller_id < 0 {
        return Err(Failure::new(format!("Invalid negative --controller-id: {controller_id}")));
    }
    directory_id.parse::<Uuid>().map_err(|_| {
        let why = no_uuid(directory_id);
        Failure::new(format!("Failed to parse --controller-directory-id: {why}"))
    })
}

/// Why a text is no UUID, in Kafka's words.
fn no_uuid(text: &str) -> String {
    /// Characters of a UUID, padding included.
    const CHARACTERS_MAX: usize = 24;
    if text.chars().count() > CHARACTERS_MAX {
        let prefix: String = text.chars().take(CHARACTERS_MAX).collect();
        return format!("Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID");
    }
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) => format!(
            "Input string `{text}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
            bytes.len()
        ),
        Err(error) => error.to_string(),
    }
}

/// What the broker said, as Java names it; a broker that cannot be reached keeps its advice.
fn refused(error: ClientError) -> Failure {
    match &error {
        ClientError::Broker { .. } => Failure::new(java_error(&error)),
        _ => Failure::from(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_shows_one_thing() {
        assert_eq!(View::of(true, false, false), Ok(View::Status));
        assert_eq!(View::of(false, true, true), Ok(View::Replication { human_readable: true }));
        let refusal = |status, replication, human| View::of(status, replication, human).unwrap_err().cause;
        assert!(refusal(true, true, false).starts_with("Only one of --status or --replication"));
        assert!(refusal(false, false, true).starts_with("One of --status or --replication must"));
        assert!(refusal(true, false, true).starts_with("The option --human-readable is only"));
    }

    #[test]
    fn a_controller_to_remove_has_an_id_and_a_directory() {
        assert_eq!(removable(-1, "x").unwrap_err().cause, "Invalid negative --controller-id: -1");
        let refusal = removable(1, "nonsense").unwrap_err().cause;
        let expected =
            "Failed to parse --controller-directory-id: Input string `nonsense` decoded as 6 bytes, which is";
        assert!(refusal.starts_with(expected), "{refusal}");
        assert!(no_uuid("AAAAAAAAAAAAAAAAAAAAAAAAAA").contains("prefix `AAAAAAAAAAAAAAAAAAAAAAAA` is too long"));
        let id = Uuid([7; 16]);
        assert_eq!(removable(1, &id.to_string()), Ok(id));
    }
}
