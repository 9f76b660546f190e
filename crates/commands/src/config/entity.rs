//! What has configs, as it is named on a command line.

use super::quota_changes;
use ottla_client::{Admin, ConfigChange, ConfigResource, QuotaEntity};
use ottla_config::{ConfigError, Scope, catalog};
use ottla_terminal::failure::Failure;
use std::fmt;
use std::str::FromStr;

/// Quotas and their documentation.
pub(super) const QUOTAS: &[(&str, &str)] = &[
    ("connection_creation_rate", "New connections per second from one IP address."),
    ("consumer_byte_rate", "Bytes per second that a client may fetch from one broker."),
    ("controller_mutation_rate", "Partitions per second that a client may create or delete."),
    ("producer_byte_rate", "Bytes per second that a client may produce to one broker."),
    ("request_percentage", "Share of the time of request and network threads that a client may use on one broker."),
];

/// One of the things that have configs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// A topic, broker or group.
    Resource(ConfigResource),
    /// Users, client ids or IP addresses: kind and name; `None` is their default.
    Quota { kind: &'static str, name: Option<String> },
}

impl FromStr for Entity {
    type Err = String;

    fn from_str(text: &str) -> Result<Entity, String> {
        let (kind, name) = text.split_once('/').map_or((text, None), |(kind, name)| (kind, Some(name)));
        let node = |name: &str| name.parse::<i32>().map_err(|_| format!("'{name}' is no broker id: write broker/1"));
        let quota = |kind, name: Option<&str>| Entity::Quota { kind, name: name.map(str::to_string) };
        Ok(match (kind, name.filter(|name| !name.is_empty())) {
            ("topic" | "topics", Some(name)) => Entity::Resource(ConfigResource::Topic(name.to_string())),
            ("group" | "groups", Some(name)) => Entity::Resource(ConfigResource::Group(name.to_string())),
            ("broker", Some(id)) => Entity::Resource(ConfigResource::Broker(Some(node(id)?))),
            ("brokers", None) => Entity::Resource(ConfigResource::Broker(None)),
            ("client" | "client-id", Some(id)) => quota("client-id", Some(id)),
            ("clients", None) => quota("client-id", None),
            ("user", Some(name)) => quota("user", Some(name)),
            ("users", None) => quota("user", None),
            ("ip", Some(address)) => quota("ip", Some(address)),
            ("ips", None) => quota("ip", None),
            _ => {
                return Err(
                    "write topic/NAME, broker/ID, brokers, group/NAME, client/ID, clients, user/NAME, users, ip/ADDRESS or ips"
                        .to_string(),
                );
            }
        })
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Entity::Resource(resource) => resource.fmt(f),
            Entity::Quota { kind, name: Some(name) } => write!(f, "{kind} '{name}'"),
            Entity::Quota { kind, name: None } => write!(f, "the default {kind}"),
        }
    }
}

impl Entity {
    /// Where its configs are declared; `None` for quotas.
    pub(super) fn scope(&self) -> Option<Scope> {
        match self {
            Entity::Resource(ConfigResource::Topic(_)) => Some(Scope::Topic),
            Entity::Resource(ConfigResource::Broker(_)) => Some(Scope::Broker),
            Entity::Resource(ConfigResource::Group(_)) => Some(Scope::Group),
            Entity::Resource(_) | Entity::Quota { .. } => None,
        }
    }

    /// As quotas name it.
    pub(super) fn quota_entity(kind: &str, name: Option<&str>) -> QuotaEntity {
        [(kind.to_string(), name.map(str::to_string))].into()
    }

    /// Changes its configs.
    pub(super) async fn alter(&self, admin: &Admin, changes: Vec<ConfigChange>) -> Result<(), Failure> {
        match self {
            Entity::Resource(resource) => {
                self.explained(admin, admin.alter_configs(resource, &changes, false).await).await
            }
            Entity::Quota { kind, name } => {
                let entity = Entity::quota_entity(kind, name.as_deref());
                Ok(admin.alter_client_quotas(&entity, &quota_changes(changes)?).await?)
            }
        }
    }

    /// Says whether its configs could be changed so.
    pub(super) async fn check(&self, admin: &Admin, changes: Vec<ConfigChange>) -> Result<(), Failure> {
        match self {
            Entity::Resource(resource) => {
                self.explained(admin, admin.alter_configs(resource, &changes, true).await).await
            }
            Entity::Quota { .. } => quota_changes(changes).map(drop),
        }
    }

    /// An unknown topic gets the nearest name.
    pub(super) async fn explained<T>(
        &self,
        admin: &Admin,
        result: Result<T, ottla_client::ClientError>,
    ) -> Result<T, Failure> {
        match self {
            Entity::Resource(ConfigResource::Topic(name)) => {
                crate::topic::explain_unknown_topic(admin, name, result).await
            }
            _ => result.map_err(Failure::from),
        }
    }
}

/// Refuses names that no config has, before a broker is asked, with the nearest one.
pub(super) fn check_names<'a>(entity: &Entity, names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    for name in names {
        let known = match entity.scope() {
            Some(Scope::Broker) => catalog::require_broker(name).map(drop),
            Some(scope) => catalog::require(scope, name).map(drop),
            None if QUOTAS.iter().any(|(quota, _)| *quota == name) => Ok(()),
            None => {
                let existing: Vec<String> = QUOTAS.iter().map(|(quota, _)| (*quota).to_string()).collect();
                return Err(Failure::unknown(
                    &format!("quota '{name}'"),
                    name,
                    &existing,
                    "see `ottla config list quotas`",
                ));
            }
        };
        if let Err(ConfigError::Unknown { nearest, .. }) = known {
            let step =
                nearest.map_or("see `ottla config list`".to_string(), |nearest| format!("did you mean '{nearest}'?"));
            let failure = Failure::new(format!("there is no config '{name}' of {entity}")).then(step);
            return Err(Failure { code: Failure::NOT_FOUND, ..failure });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_named_by_kind_and_name() {
        let parse = |text: &str| text.parse::<Entity>();
        assert_eq!(parse("topic/a/b").unwrap(), Entity::Resource(ConfigResource::Topic("a/b".to_string())));
        assert_eq!(parse("broker/3").unwrap(), Entity::Resource(ConfigResource::Broker(Some(3))));
        assert_eq!(parse("brokers").unwrap().to_string(), "all brokers");
        assert_eq!(parse("user/bob").unwrap(), Entity::Quota { kind: "user", name: Some("bob".to_string()) });
        assert_eq!(parse("clients").unwrap().to_string(), "the default client-id");
        for wrong in ["", "topic", "topic/", "broker/x", "nonsense/a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_misspelt_name_is_refused_with_the_nearest_one() {
        let topic = "topic/t".parse().unwrap();
        let error = check_names(&topic, ["retention.m"].into_iter()).unwrap_err();
        assert_eq!(error.next_step.as_deref(), Some("did you mean 'retention.ms'?"));
        assert!(check_names(&topic, ["retention.ms"].into_iter()).is_ok());
        let clients = "clients".parse().unwrap();
        let error = check_names(&clients, ["producer_byte_rates"].into_iter()).unwrap_err();
        assert_eq!(error.next_step.as_deref(), Some("did you mean 'producer_byte_rate'?"));
    }
}
