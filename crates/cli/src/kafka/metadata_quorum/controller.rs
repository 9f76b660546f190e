//! The controller that `kafka-metadata-quorum add-controller` adds: what its own configuration file says of it.

use crate::log::on_disk;
use ottla_client::{Admin, RaftVoterEndpoint};
use ottla_config::parse_properties;
use ottla_terminal::failure::Failure;
use ottla_terminal::input::read_text;
use ottla_types::Uuid;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// How every complaint about the file ends.
const IS_IT_VALID: &str = "Is this a valid controller configuration file?";

/// A controller that is to become a voter.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Controller {
    id: i32,
    directory_id: Uuid,
    endpoints: Vec<RaftVoterEndpoint>,
}

impl Controller {
    /// The controller whose configuration this file is; its metadata directory must be formatted.
    pub(super) fn read(file: &Path) -> Result<Controller, Failure> {
        let properties = parse_properties(&read_text(file)?);
        let properties = properties.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        let configs = Configs(properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect());
        let (id, directory) = (configs.node_id()?, configs.metadata_directory()?);
        Ok(Controller { id, directory_id: directory_id(directory)?, endpoints: configs.endpoints()? })
    }

    /// Makes it a voter.
    pub(super) async fn add(&self, admin: &Admin) -> Result<(), Failure> {
        admin.add_raft_voter(self.id, self.directory_id, &self.endpoints, None).await.map_err(super::refused)
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<String> = self.endpoints.iter().map(ToString::to_string).collect();
        let Controller { id, directory_id, .. } = self;
        write!(f, "controller {id} with directory id {directory_id} and endpoints: {}", endpoints.join(", "))
    }
}

/// The `directory.id` in the `meta.properties` of a metadata directory.
fn directory_id(directory: &str) -> Result<Uuid, Failure> {
    let mut found = None;
    on_disk(async |runtime| {
        let identity = ottla_storage::identity(&runtime, Path::new(directory)).await;
        found = identity.map_err(|error| Failure::new(error.to_string()))?;
        Ok(())
    })?;
    match found {
        None => Err(Failure::new(format!("Unable to read meta.properties from {directory}"))),
        Some(identity) if identity.directory_id.is_zero() => {
            Err(Failure::new(format!("No directory id found in {directory}")))
        }
        Some(identity) => Ok(identity.directory_id),
    }
}

/// A configuration file by names. Only what is asked for must make sense.
struct Configs(BTreeMap<String, String>);

impl Configs {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(|value| value.trim()).unwrap_or_default()
    }

    fn node_id(&self) -> Result<i32, Failure> {
        if !self.0.contains_key("node.id") {
            return Err(Failure::new(format!("node.id not found in configuration file. {IS_IT_VALID}")));
        }
        let text = self.get("node.id");
        let id = text.parse::<i32>().map_err(|_| Failure::new(format!("For input string: \"{text}\"")))?;
        if id < 0 {
            return Err(Failure::new(format!("node.id was negative in configuration file. {IS_IT_VALID}")));
        }
        match self.get("process.roles").contains("controller") {
            true => Ok(id),
            false => {
                let text = "process.roles did not contain 'controller' in configuration file.";
                Err(Failure::new(format!("{text} {IS_IT_VALID}")))
            }
        }
    }

    fn metadata_directory(&self) -> Result<&str, Failure> {
        let first = self.get("log.dirs").split(',').next().unwrap_or_default();
        match (self.get("metadata.log.dir"), first) {
            ("", "") => Err(Failure::new(format!("Neither metadata.log.dir nor log.dirs were found. {IS_IT_VALID}"))),
            ("", directory) | (directory, _) => Ok(directory),
        }
    }

    /// Where the controller is reached: its listeners, or what is advertised in their place.
    fn endpoints(&self) -> Result<Vec<RaftVoterEndpoint>, Failure> {
        let mut listeners = BTreeMap::new();
        for list in ["listeners", "advertised.listeners"] {
            for text in self.get(list).split(',').map(str::trim).filter(|text| !text.is_empty()) {
                let endpoint = endpoint(text)?;
                listeners.insert(endpoint.listener.clone(), endpoint);
            }
        }
        if !self.0.contains_key("controller.listener.names") {
            return Err(Failure::new(format!("controller.listener.names was not found. {IS_IT_VALID}")));
        }
        let mut endpoints = Vec::new();
        for name in self.get("controller.listener.names").split(',').map(|name| name.trim().to_uppercase()) {
            let endpoint = listeners.get(&name).cloned().ok_or_else(|| {
                Failure::new(format!("Cannot find information about controller listener name: {name}"))
            })?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        Ok(endpoints)
    }
}

/// `NAME://HOST:PORT`; without a host, this machine.
fn endpoint(text: &str) -> Result<RaftVoterEndpoint, Failure> {
    let parts = text.split_once("://").and_then(|(name, address)| Some((name, address.rsplit_once(':')?)));
    let parsed = parts.and_then(|(name, (host, port))| Some((name, host, port.parse::<u16>().ok()?)));
    let (name, host, port) =
        parsed.ok_or_else(|| Failure::new(format!("Unable to parse {text} to a broker endpoint")))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = if host.is_empty() { "localhost" } else { host };
    Ok(RaftVoterEndpoint { listener: name.to_uppercase(), host: host.to_string(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(text: &str) -> Configs {
        let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        Configs(pairs.map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    #[test]
    fn a_file_that_is_no_controllers_is_refused() {
        let refusal = |text: &str| configs(text).node_id().unwrap_err().cause;
        assert!(refusal("").starts_with("node.id not found in configuration file. Is this"));
        assert!(refusal("node.id=-1").starts_with("node.id was negative"));
        assert!(refusal("node.id=1 process.roles=broker").starts_with("process.roles did not contain 'controller'"));
        assert_eq!(configs("node.id=7 process.roles=broker,controller").node_id(), Ok(7));
    }

    #[test]
    fn the_metadata_directory_is_the_first_without_its_own() {
        assert_eq!(configs("log.dirs=/a,/b").metadata_directory(), Ok("/a"));
        assert_eq!(configs("log.dirs=/a metadata.log.dir=/m").metadata_directory(), Ok("/m"));
        assert!(configs("node.id=1").metadata_directory().is_err());
    }

    #[test]
    fn advertised_listeners_win() {
        let text = "listeners=plaintext://:9092,controller://:9093 controller.listener.names=CONTROLLER";
        let shown = |text: &str| configs(text).endpoints().map(|all| all[0].to_string());
        assert_eq!(shown(text), Ok("CONTROLLER://localhost:9093".to_string()));
        let text = format!("{text} advertised.listeners=CONTROLLER://[::1]:7");
        assert_eq!(shown(&text), Ok("CONTROLLER://[::1]:7".to_string()));
        assert!(shown("listeners=A://a:1 controller.listener.names=B").unwrap_err().cause.ends_with("name: B"));
        assert!(shown("listeners=A:1").is_err());
    }
}
