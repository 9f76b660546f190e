//! `ottla share`: share groups, whose members get records one by one, as from a queue.

mod consume;
mod delete;
mod describe;
mod list;
mod reset;

use clap::Subcommand;
use ottla_client::{Admin, Client, ClientError};
use ottla_terminal::cluster::ClientArgs;
use ottla_terminal::failure::Failure;
use ottla_types::ErrorCode;

/// What `ottla share` accepts.
pub type Args = ClientArgs<Command>;

/// The commands of `ottla share`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show all share groups.
    List {
        /// Only groups in this state, Stable or Empty; may be given several times.
        #[arg(long, value_name = "STATE")]
        state: Vec<String>,
    },
    /// Show share groups in detail: state, members, where they begin, and how many records are not done with.
    Describe {
        /// Names of share groups; all, if none is given.
        groups: Vec<String>,
    },
    /// Take records as a member of a share group and print them; each is accepted, rejected or released.
    Consume(consume::Args),
    /// Let a share group without members begin elsewhere; it comes to be if there is none. Shows what would change; --execute
    /// does it.
    ResetOffsets(reset::Args),
    /// Delete share groups without members.
    Delete {
        /// Names of share groups.
        #[arg(required = true)]
        groups: Vec<String>,
    },
    /// Let a share group without members forget topics.
    DeleteOffsets {
        /// Name of the share group.
        group: String,
        /// Name of a topic; may be given several times.
        #[arg(long = "topic", value_name = "TOPIC", required = true)]
        topics: Vec<String>,
    },
}

/// Runs `ottla share`.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Command::Consume(consume) = &args.command {
        return consume::run(&args.cluster, args.output, consume);
    }
    args.cluster.run(async |client: Client| {
        let admin = Admin::new(&client);
        match &args.command {
            Command::List { state } => list::run(&admin, state, args.output).await,
            Command::Describe { groups } => describe::run(&admin, groups, args.output).await,
            Command::ResetOffsets(reset) => reset::run(&admin, reset, args.output).await,
            Command::Delete { groups } => delete::groups(&admin, groups, args.output).await,
            Command::DeleteOffsets { group, topics } => delete::offsets(&admin, group, topics, args.output).await,
            Command::Consume(_) => Ok(()),
        }
    })
}

/// Names of all share groups.
async fn names(admin: &Admin, states: &[&str]) -> Result<Vec<(String, String)>, ClientError> {
    let listed = admin.list_groups(states, &["Share"]).await?.into_iter();
    Ok(listed.map(|listing| (listing.group_id, listing.state)).collect())
}

/// An unknown share group becomes a failure that names the most similar one that exists; one with members, a failure that
/// says what to do.
async fn explain_unknown<T>(admin: &Admin, group: &str, result: Result<T, ClientError>) -> Result<T, Failure> {
    match result {
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {
            // The suggestion is a courtesy: without it the error still stands.
            let existing = names(admin, &[]).await.unwrap_or_default();
            let existing: Vec<String> = existing.into_iter().map(|(name, _)| name).collect();
            Err(Failure::unknown(&format!("share group '{group}'"), group, &existing, "see `ottla share list`"))
        }
        other => other.map_err(explain_members),
    }
}

/// What a group with members refuses.
fn explain_members(error: ClientError) -> Failure {
    match error.code() {
        Some(ErrorCode::NonEmptyGroup) => Failure::from(error).then("stop its consumers, then try again"),
        _ => Failure::from(error),
    }
}
