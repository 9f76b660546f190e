//! Listeners: `NAME://host:port`, and which security protocol a name stands for.

use crate::error::ConfigError;
use crate::value::split_list;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// How a listener's connections are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum SecurityProtocol {
    /// Neither encrypted nor authenticated.
    Plaintext = 0,
    /// TLS.
    Ssl = 1,
    /// SASL without encryption.
    SaslPlaintext = 2,
    /// SASL inside TLS.
    SaslSsl = 3,
}

impl SecurityProtocol {
    /// The protocol of that name, in any case.
    pub fn from_name(name: &str) -> Option<SecurityProtocol> {
        match name.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Some(SecurityProtocol::Plaintext),
            "SSL" => Some(SecurityProtocol::Ssl),
            "SASL_PLAINTEXT" => Some(SecurityProtocol::SaslPlaintext),
            "SASL_SSL" => Some(SecurityProtocol::SaslSsl),
            _ => None,
        }
    }

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            SecurityProtocol::Plaintext => "PLAINTEXT",
            SecurityProtocol::Ssl => "SSL",
            SecurityProtocol::SaslPlaintext => "SASL_PLAINTEXT",
            SecurityProtocol::SaslSsl => "SASL_SSL",
        }
    }

    /// The code in metadata records.
    pub fn code(self) -> i16 {
        self as i16
    }
}

/// One listener, to bind or to advertise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Name, in upper case.
    pub name: String,
    /// Host name or address; `None` where the text left it empty: every interface to bind, this machine's name to
    /// advertise.
    pub host: Option<String>,
    /// Port; 0 takes a free one when bound, and advertises the bound one.
    pub port: u16,
    /// What the name stands for.
    pub protocol: SecurityProtocol,
}

impl Listener {
    /// Whether the host stands for every interface of the machine.
    pub fn is_wildcard(&self) -> bool {
        match &self.host {
            None => true,
            Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()),
        }
    }

    /// `host:port` to bind.
    pub fn bind_address(&self) -> String {
        match &self.host {
            None => format!("0.0.0.0:{}", self.port),
            Some(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Some(host) => format!("{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("");
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{}", self.name, self.port),
            false => write!(f, "{}://{host}:{}", self.name, self.port),
        }
    }
}

/// Security protocol by listener name.
pub type ProtocolMap = BTreeMap<String, SecurityProtocol>;

/// Reads `listener.security.protocol.map`: `NAME:PROTOCOL` pairs.
pub(crate) fn parse_protocol_map(text: &str) -> Result<ProtocolMap, ConfigError> {
    const CONFIG: &str = "listener.security.protocol.map";
    let mut map = ProtocolMap::new();
    for entry in split_list(text).iter().filter(|entry| !entry.is_empty()) {
        let Some((name, protocol)) = entry.rsplit_once(':') else {
            return Err(ConfigError::Rule(format!(
                "Error parsing configuration property '{CONFIG}': '{entry}' is not of the form NAME:PROTOCOL"
            )));
        };
        let Some(protocol) = SecurityProtocol::from_name(protocol.trim()) else {
            return Err(ConfigError::Rule(format!("Invalid security protocol `{protocol}` defined in {CONFIG}")));
        };
        map.insert(normalised(name), protocol);
    }
    Ok(map)
}

/// Listener names are compared in upper case.
pub(crate) fn normalised(name: &str) -> String {
    name.trim().to_ascii_uppercase()
}

/// Reads a list of listeners. `distinct_ports`: two listeners on one port are refused, unless one is IPv4 and the
/// other IPv6.
pub(crate) fn parse_listeners(
    config: &str,
    entries: &[String],
    protocols: &ProtocolMap,
    distinct_ports: bool,
) -> Result<Vec<Listener>, ConfigError> {
    let refuse = |reason: String| Err(ConfigError::invalid(config, entries.join(","), reason));
    let mut listeners: Vec<Listener> = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some((name, host, port)) = split_listener(entry) else {
            return refuse(format!("'{entry}' is not of the form NAME://host:port"));
        };
        let name = normalised(name);
        let Some(&protocol) = protocols.get(&name) else {
            return refuse(format!(
                "No security protocol defined for listener {name}. Add {name}:PLAINTEXT to listener.security.protocol.map"
            ));
        };
        if listeners.iter().any(|other| other.name == name) {
            return refuse(format!("Each listener must have a different name, and {name} comes twice"));
        }
        let host = (!host.is_empty()).then(|| host.to_string());
        listeners.push(Listener { name, host, port, protocol });
    }
    if distinct_ports {
        for (index, listener) in listeners.iter().enumerate() {
            if let Some(other) = listeners[..index].iter().find(|other| clash(other, listener)) {
                return refuse(format!(
                    "Each listener must have a different port, but {other} and {listener} share one"
                ));
            }
        }
    }
    Ok(listeners)
}

fn clash(a: &Listener, b: &Listener) -> bool {
    let address = |listener: &Listener| listener.host.as_deref().and_then(|host| host.parse::<IpAddr>().ok());
    let two_stacks = match (address(a), address(b)) {
        (Some(a), Some(b)) => a.is_ipv4() != b.is_ipv4(),
        _ => false,
    };
    a.port == b.port && a.port != 0 && !two_stacks
}

/// Splits `NAME://host:port`; the host may be empty or an IPv6 address in brackets.
fn split_listener(entry: &str) -> Option<(&str, &str, u16)> {
    let (name, address) = entry.rsplit_once("://")?;
    let (host, port) = split_host_port(address)?;
    (!name.is_empty()).then_some((name, host, port))
}

/// Splits `host:port`; the host may be empty or an IPv6 address in brackets.
pub(crate) fn split_host_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?,
        None => host,
    };
    let host_ok = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-%._:".contains(&b));
    let port_ok = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    if !host_ok || !port_ok {
        return None;
    }
    Some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listeners: &str, expect: Result<&str, &str>) {
        let protocols = parse_protocol_map("PLAINTEXT:PLAINTEXT,SSL:SSL,internal:PLAINTEXT").unwrap();
        let got = parse_listeners("listeners", &split_list(listeners), &protocols, true);
        match (got, expect) {
            (Ok(got), Ok(expect)) => {
                assert_eq!(got.iter().map(Listener::to_string).collect::<Vec<_>>().join(","), expect);
            }
            (Err(got), Err(expect)) => assert!(got.to_string().contains(expect), "{got}"),
            (got, expect) => panic!("{listeners}: got {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn listeners_are_read_as_kafka_does() {
        check("PLAINTEXT://:9092", Ok("PLAINTEXT://:9092"));
        check("plaintext://localhost:0, Internal://[::1]:9093", Ok("PLAINTEXT://localhost:0,INTERNAL://[::1]:9093"));
        check("PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092", Ok("PLAINTEXT://127.0.0.1:9092,SSL://[::1]:9092"));
        check("PLAINTEXT://:0,SSL://:0", Ok("PLAINTEXT://:0,SSL://:0"));
    }

    #[test]
    fn wrong_listeners_are_refused_with_what_is_wrong() {
        check("localhost:9092", Err("'localhost:9092' is not of the form NAME://host:port"));
        check("PLAINTEXT://localhost", Err("is not of the form NAME://host:port"));
        check("PLAINTEXT://localhost:70000", Err("is not of the form NAME://host:port"));
        check("PLAINTEXT://a/b:1", Err("is not of the form NAME://host:port"));
        check("FOO://:1", Err("No security protocol defined for listener FOO. Add FOO:PLAINTEXT"));
        check("PLAINTEXT://:1,PLAINTEXT://:2", Err("PLAINTEXT comes twice"));
        check("PLAINTEXT://:1,SSL://a:1", Err("Each listener must have a different port"));
    }

    #[test]
    fn wildcards_are_known_in_every_form() {
        let protocols = parse_protocol_map("PLAINTEXT:PLAINTEXT").unwrap();
        for (text, wildcard) in [("", true), ("0.0.0.0", true), ("[::]", true), ("127.0.0.1", false), ("host", false)] {
            let entry = [format!("PLAINTEXT://{text}:1")];
            assert_eq!(
                parse_listeners("listeners", &entry, &protocols, true).unwrap()[0].is_wildcard(),
                wildcard,
                "{text}"
            );
        }
    }
}
