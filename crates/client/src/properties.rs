//! Kafka's client properties (`key=value`, files such as those of `--command-config`) as options of this client.
//!
//! Every name is in one of four kinds: it sets an option (the tables below, one row each), it means nothing for this
//! client (`known.rs`: buffer sizes, metrics, serializers), it asks for something that this client cannot do (an error that
//! says so), or nobody knows it: then it is a warning, as in Kafka.

mod consumer;
mod known;
mod producer;
mod share_consumer;
mod values;

use crate::error::ClientError;
use crate::options::ClientOptions;
use known::{IGNORED, PREFIXES};
use std::collections::BTreeMap;
use values::milliseconds;

/// Client properties by name.
///
/// ```
/// use ottla_client::{ClientProperties, ProducerOptions};
/// let mut properties = ClientProperties::parse("linger.ms=20\ncompression.type=zstd\n")?;
/// properties.set("acks", "1");
/// let producer = properties.producer_options(ProducerOptions::default())?;
/// assert_eq!(producer.linger.as_millis(), 20);
/// assert!(!producer.idempotence);
/// # Ok::<(), ottla_client::ClientError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientProperties {
    values: BTreeMap<String, String>,
}

/// One property that sets an option.
pub(crate) struct Property<O> {
    name: &'static str,
    apply: fn(&mut O, &str) -> Result<(), String>,
}

const CLIENT: &[Property<ClientOptions>] = &[
    Property::new("client.id", |options, text| {
        options.client_id = text.to_string();
        Ok(())
    }),
    Property::new("request.timeout.ms", |options, text| milliseconds(text).map(|time| options.request_timeout = time)),
    Property::new("default.api.timeout.ms", |options, text| milliseconds(text).map(|time| options.api_timeout = time)),
    Property::new("retry.backoff.ms", |options, text| milliseconds(text).map(|time| options.retry_backoff = time)),
    Property::new("retry.backoff.max.ms", |options, text| {
        milliseconds(text).map(|time| options.retry_backoff_max = time)
    }),
    Property::new("socket.connection.setup.timeout.ms", |options, text| {
        milliseconds(text).map(|time| options.connect_timeout = time)
    }),
];

impl ClientProperties {
    /// No properties.
    pub fn new() -> ClientProperties {
        ClientProperties::default()
    }

    /// Reads a file in the format of Java's properties.
    ///
    /// # Errors
    /// `Invalid` with the line that cannot be read.
    pub fn parse(text: &str) -> Result<ClientProperties, ClientError> {
        let values = ottla_config::parse_properties(text).map_err(|error| ClientError::Invalid(error.to_string()))?;
        Ok(ClientProperties { values: values.into_iter().collect() })
    }

    /// Sets one; a later value replaces an earlier one.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), value.into());
    }

    /// Sets one that is not set yet.
    pub fn set_default(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.entry(name.into()).or_insert_with(|| value.into());
    }

    /// Sets one from `name=value`.
    ///
    /// # Errors
    /// `Invalid` when it has another form.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), ClientError> {
        let (name, value) =
            ottla_config::parse_override(pair).map_err(|error| ClientError::Invalid(error.to_string()))?;
        self.set(name, value);
        Ok(())
    }

    /// Takes all of `other` over, which win.
    pub fn extend(&mut self, other: ClientProperties) {
        self.values.extend(other.values);
    }

    /// The text of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names that no Kafka client knows: most likely misspelt.
    pub fn unknown(&self) -> Vec<&str> {
        let names = self.values.keys().map(String::as_str);
        names.filter(|name| !is_known(name)).collect()
    }

    /// `base` with what the properties say about connections.
    ///
    /// # Errors
    /// `Invalid` for a value that cannot be read, and for what this client cannot do, such as `security.protocol=SASL_SSL`.
    pub fn client_options(&self, base: ClientOptions) -> Result<ClientOptions, ClientError> {
        self.check_security()?;
        self.applied(base, CLIENT)
    }

    /// Sets the options of `table` that are named.
    fn applied<O>(&self, mut options: O, table: &[Property<O>]) -> Result<O, ClientError> {
        for property in table {
            if let Some(text) = self.get(property.name) {
                (property.apply)(&mut options, text.trim()).map_err(|why| invalid(property.name, text, &why))?;
            }
        }
        Ok(options)
    }

    fn check_security(&self) -> Result<(), ClientError> {
        match self.get("security.protocol") {
            None => Ok(()),
            Some(protocol) if protocol.eq_ignore_ascii_case("PLAINTEXT") => Ok(()),
            Some(protocol) => Err(invalid(
                "security.protocol",
                protocol,
                "this client speaks PLAINTEXT only; name a plaintext listener of the broker",
            )),
        }
    }

    /// Refuses a property that is set to anything, because ignoring it would change what is promised.
    fn refuse_when_set(&self, name: &str, why: &str) -> Result<(), ClientError> {
        match self.get(name).filter(|value| !value.trim().is_empty()) {
            Some(value) => Err(invalid(name, value, why)),
            None => Ok(()),
        }
    }
}

impl<O> Property<O> {
    const fn new(name: &'static str, apply: fn(&mut O, &str) -> Result<(), String>) -> Property<O> {
        Property { name, apply }
    }
}

fn is_known(name: &str) -> bool {
    CLIENT.iter().any(|property| property.name == name)
        || producer::PRODUCER.iter().any(|property| property.name == name)
        || consumer::CONSUMER.iter().any(|property| property.name == name)
        || share_consumer::SHARE_CONSUMER.iter().any(|property| property.name == name)
        || IGNORED.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn invalid(name: &str, value: &str, why: &str) -> ClientError {
    ClientError::Invalid(format!("{name}={value}: {why}"))
}

#[cfg(test)]
mod tests;
