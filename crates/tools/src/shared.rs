//! What Kafka's tools share: client properties, the words of Kafka's option parser, patterns of topic names.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use ottla_client::{Client, ClientOptions, ClientProperties, ClusterMetadata};
use ottla_terminal::executor::{self, Threads};
use ottla_terminal::failure::Failure;
use regex::Regex;
use std::future::Future;
use std::path::Path;

/// Topics that belong to the cluster itself.
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__share_group_state", "__transaction_state"];

/// A cluster and what properties say about its clients.
pub struct Cluster {
    /// Addresses, HOST:PORT separated by commas.
    pub bootstrap: String,
    /// What configures its clients.
    pub properties: ClientProperties,
    /// Whether the addresses are those of `--bootstrap-controller`.
    pub of_controllers: bool,
}

impl Cluster {
    /// `--bootstrap-server`, the file of `--command-config`, and `name=value` pairs over it. Names that nobody knows are
    /// warnings, as in Kafka.
    pub fn new(bootstrap: &str, file: Option<&Path>, pairs: &[String], client_id: &str) -> Result<Cluster, Failure> {
        let mut properties = with_pairs(file, pairs)?;
        properties.set_default("client.id", client_id);
        let unknown = properties.unknown();
        if !unknown.is_empty() {
            eprintln!("WARN These configurations '[{}]' were supplied but are not used yet.", unknown.join(", "));
        }
        Ok(Cluster { bootstrap: bootstrap.to_string(), properties, of_controllers: false })
    }

    /// The same; the addresses are those of controllers if `is_true`.
    pub fn of_controllers(self, is_true: bool) -> Cluster {
        Cluster { of_controllers: is_true, ..self }
    }

    /// Runs `command` with a client.
    pub fn run<F>(&self, threads: Threads, command: impl FnOnce(Client) -> F) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>>,
    {
        let base = ClientOptions { of_controllers: self.of_controllers, ..ClientOptions::default() };
        let options = self.properties.client_options(base)?;
        executor::run(&self.bootstrap, options, threads, command)
    }
}

/// A properties file with `name=value` pairs over it; a pair without a value means an empty one.
pub fn with_pairs(file: Option<&Path>, pairs: &[String]) -> Result<ClientProperties, Failure> {
    let mut properties = match file {
        Some(file) => ottla_terminal::cluster::read_properties(file)?,
        None => ClientProperties::new(),
    };
    for pair in pairs {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        properties.set(name, value);
    }
    Ok(properties)
}

/// A command line that means nothing, in the words of Kafka's option parser where it has a message for it.
pub(crate) fn wrong_words(error: &clap::Error) -> Failure {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.trim_start_matches('-').split([' ', '=']).next(),
        _ => None,
    };
    let name = argument.unwrap_or_default();
    let cause = match error.kind() {
        ErrorKind::UnknownArgument => format!("{name} is not a recognized option"),
        ErrorKind::InvalidValue if matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty()) =>
        {
            format!("Option {name} requires an argument")
        }
        ErrorKind::ValueValidation => match error.get(ContextKind::InvalidValue) {
            Some(ContextValue::String(value)) => format!("Cannot parse argument '{value}' of option {name}"),
            _ => error.to_string(),
        },
        _ => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_string()
        }
    };
    usage(cause)
}

/// A command line that does not say enough, or too much.
pub fn usage(cause: impl Into<String>) -> Failure {
    Failure { next_step: Some("see --help".to_string()), ..Failure::new(cause) }
}

/// The value of an option that must be there.
pub fn required<'a, T>(value: &'a Option<T>, name: &str) -> Result<&'a T, Failure> {
    value.as_ref().ok_or_else(|| usage(format!("Missing required argument \"[{name}]\"")))
}

/// `host:port` of every address, or Kafka's complaint.
pub(crate) fn check_bootstrap(text: &str) -> Result<(), Failure> {
    let has_port = |address: &str| {
        address.trim().rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    match text.split(',').all(has_port) {
        true => Ok(()),
        false => Err(usage("Please provide valid host:port like host1:9091,host2:9092\n")),
    }
}

/// Kafka's list of patterns for topic names: a regular expression for the whole name, in which a comma means "or".
pub(crate) struct TopicPattern(Regex);

impl TopicPattern {
    pub(crate) fn new(text: &str) -> Result<TopicPattern, Failure> {
        let pattern = text.trim().replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        let anchored = Regex::new(&format!("^(?:{pattern})$"));
        anchored.map(TopicPattern).map_err(|_| Failure::new(format!("{text} is an invalid regex.")))
    }

    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.0.is_match(topic)
    }
}

/// Whether a topic belongs to the cluster itself.
pub(crate) fn is_internal(topic: &str) -> bool {
    INTERNAL_TOPICS.contains(&topic)
}

/// Names of the topics that a pattern matches, sorted.
pub(crate) fn matching_topics(
    cluster: &ClusterMetadata,
    pattern: Option<&TopicPattern>,
    internal: bool,
) -> Vec<String> {
    let names = cluster.topics.keys().filter(|name| internal || !is_internal(name));
    names.filter(|name| pattern.is_none_or(|pattern| pattern.matches(name))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_pattern_matches_whole_names_and_takes_lists() {
        let pattern = TopicPattern::new("'orders, pay.*'").unwrap();
        let matched = ["orders", "payments", "orders2", "xpay"].map(|name| pattern.matches(name));
        assert_eq!(matched, [true, true, false, false]);
        assert_eq!(TopicPattern::new("(").err().unwrap().cause, "( is an invalid regex.");
    }

    #[test]
    fn addresses_need_ports() {
        assert!(check_bootstrap("a:1,b:2").is_ok());
        for wrong in ["a", "a:1,b", "", "a:x", ":1"] {
            assert!(check_bootstrap(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pairs_win_over_nothing_and_may_be_empty() {
        let properties = with_pairs(None, &["a=b=c".to_string(), "d".to_string(), "a=2".to_string()]).unwrap();
        assert_eq!((properties.get("a"), properties.get("d")), (Some("2"), Some("")));
    }
}
