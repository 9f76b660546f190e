//! Posting to a collector: one short HTTP/1.1 exchange at a time.

use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long one export may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the collector's answer only the beginning is read.
const REPLY_BYTES_MAX: u64 = 4096;

/// The endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "OpenTelemetry's endpoint '{0}' cannot be used. Next step: name a collector as http://host:port; TLS is left to an agent \
     on this machine"
)]
pub struct EndpointError(String);

/// Where metrics go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    address: String,
    path: String,
}

impl Endpoint {
    pub(super) fn parse(url: &str) -> Result<Endpoint, EndpointError> {
        let error = || EndpointError(url.to_string());
        let rest = url.strip_prefix("http://").ok_or_else(error)?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let sane = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        if !sane(authority) || !sane(path) || authority.contains('@') {
            return Err(error());
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { authority.to_string() } else { format!("{authority}:80") };
        Ok(Endpoint { address, path: path.to_string() })
    }

    /// Posts JSON; the error says what the collector or the network had against it.
    pub(super) async fn post(&self, body: &str) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.exchange(body)).await {
            Ok(Ok(reply)) => judge(&reply),
            Ok(Err(error)) => Err(format!("{}: {error}", self.address)),
            Err(_) => Err(format!("{} did not answer within {PATIENCE:?}", self.address)),
        }
    }

    async fn exchange(&self, body: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect(&self.address).await?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.path,
            self.address,
            body.len()
        );
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(body.as_bytes()).await?;
        let mut reply = Vec::new();
        connection.take(REPLY_BYTES_MAX).read_to_end(&mut reply).await?;
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }
}

fn judge(reply: &str) -> Result<(), String> {
    let status = reply.split_whitespace().nth(1).unwrap_or_default();
    match status.starts_with('2') {
        true => Ok(()),
        false => Err(format!("the collector answered: {}", reply.lines().next().unwrap_or("nothing"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parsed = |url: &str| Endpoint::parse(url).map(|endpoint| (endpoint.address, endpoint.path));
        let pair = |address: &str, path: &str| Ok((address.to_string(), path.to_string()));
        assert_eq!(parsed("http://h:4318/v1/metrics"), pair("h:4318", "/v1/metrics"));
        assert_eq!(parsed("http://[::1]:4318"), pair("[::1]:4318", "/"));
        assert_eq!(parsed("http://h/x"), pair("h:80", "/x"));
        for url in ["https://h:4318", "h:4318", "http://", "http://h/a b", "http://user@h:1/"] {
            assert!(parsed(url).is_err(), "{url}");
        }
    }

    #[test]
    fn only_a_status_of_success_is_one() {
        assert_eq!(judge("HTTP/1.1 200 OK\r\n\r\n{}"), Ok(()));
        assert!(judge("HTTP/1.1 400 Bad Request\r\n\r\n").unwrap_err().contains("400 Bad Request"));
        assert!(judge("").is_err());
    }
}
