//! Input that no Kafka client sends, and what to tell the operator about it.
//!
//! Whatever arrives on a port that the world can reach ends one connection and writes one line that names what came
//! and what to do about it.

use ottla_protocol::ApiKey;

/// Why bytes could not be taken as a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error(
        "a TLS handshake arrived on a listener without TLS: set security.protocol=PLAINTEXT in the client, \
         or connect to a TLS listener"
    )]
    TlsHandshake,
    #[error(
        "an HTTP request ({0}...) arrived on a Kafka listener: this port speaks the Kafka protocol; \
         point the browser, scraper or health check at another port, or use a TCP check"
    )]
    Http(&'static str),
    #[error("{0} arrived on a Kafka listener: this port speaks the Kafka protocol; connect with a Kafka client")]
    Foreign(&'static str),
    #[error("a frame of negative size {0} arrived: the client does not speak the Kafka protocol")]
    NegativeSize(i32),
    #[error(
        "a frame of {size} bytes is announced, but socket.request.max.bytes is {largest}: if a Kafka client sent it, \
         lower its max.request.size or raise socket.request.max.bytes"
    )]
    Oversized { size: u32, largest: u32 },
    #[error("a frame of {0} bytes is too short for a request header: the client does not speak the Kafka protocol")]
    TooShort(usize),
    #[error("the header of a {api} request cannot be read ({reason}): the client is broken or bytes were damaged")]
    Header { api: &'static str, reason: String },
    #[error("unknown API key {0}: the client is newer than this node, or does not speak the Kafka protocol")]
    UnknownApiKey(i16),
    #[error("API key {0} was removed in Apache Kafka 4.0: a broker or tool of an older Kafka tries to connect")]
    RemovedApiKey(i16),
    #[error("{api} version {version} is not supported (supported: {min} to {max}): {advice}")]
    UnsupportedVersion { api: &'static str, version: i16, min: i16, max: i16, advice: &'static str },
    #[error("{} is not served on this listener: connect to another listener of the node", .0.name())]
    NotServedHere(ApiKey),
    #[error("the connection ended inside a frame: {received} bytes{} had arrived", of_announced(.announced))]
    EndedInsideFrame { received: usize, announced: Option<usize> },
}

fn of_announced(announced: &Option<usize>) -> String {
    announced.map(|size| format!(" of {size}")).unwrap_or_default()
}

/// First bytes by which foreign protocols are known. Read as a size, each is above a gigabyte or negative.
const FOREIGN: &[([u8; 4], Malformed)] = &[
    (*b"GET ", Malformed::Http("GET")),
    (*b"POST", Malformed::Http("POST")),
    (*b"PUT ", Malformed::Http("PUT")),
    (*b"HEAD", Malformed::Http("HEAD")),
    (*b"DELE", Malformed::Http("DELETE")),
    (*b"OPTI", Malformed::Http("OPTIONS")),
    (*b"PATC", Malformed::Http("PATCH")),
    (*b"CONN", Malformed::Http("CONNECT")),
    (*b"PRI ", Malformed::Http("HTTP/2")),
    (*b"SSH-", Malformed::Foreign("an SSH client")),
    (*b"ruok", Malformed::Foreign("a ZooKeeper command (ruok)")),
    (*b"stat", Malformed::Foreign("a ZooKeeper command (stat)")),
    (*b"srvr", Malformed::Foreign("a ZooKeeper command (srvr)")),
    (*b"PROX", Malformed::Foreign("a PROXY protocol header (from a load balancer that must not send one)")),
    (
        [0x0d, 0x0a, 0x0d, 0x0a],
        Malformed::Foreign("a PROXY protocol header (from a load balancer that must not send one)"),
    ),
];

impl Malformed {
    /// Names what begins with `prefix`, which as a size is negative or above `largest`.
    pub(crate) fn from_prefix(prefix: [u8; 4], largest: usize) -> Malformed {
        if prefix[0] == 0x16 && prefix[1] == 0x03 {
            return Malformed::TlsHandshake;
        }
        if let Some((_, known)) = FOREIGN.iter().find(|(start, _)| *start == prefix) {
            return known.clone();
        }
        if prefix.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) {
            return Malformed::Foreign("text");
        }
        let size = i32::from_be_bytes(prefix);
        match u32::try_from(size) {
            Ok(size) => Malformed::Oversized { size, largest: u32::try_from(largest).unwrap_or(u32::MAX) },
            Err(_) => Malformed::NegativeSize(size),
        }
    }

    /// Whether nobody is left to answer.
    pub(crate) fn peer_is_gone(&self) -> bool {
        matches!(self, Malformed::EndedInsideFrame { .. })
    }

    /// What to say about an API key that is not in the table.
    pub(crate) fn from_unknown_key(key: i16) -> Malformed {
        // LeaderAndIsr, StopReplica, UpdateMetadata, ControlledShutdown.
        if (4..=7).contains(&key) { Malformed::RemovedApiKey(key) } else { Malformed::UnknownApiKey(key) }
    }

    /// What to say about a version outside `min..=max`.
    pub(crate) fn from_version(api: ApiKey, version: i16, min: i16, max: i16) -> Malformed {
        let advice = if version < min {
            "the client is too old; use one of Apache Kafka 2.1 or later"
        } else {
            "the client must use a version that ApiVersions advertises"
        };
        Malformed::UnsupportedVersion { api: api.name(), version, min, max, advice }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_protocols_are_named_by_their_first_bytes() {
        let cases: &[(&[u8; 4], &str)] = &[
            (&[0x16, 0x03, 0x01, 0x02], "TLS"),
            (b"GET ", "HTTP"),
            (b"PRI ", "HTTP/2"),
            (b"SSH-", "SSH"),
            (b"helo", "text arrived"),
            (&[0xff, 0xff, 0xff, 0xff], "negative size -1"),
            (&[0x7f, 0, 0, 1], "socket.request.max.bytes is 1000"),
        ];
        for (prefix, expected) in cases {
            let text = Malformed::from_prefix(**prefix, 1000).to_string();
            assert!(text.contains(expected), "{prefix:?}: {text}");
        }
    }

    #[test]
    fn every_known_start_is_larger_than_any_sensible_frame() {
        for (start, _) in FOREIGN {
            let size = i32::from_be_bytes(*start);
            assert!(!(0..=200_000_000).contains(&size), "{start:?} is the plausible size {size}");
        }
    }
}
