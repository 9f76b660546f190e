//! Which entities a command line names, by either set of flags.

use super::Configs;
use ottla_client::{ConfigResource, ConfigSource};
use ottla_terminal::failure::Failure;
use std::net::{IpAddr, ToSocketAddrs};

/// A type of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Topics,
    Clients,
    Users,
    Brokers,
    Ips,
    ClientMetrics,
    Groups,
    BrokerLoggers,
}

/// Types and names; an empty name is the default, and there may be no name at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entities {
    pub(super) kinds: Vec<Kind>,
    pub(super) names: Vec<String>,
}

impl Kind {
    const ALL: [Kind; 8] = [
        Kind::Topics,
        Kind::Clients,
        Kind::Users,
        Kind::Brokers,
        Kind::Ips,
        Kind::ClientMetrics,
        Kind::Groups,
        Kind::BrokerLoggers,
    ];

    /// Kafka's word, a plural.
    pub(super) fn word(self) -> &'static str {
        match self {
            Kind::Topics => "topics",
            Kind::Clients => "clients",
            Kind::Users => "users",
            Kind::Brokers => "brokers",
            Kind::Ips => "ips",
            Kind::ClientMetrics => "client-metrics",
            Kind::Groups => "groups",
            Kind::BrokerLoggers => "broker-loggers",
        }
    }

    /// The word without its last letter, as Kafka's tool makes a singular of it.
    pub(super) fn singular(self) -> &'static str {
        let word = self.word();
        &word[..word.len() - 1]
    }

    /// Whether there are configs for all entities of the type.
    pub(super) fn has_default(self) -> bool {
        matches!(self, Kind::Users | Kind::Clients | Kind::Brokers | Kind::Ips)
    }

    /// The type of quotas; `None` for what has other configs.
    pub(super) fn quota_kind(self) -> Option<&'static str> {
        match self {
            Kind::Users => Some("user"),
            Kind::Clients => Some("client-id"),
            Kind::Ips => Some("ip"),
            _ => None,
        }
    }

    /// The resource of this type and name, and where its own configs come from; `None` for quotas.
    pub(super) fn resource(self, name: &str) -> Result<Option<(ConfigResource, ConfigSource)>, Failure> {
        let node = || {
            name.parse::<i32>().map_err(|_| {
                Failure::new(format!(
                    "The entity name for {} must be a valid integer broker id, found: {name}",
                    self.word()
                ))
            })
        };
        Ok(match self {
            Kind::Topics => Some((ConfigResource::Topic(name.to_string()), ConfigSource::Topic)),
            Kind::Groups => Some((ConfigResource::Group(name.to_string()), ConfigSource::Group)),
            Kind::ClientMetrics => Some((ConfigResource::ClientMetrics(name.to_string()), ConfigSource::ClientMetrics)),
            Kind::Brokers if name.is_empty() => {
                Some((ConfigResource::Broker(None), ConfigSource::DynamicDefaultBroker))
            }
            Kind::Brokers => Some((ConfigResource::Broker(Some(node()?)), ConfigSource::DynamicBroker)),
            Kind::BrokerLoggers => Some((ConfigResource::BrokerLogger(node()?), ConfigSource::BrokerLogger)),
            Kind::Users | Kind::Clients | Kind::Ips => None,
        })
    }
}

impl Entities {
    /// Reads the flags, and refuses what Kafka's tool refuses.
    pub(super) fn of(tool: &Configs) -> Result<Entities, Failure> {
        let named = [
            (Kind::Topics, &tool.topic),
            (Kind::Clients, &tool.client),
            (Kind::Users, &tool.user),
            (Kind::Brokers, &tool.broker),
            (Kind::BrokerLoggers, &tool.broker_logger),
            (Kind::Ips, &tool.ip),
            (Kind::ClientMetrics, &tool.client_metrics),
            (Kind::Groups, &tool.group),
        ];
        let defaults = [
            (Kind::Clients, tool.client_defaults),
            (Kind::Users, tool.user_defaults),
            (Kind::Brokers, tool.broker_defaults),
            (Kind::Ips, tool.ip_defaults),
        ];
        let of_flags = named.iter().filter_map(|(kind, name)| Some((*kind, (*name).clone()?)));
        let of_defaults = defaults.iter().filter(|(_, is_set)| *is_set).map(|(kind, _)| (*kind, String::new()));
        let flagged: Vec<(Kind, String)> = of_flags.chain(of_defaults).collect();
        let mut kinds = Vec::new();
        for word in &tool.entity_type {
            kinds.push(Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| unknown_kind(word))?);
        }
        let mut names = tool.entity_names.in_order();
        if (!kinds.is_empty() || !names.is_empty()) && !flagged.is_empty() {
            return Err(Failure::new(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
            ));
        }
        for (kind, name) in flagged {
            kinds.push(kind);
            names.push(name);
        }
        let entities = Entities { kinds, names };
        entities.check(tool).map(|()| entities)
    }

    fn check(&self, tool: &Configs) -> Result<(), Failure> {
        let is_pair = |kind: &Kind| matches!(kind, Kind::Users | Kind::Clients);
        let repeated = self.kinds.iter().enumerate().find(|(index, kind)| self.kinds[..*index].contains(kind));
        if let Some((_, kind)) = repeated {
            return Err(Failure::new(format!("Duplicate entity type(s) specified: {}", kind.word())));
        }
        match self.kinds[..] {
            [] => return Err(Failure::new("At least one entity type must be specified")),
            [_] => {}
            _ if self.kinds.iter().all(is_pair) => {}
            _ => return Err(Failure::new("Only 'users' and 'clients' entity types may be specified together")),
        }
        let first = self.kinds[0];
        let name = self.names.iter().find(|name| !name.is_empty());
        if let (Kind::Brokers | Kind::BrokerLoggers, Some(name)) = (first, name)
            && name.parse::<i32>().is_err()
        {
            return Err(Failure::new(format!(
                "The entity name for {} must be a valid integer broker id, but it is: {name}",
                first.word()
            )));
        }
        if let (Kind::Ips, Some(name)) = (first, name)
            && !is_host(name)
        {
            return Err(Failure::new(format!(
                "The entity name for ips must be a valid IP or resolvable host, but it is: {name}"
            )));
        }
        if tool.describe && tool.entity_names.has_default() && !first.has_default() {
            return Err(Failure::new(format!(
                "--entity-default must not be specified with --describe of {}",
                first.word()
            )));
        }
        if tool.describe && first == Kind::BrokerLoggers && name.is_none() {
            return Err(Failure::new("An entity name must be specified with --describe of broker-loggers"));
        }
        if self.names.len() > self.kinds.len() {
            return Err(Failure::new("More entity names specified than entity types"));
        }
        Ok(())
    }
}

/// Whether it is an address, or a name that has one.
fn is_host(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || (name, 0).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
}

fn unknown_kind(word: &str) -> Failure {
    let all = Kind::ALL.map(Kind::word).join(", ");
    Failure::new(format!(
        "Invalid entity type {word}, the entity type must be one of {all} with a --bootstrap-server or \
         --bootstrap-controller argument"
    ))
}
