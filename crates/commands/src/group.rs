//! `ottla group`: what people do with consumer groups.

mod delete;
mod describe;
mod list;
pub(crate) mod reset;

pub(crate) use delete::tell_deleted;
pub(crate) use list::wanted;

use clap::Subcommand;
use ottla_client::{Admin, Client, ClientError};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;
use ottla_types::ErrorCode;

/// What `ottla group` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla group`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show all groups.
    List {
        /// Only groups in this state, such as Stable or Empty; may be given several times.
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
        /// Only groups of this type, such as Classic or Consumer; may be given several times.
        #[arg(long = "type", value_name = "TYPE")]
        group_type: Vec<String>,
    },
    /// Show groups in detail: state, members, committed offsets and lag.
    Describe {
        /// Names of groups; all, if none is given.
        groups: Vec<String>,
    },
    /// Move the committed offsets of a group without members. Shows what would change; --execute does it.
    ResetOffsets(reset::Args),
    /// Delete groups without members, with their offsets.
    Delete {
        /// Names of groups.
        #[arg(required = true)]
        groups: Vec<String>,
    },
    /// Delete committed offsets of topics that no member subscribes to.
    DeleteOffsets {
        /// Name of the group.
        group: String,
        /// TOPIC, or TOPIC:PARTITION,...; may be given several times.
        #[arg(long = "topic", value_name = "TOPIC[:P,...]", required = true)]
        topics: Vec<String>,
    },
}

/// Runs `ottla group`.
pub fn run(args: &Args) -> Result<(), Failure> {
    args.cluster.run(async |client: Client| {
        let admin = Admin::new(&client);
        match &args.command {
            Command::List { state, group_type } => list::run(&admin, state, group_type, args.output).await,
            Command::Describe { groups } => describe::run(&admin, groups, args.output).await,
            Command::ResetOffsets(reset) => reset::run(&admin, reset, args.output).await,
            Command::Delete { groups } => delete::groups(&admin, groups, args.output).await,
            Command::DeleteOffsets { group, topics } => delete::offsets(&admin, group, topics, args.output).await,
        }
    })
}

/// An unknown group becomes a failure that names the most similar one that exists.
async fn explain_unknown_group<T>(admin: &Admin, group: &str, result: Result<T, ClientError>) -> Result<T, Failure> {
    match result {
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
            // The suggestion is a courtesy: without it the error still stands.
            let existing = admin.list_groups(&[], &[]).await.unwrap_or_default();
            let existing: Vec<String> = existing.into_iter().map(|listing| listing.group_id).collect();
            Err(Failure::unknown(&format!("group '{group}'"), group, &existing, "see `ottla group list`"))
        }
        other => other.map_err(Failure::from),
    }
}
