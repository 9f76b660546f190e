//! `kafka-streams-groups` (KIP-1071). What fails behind the command line is said on standard output, as Kafka's tool does, with
//! exit code 1; a group that cannot be deleted or reset is only told of.

mod check;
mod describe;
mod offsets;
mod remove;
mod reset;

use super::KafkaTool;
use super::group_tools::options::{Connection, Details, Execution};
use super::group_tools::scenario::Scenarios;
use super::group_tools::{Done, GroupTool, all_groups, print_groups};
use ottla_client::{Admin, ClientError, StreamsGroupDescription};
use ottla_terminal::failure::Failure;
use ottla_types::ErrorCode;

/// List streams groups, describe a streams group, reset or delete its offsets, or delete it.
#[derive(Debug, Default, clap::Parser)]
pub(super) struct StreamsGroups {
    #[command(flatten)]
    connection: Connection,
    /// The streams group to act on; may be given several times where that makes sense.
    #[arg(long = "group", value_name = "streams group")]
    groups: Vec<String>,
    /// The input topic whose offsets are deleted or reset: TOPIC or TOPIC:PARTITION,...; may be given several times.
    #[arg(long = "input-topic", value_name = "topic")]
    input_topics: Vec<String>,
    /// All source topics of the group's topology.
    #[arg(long)]
    all_input_topics: bool,
    /// List all streams groups.
    #[arg(long)]
    list: bool,
    /// Describe streams groups: offset lag, members or state.
    #[arg(long)]
    describe: bool,
    /// Apply to all streams groups.
    #[arg(long)]
    all_groups: bool,
    /// Delete groups with their offsets.
    #[arg(long)]
    delete: bool,
    /// Delete offsets of one group.
    #[arg(long)]
    delete_offsets: bool,
    #[command(flatten)]
    details: Details,
    /// Reset the offsets of groups without members; shows them with --dry-run, does it with --execute.
    #[arg(long)]
    reset_offsets: bool,
    #[command(flatten)]
    scenarios: Scenarios,
    /// With --reset-offsets --execute: delete this internal topic; may be given several times.
    #[arg(long = "delete-internal-topic", value_name = "topic")]
    delete_internal_topics: Vec<String>,
    /// With --delete, or --reset-offsets --execute: delete the internal topics of the group.
    #[arg(long)]
    delete_all_internal_topics: bool,
    #[command(flatten)]
    execution: Execution,
    /// Print the new offsets as CSV.
    #[arg(long)]
    export: bool,
}

/// Type of the groups, as brokers list it.
const TYPE: &str = "Streams";
/// States that they can be in.
const STATES: &[&str] = &["Empty", "NotReady", "Stable", "Assigning", "Reconciling", "Dead"];

impl KafkaTool for StreamsGroups {
    const NAME: &'static str = "kafka-streams-groups";

    fn run(&self) -> Result<(), Failure> {
        check::command_line(self)?;
        let tool = GroupTool { name: Self::NAME, kind: "streams", fails: true };
        tool.run(&self.connection, async |admin| self.act(admin).await)
    }
}

impl StreamsGroups {
    async fn act(&self, admin: &Admin) -> Done<()> {
        if self.list {
            return print_groups(admin, TYPE, self.details.state.as_deref(), STATES).await;
        }
        if self.describe {
            return describe::run(self, admin).await;
        }
        if self.delete {
            return remove::groups(self, admin).await;
        }
        if self.delete_offsets {
            return remove::offsets(self, admin).await;
        }
        reset::run(self, admin).await
    }

    /// The groups that were named, or all.
    async fn wanted_groups(&self, admin: &Admin) -> Done<Vec<String>> {
        if self.all_groups { all_groups(admin, TYPE).await } else { Ok(self.groups.clone()) }
    }
}

async fn described(admin: &Admin, group: &str) -> Result<StreamsGroupDescription, ClientError> {
    let missing = || ClientError::Broker {
        subject: format!("streams group '{group}'"),
        code: ErrorCode::GroupIdNotFound,
        message: None,
    };
    admin.describe_streams_groups(&[group]).await.remove(group).unwrap_or_else(|| Err(missing()))
}
