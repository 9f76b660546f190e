//! `kafka-server-start` and `kafka-server-stop`.

use crate::processes::{self, NodeProcess};
use crate::serve;
use ottla_config::ConfigMap;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use ottla_tools::shared::usage;
use ottla_tools::{KafkaTool, WithoutWords};
use rustix::process::{Pid, Signal, kill_process, setsid};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The word by which the background process knows that it is one.
const DETACHED: &str = "-detached";

/// Run a node with a configuration file.
#[derive(Debug, clap::Parser)]
pub(super) struct ServerStart {
    /// [-daemon] server.properties [--override property=value]*
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What the words say.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    is_daemon: bool,
    is_detached: bool,
    file: PathBuf,
    overrides: Vec<String>,
}

impl KafkaTool for ServerStart {
    const NAME: &'static str = "kafka-server-start";

    fn run(&self) -> Result<(), Failure> {
        let start = parse(&self.words)?;
        if start.is_daemon {
            return spawn(&self.words);
        }
        if start.is_detached {
            // A terminal that goes away takes its session with it, but not this one.
            setsid().map_err(|error| Failure::new(format!("cannot leave the terminal: {error}")))?;
        }
        serve::run(&serve::Args::of_file(start.file, start.overrides)).map_err(Failure::from)
    }
}

fn parse(words: &[String]) -> Result<Start, Failure> {
    let usage_line = "USAGE: kafka-server-start [-daemon] server.properties [--override property=value]*";
    let (is_daemon, is_detached, rest) = match words {
        [first, rest @ ..] if first == "-daemon" => (true, false, rest),
        [first, rest @ ..] if first == DETACHED => (false, true, rest),
        rest => (false, false, rest),
    };
    let [file, rest @ ..] = rest else { return Err(Failure::new(usage_line)) };
    if file.starts_with('-') {
        return Err(Failure::new(usage_line));
    }
    let mut overrides = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let value = match word.strip_prefix("--override") {
            Some("") => rest.next().map(String::as_str),
            Some(value) => value.strip_prefix('='),
            None => return Err(usage(format!("Found non argument parameters: {word}"))),
        };
        let value = value.ok_or_else(|| usage("Option override requires an argument"))?;
        overrides.push(value.to_string());
    }
    Ok(Start { is_daemon, is_detached, file: PathBuf::from(file), overrides })
}

/// Starts the node in the background; what it says goes to `logs/kafkaServer.out` beside the folder of the script, or below
/// `LOG_DIR`, as with Kafka's.
fn spawn(words: &[String]) -> Result<(), Failure> {
    let failed = |what: &str, error: std::io::Error| Failure::new(format!("cannot {what}: {error}"));
    let program = std::env::current_exe().map_err(|error| failed("tell where I am", error))?;
    let logs = log_dir(std::env::var_os("LOG_DIR").map(PathBuf::from), std::env::args_os().next().map(PathBuf::from));
    fs::create_dir_all(&logs).map_err(|error| failed(&format!("make {}", logs.display()), error))?;
    let out = logs.join("kafkaServer.out");
    let file = File::create(&out).map_err(|error| failed(&format!("write {}", out.display()), error))?;
    let copy = file.try_clone().map_err(|error| failed("share a file", error))?;
    let mut command = Command::new(program);
    command.arg(ServerStart::NAME).arg(DETACHED).args(&words[1..]);
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    command.spawn().map(drop).map_err(|error| failed("start the node", error))
}

fn log_dir(wanted: Option<PathBuf>, program: Option<PathBuf>) -> PathBuf {
    let beside = program.filter(|program| program.components().count() > 1).and_then(|program| {
        let folder = program.parent()?;
        Some(if folder.as_os_str().is_empty() { PathBuf::from("..") } else { folder.join("..") })
    });
    wanted.unwrap_or_else(|| beside.unwrap_or_default().join("logs"))
}

/// Stop the nodes of this machine that run this program.
#[derive(Debug, clap::Parser)]
pub(super) struct ServerStop {
    /// Only nodes with these process.roles.
    #[arg(long)]
    process_role: Option<String>,
    /// Only the node with this node.id.
    #[arg(long)]
    node_id: Option<String>,
}

impl KafkaTool for ServerStop {
    const NAME: &'static str = "kafka-server-stop";
    /// Kafka's script needs no option.
    const WITHOUT_WORDS: WithoutWords = WithoutWords::Runs;

    fn run(&self) -> Result<(), Failure> {
        if self.node_id.is_some() && self.process_role.is_some() {
            write_out("When both node-id and process-role are provided, the value for node-id will take precedence\n")?;
        }
        let nodes = processes::nodes();
        if nodes.is_empty() {
            write_out("No kafka server to stop\n")?;
            return Err(Failure::said());
        }
        let signal = std::env::var("SIGNAL").unwrap_or_else(|_| "TERM".to_string());
        let signal = match signal.trim_start_matches("SIG") {
            "TERM" | "15" => Signal::TERM,
            "INT" | "2" => Signal::INT,
            "KILL" | "9" => Signal::KILL,
            other => return Err(Failure::new(format!("SIGNAL={other} is no signal that stops a node"))),
        };
        for node in nodes {
            if !self.is_wanted(&node)? {
                continue;
            }
            let pid = i32::try_from(node.pid).ok().and_then(Pid::from_raw);
            let killed = pid.map(|pid| kill_process(pid, signal));
            if let Some(Err(error)) = killed {
                return Err(Failure::new(format!("cannot stop process {}: {error}", node.pid)));
            }
        }
        Ok(())
    }
}

impl ServerStop {
    fn is_wanted(&self, node: &NodeProcess) -> Result<bool, Failure> {
        let (name, wanted) = match (&self.node_id, &self.process_role) {
            (Some(id), _) => ("node.id", id),
            (None, Some(roles)) => ("process.roles", roles),
            (None, None) => return Ok(true),
        };
        let configs = match &node.config_file {
            Some(file) => serve::read_file(file).map_err(|_| {
                Failure::new(
                    "Can not find the configuration file in the current directory. Please make sure the kafka stop process \
                     and the start process are called in the same directory.",
                )
            })?,
            None => ConfigMap::new(),
        };
        Ok(configs.get(name).is_some_and(|value| value == wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn the_words_of_kafkas_script_are_understood() {
        let start = parse(&words("-daemon c/server.properties --override a=b=c --override=d=e")).unwrap();
        let expected = Start {
            is_daemon: true,
            is_detached: false,
            file: PathBuf::from("c/server.properties"),
            overrides: words("a=b=c d=e"),
        };
        assert_eq!(start, expected);
        assert!(parse(&[]).unwrap_err().cause.starts_with("USAGE: "));
        assert!(parse(&words("-x f")).is_err());
        assert_eq!(parse(&words("f x")).unwrap_err().cause, "Found non argument parameters: x");
    }

    #[test]
    fn logs_stand_where_kafkas_script_puts_them() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(log_dir(None, path("/k/bin/kafka-server-start.sh")), Path::new("/k/bin/../logs"));
        assert_eq!(log_dir(None, path("kafka-server-start")), Path::new("logs"));
        assert_eq!(log_dir(path("/x"), path("bin/a")), Path::new("/x"));
    }
}
