//! A configuration file, and what it names on this machine: directories, disks, ports, names.

use super::Report;
use crate::serve;
use ottla_config::{BrokerConfig, ConfigError, Effect, Listener, Scope, catalog};
use ottla_runtime::Runtime;
use ottla_storage::{Shutdown, identity, last_shutdown, lock_dir};
use ottla_terminal::failure::Failure;
use rustix::process::{Resource, getrlimit};
use std::io::ErrorKind;
use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;

/// Free space of a disk below which it counts as full.
const FREE_PERCENT_MIN: u64 = 5;
/// Files that a node with some thousand partitions and connections has open.
const OPEN_FILES_MIN: u64 = 10_000;

pub(super) async fn examine(runtime: &Runtime, file: &Path, overrides: &[String]) -> Result<Report, Failure> {
    let mut report = Report::default();
    let node = serve::Args::of_file(file.to_path_buf(), overrides.to_vec());
    let configs = serve::configs(&node).map_err(Failure::from)?;
    let without_effect: Vec<String> = configs.keys().filter(|name| is_without_effect(name)).cloned().collect();
    let config = match BrokerConfig::parse(configs) {
        Ok(config) => config,
        Err(errors) => {
            for error in &errors.0 {
                report.error(error.to_string(), next_step(error));
            }
            return Ok(report);
        }
    };
    report.well(format!("{} is valid", file.display()));
    if !without_effect.is_empty() {
        let names = without_effect.join(", ");
        report.warning(format!("set, but without effect yet: {names}"), "nothing has to be done; do not rely on them");
    }
    let mut is_running = false;
    for dir in &config.storage.log_dirs {
        is_running |= examine_dir(runtime, &mut report, Path::new(dir), &config).await;
    }
    examine_listeners(&mut report, &config, is_running);
    examine_limits(&mut report);
    Ok(report)
}

fn is_without_effect(name: &str) -> bool {
    catalog::find(Scope::Broker, name).is_some_and(|key| key.effect == Effect::Accepted)
}

fn next_step(error: &ConfigError) -> String {
    match error {
        ConfigError::Unknown { nearest: Some(nearest), .. } => format!("write {nearest}, or take the line out"),
        ConfigError::Unknown { nearest: None, .. } => {
            "take the line out; `ottla config list brokers` shows what exists".to_string()
        }
        ConfigError::Invalid { name, .. } => match catalog::find(Scope::Broker, name) {
            Some(key) => format!("correct it: {}", key.doc),
            None => "correct the value".to_string(),
        },
        ConfigError::Rule(_) => "correct one of the configs that this names".to_string(),
    }
}

/// Looks at one log directory; true when a node uses it.
async fn examine_dir(runtime: &Runtime, report: &mut Report, dir: &Path, config: &BrokerConfig) -> bool {
    let name = dir.display();
    if !dir.exists() {
        let parent = dir.ancestors().skip(1).find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
        match std::fs::metadata(parent) {
            Ok(found) if found.permissions().readonly() => {
                report.error(
                    format!("{name} cannot be made: {} is read-only", parent.display()),
                    "name another directory in log.dirs",
                );
            }
            _ => report.well(format!("{name} is made at the first start")),
        }
        return false;
    }
    match runtime.disk().space(dir).await {
        Ok(space) if space.total > 0 => {
            let percent = space.available.saturating_mul(100) / space.total;
            match percent < FREE_PERCENT_MIN {
                true => report.error(
                    format!("the disk of {name} has {percent} % left"),
                    "free space, or name a directory on another disk in log.dirs",
                ),
                false => report.well(format!("the disk of {name} has {percent} % left")),
            }
        }
        Ok(_) => {}
        Err(error) => report.error(format!("the disk of {name} cannot be asked: {error}"), "look at the disk"),
    }
    match identity(runtime, dir).await {
        Ok(Some(found)) if found.node_id != config.node_id => report.error(
            format!("{name} belongs to node.id {}, the file says {}", found.node_id, config.node_id),
            "correct node.id, or name another directory",
        ),
        Ok(_) => {}
        Err(error) => report.error(error.to_string(), "restore meta.properties of the directory"),
    }
    if !dir.join(".lock").exists() {
        return false;
    }
    match lock_dir(runtime.disk(), dir).await {
        Err(error) if error.to_string().contains("locked by") => {
            report.well(format!("{name} is used by a node that runs now"));
            true
        }
        Err(error) => {
            report.error(error.to_string(), "give the user that runs the node the right to write there");
            false
        }
        Ok(_locked) => {
            match last_shutdown(runtime, dir).await {
                Ok(Shutdown::Clean) => report.well(format!("{name} was closed cleanly")),
                Ok(Shutdown::SameBoot) => report.warning(
                    format!("the node that used {name} died: the next start looks at the end of each log"),
                    "start the node; nothing that was acknowledged is lost",
                ),
                Ok(Shutdown::OtherBoot) => report.warning(
                    format!("the machine went down under the node that used {name}: the next start recovers it"),
                    "start the node; the log says what it cut and where it kept that",
                ),
                Err(error) => report.error(error.to_string(), "see the text"),
            }
            false
        }
    }
}

fn examine_listeners(report: &mut Report, config: &BrokerConfig, is_running: bool) {
    for listener in config.listeners.iter().filter(|listener| listener.port != 0 && !is_running) {
        match TcpListener::bind(listener.bind_address()) {
            Ok(_) => report.well(format!("{listener} can be listened on")),
            Err(error) if error.kind() == ErrorKind::AddrInUse => report.error(
                format!("{listener}: the port is in use"),
                format!("stop what listens on port {}, or change listeners", listener.port),
            ),
            Err(error) => report.error(
                format!("{listener} cannot be listened on: {error}"),
                "name an address of this machine in listeners; leave the host out for all of them",
            ),
        }
    }
    for listener in &config.advertised_listeners {
        examine_advertised(report, listener);
    }
}

fn examine_advertised(report: &mut Report, listener: &Listener) {
    let Some(host) = &listener.host else {
        return report.warning(
            format!("{listener} advertises this machine's own name"),
            "set advertised.listeners to a name that clients on other machines can look up",
        );
    };
    match (host.as_str(), listener.port).to_socket_addrs() {
        Ok(_) if ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host.as_str()) => report.warning(
            format!("{listener} is advertised: only clients on this machine reach it"),
            "set advertised.listeners to a name of this machine, if clients run elsewhere",
        ),
        Ok(_) => report.well(format!("{listener} is advertised, and its name can be looked up")),
        Err(error) => report.error(
            format!("{listener} is advertised, but its name cannot be looked up here: {error}"),
            "correct advertised.listeners, or add the name to DNS",
        ),
    }
}

/// What a node started from here would have: it raises its limit as far as it may.
fn examine_limits(report: &mut Report) {
    let Some(limit) = getrlimit(Resource::Nofile).maximum else {
        return report.well("a process may open as many files as it likes here");
    };
    let text = format!("a process may open {limit} files here");
    if limit < OPEN_FILES_MIN {
        let step = format!("raise it: `ulimit -Hn {OPEN_FILES_MIN}`, or LimitNOFILE= of the systemd unit");
        report.warning(text, step);
    } else {
        report.well(text);
    }
}
