//! `kafka-reassign-partitions`: moves replicas between brokers, and between the log directories of a broker.

mod cancel;
mod execute;
mod generate;
mod log_dirs;
mod plan;
mod stopped;
mod throttle;
mod topics;
mod verify;

use super::KafkaTool;
use super::shared::{Cluster, required, usage};
use ottla_client::Client;
use ottla_terminal::executor::Threads;
use ottla_terminal::failure::Failure;
use ottla_terminal::input::read_text;
use std::path::PathBuf;
use std::time::Duration;
use stopped::Stopped;

/// This tool helps to move topic partitions between replicas.
#[derive(Debug, clap::Parser)]
pub(super) struct ReassignPartitions {
    /// Verify if the reassignment completed as specified by --reassignment-json-file. If it has, throttles are removed.
    #[arg(long)]
    verify: bool,
    /// Generate a candidate partition reassignment configuration. It is not executed.
    #[arg(long)]
    generate: bool,
    /// Kick off the reassignment as specified by the --reassignment-json-file option.
    #[arg(long)]
    execute: bool,
    /// Cancel an active reassignment.
    #[arg(long)]
    cancel: bool,
    /// List all active partition reassignments.
    #[arg(long)]
    list: bool,
    /// The server(s) to use for bootstrapping.
    #[arg(long, value_name = "Server(s) to use for bootstrapping")]
    bootstrap_server: Option<String>,
    /// The controller to use for reassignment, with --cancel and --list.
    #[arg(long, value_name = "bootstrap controller to connect to")]
    bootstrap_controller: Option<String>,
    /// Property file containing configs to be passed to Admin Client.
    #[arg(long, value_name = "Admin client property file")]
    command_config: Option<PathBuf>,
    /// The reassignment: {"partitions": [{"topic": "foo", "partition": 1, "replicas": [1,2,3], "log_dirs":
    /// ["any","any","any"]}], "version": 1}. "log_dirs" is optional.
    #[arg(long, value_name = "manual assignment json file path")]
    reassignment_json_file: Option<PathBuf>,
    /// Topics to move with --generate: {"topics": [{"topic": "foo"}], "version": 1}.
    #[arg(long, value_name = "topics to reassign json file path")]
    topics_to_move_json_file: Option<PathBuf>,
    /// The brokers to which --generate moves them: "0,1,2".
    #[arg(long, value_name = "brokerlist")]
    broker_list: Option<String>,
    /// Disable rack aware replica assignment.
    #[arg(long)]
    disable_rack_aware: bool,
    /// Throttle the movement of partitions between brokers to this many bytes per second.
    #[arg(long, value_name = "throttle")]
    throttle: Option<i64>,
    /// Throttle the movement of replicas between log directories of a broker to this many bytes per second.
    #[arg(long, value_name = "replicaAlterLogDirsThrottle")]
    replica_alter_log_dirs_throttle: Option<i64>,
    /// The maximum time in ms to wait for log directory replica assignment to begin.
    #[arg(long, value_name = "timeout")]
    timeout: Option<i64>,
    /// Execute this reassignment in addition to any other ongoing ones, or change the throttle of an ongoing one.
    #[arg(long)]
    additional: bool,
    /// Do not modify broker or topic throttles.
    #[arg(long)]
    preserve_throttles: bool,
    /// Refuse to change a partition's replication factor.
    #[arg(long)]
    disallow_replication_factor_change: bool,
}

/// One of the things that the tool does, with the options that it needs and those that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Action {
    name: &'static str,
    required: &'static [&'static str],
    permitted: &'static [&'static str],
}

/// `--timeout`, if it is not given.
const TIMEOUT_MS: u64 = 10_000;
const SERVER: &str = "bootstrap-server";
const CONTROLLER: &str = "bootstrap-controller";
const CONFIG: &str = "command-config";
const PLAN: &str = "reassignment-json-file";

const GENERATE: Action = Action {
    name: "generate",
    required: &["topics-to-move-json-file", "broker-list"],
    permitted: &[SERVER, CONFIG, "disable-rack-aware"],
};
const EXECUTE: Action = Action {
    name: "execute",
    required: &[PLAN],
    permitted: &[
        SERVER,
        CONFIG,
        "additional",
        "throttle",
        "replica-alter-log-dirs-throttle",
        "timeout",
        "disallow-replication-factor-change",
    ],
};
const VERIFY: Action = Action { name: "verify", required: &[PLAN], permitted: &[SERVER, CONFIG, "preserve-throttles"] };
const CANCEL: Action = Action {
    name: "cancel",
    required: &[PLAN],
    permitted: &[SERVER, CONTROLLER, CONFIG, "preserve-throttles", "timeout"],
};
const LIST: Action = Action { name: "list", required: &[], permitted: &[SERVER, CONTROLLER, CONFIG] };

impl KafkaTool for ReassignPartitions {
    const NAME: &'static str = "kafka-reassign-partitions";

    fn run(&self) -> Result<(), Failure> {
        let (action, bootstrap) = self.check()?;
        let cluster = Cluster::new(bootstrap, self.command_config.as_deref(), &[], "reassign-partitions-tool")?
            .of_controllers(self.bootstrap_controller.is_some());
        cluster.run(Threads::One, async |client: Client| {
            let done = self.act(action, &client).await;
            done.or_else(Stopped::end)
        })
    }
}

impl ReassignPartitions {
    async fn act(&self, action: Action, client: &Client) -> Result<(), Stopped> {
        let text = |file: &Option<PathBuf>, name: &str| read_text(required(file, name)?);
        match action {
            GENERATE => {
                let topics = text(&self.topics_to_move_json_file, "topics-to-move-json-file")?;
                let brokers = required(&self.broker_list, "broker-list")?;
                generate::generate(client, &topics, brokers, !self.disable_rack_aware).await
            }
            EXECUTE => {
                let options = execute::Options {
                    is_additional: self.additional,
                    throttle: self.throttle.filter(|bytes| *bytes >= 0),
                    log_dirs_throttle: self.replica_alter_log_dirs_throttle.filter(|bytes| *bytes >= 0),
                    may_change_factor: !self.disallow_replication_factor_change,
                    timeout: self.timeout(),
                };
                execute::execute(client, &text(&self.reassignment_json_file, PLAN)?, options).await
            }
            VERIFY => verify::verify(client, &text(&self.reassignment_json_file, PLAN)?, self.preserve_throttles).await,
            CANCEL => {
                let plan = text(&self.reassignment_json_file, PLAN)?;
                cancel::cancel(client, &plan, self.preserve_throttles, self.timeout()).await
            }
            _ => verify::list(client).await,
        }
    }

    /// How long moves between log directories may take to begin.
    fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout.map_or(TIMEOUT_MS, |ms| u64::try_from(ms).unwrap_or(0)))
    }

    fn check(&self) -> Result<(Action, &str), Failure> {
        let actions = [
            (GENERATE, self.generate),
            (EXECUTE, self.execute),
            (VERIFY, self.verify),
            (CANCEL, self.cancel),
            (LIST, self.list),
        ];
        let mut chosen = actions.iter().filter(|(_, is_chosen)| *is_chosen).map(|(action, _)| *action);
        let (Some(action), None) = (chosen.next(), chosen.next()) else {
            let names: Vec<String> = actions.iter().map(|(action, _)| format!("--{}", action.name)).collect();
            return Err(usage(format!("Command must include exactly one action: {}", names.join(", "))));
        };
        let bootstrap = match (&self.bootstrap_server, &self.bootstrap_controller) {
            (Some(_), Some(_)) => {
                return Err(usage("Please don't specify both --bootstrap-server and --bootstrap-controller"));
            }
            (None, None) => {
                return Err(usage("Please specify either --bootstrap-server or --bootstrap-controller"));
            }
            (Some(address), None) | (None, Some(address)) => address,
        };
        let given = self.given();
        if let Some(missing) = action.required.iter().find(|name| !given.contains(name)) {
            return Err(usage(format!("Missing required argument \"[{missing}]\"")));
        }
        let is_taken = |name: &&&str| !action.required.contains(name) && !action.permitted.contains(name);
        match given.iter().find(is_taken) {
            Some(name) => Err(usage(format!("Option \"[{name}]\" can't be used with action \"[{}]\"", action.name))),
            None => Ok((action, bootstrap)),
        }
    }

    /// Names of the options that were given, actions aside.
    fn given(&self) -> Vec<&'static str> {
        let options = [
            (SERVER, self.bootstrap_server.is_some()),
            (CONTROLLER, self.bootstrap_controller.is_some()),
            (CONFIG, self.command_config.is_some()),
            (PLAN, self.reassignment_json_file.is_some()),
            ("topics-to-move-json-file", self.topics_to_move_json_file.is_some()),
            ("broker-list", self.broker_list.is_some()),
            ("disable-rack-aware", self.disable_rack_aware),
            ("throttle", self.throttle.is_some()),
            ("replica-alter-log-dirs-throttle", self.replica_alter_log_dirs_throttle.is_some()),
            ("timeout", self.timeout.is_some()),
            ("additional", self.additional),
            ("preserve-throttles", self.preserve_throttles),
            ("disallow-replication-factor-change", self.disallow_replication_factor_change),
        ];
        options.iter().filter(|(_, is_given)| *is_given).map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn wrong_words_are_refused_in_kafkas_words() {
        let refusal = |line: &str| {
            let tool = ReassignPartitions::try_parse_from(std::iter::once("x").chain(line.split_whitespace()));
            tool.unwrap().check().err().map(|failure| failure.cause).unwrap_or_default()
        };
        assert_eq!(
            refusal("--list --verify"),
            "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list"
        );
        assert_eq!(refusal("--list"), "Please specify either --bootstrap-server or --bootstrap-controller");
        assert_eq!(
            refusal("--generate --bootstrap-server a:1 --topics-to-move-json-file f"),
            "Missing required argument \"[broker-list]\""
        );
        assert_eq!(
            refusal("--list --bootstrap-server a:1 --throttle 7"),
            "Option \"[throttle]\" can't be used with action \"[list]\""
        );
        assert_eq!(
            refusal("--verify --bootstrap-controller a:1 --reassignment-json-file f"),
            "Option \"[bootstrap-controller]\" can't be used with action \"[verify]\""
        );
        assert_eq!(refusal("--cancel --bootstrap-controller a:1 --reassignment-json-file f"), "");
    }
}
