//! Waits until a broker answers: reads its address from its first line, then asks ApiVersions until it replies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const START_LIMIT: Duration = Duration::from_secs(40);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// ApiVersions version 0, correlation id 7, no client id.
const API_VERSIONS_REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

/// Address of a broker just started with its standard output piped.
pub(crate) fn wait(child: &mut Child) -> Result<SocketAddr> {
    let mut output = BufReader::new(child.stdout.take().context("standard output is not piped")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    let address = first_address(&line).with_context(|| format!("no HOST:PORT in the first line: {line:?}"))?;
    // What it prints later must not fill the pipe.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the broker ended while starting: {status}");
        }
        if answers(address).is_ok() {
            return Ok(address);
        }
        ensure!(Instant::now() < deadline, "the broker at {address} did not answer within {START_LIMIT:?}");
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// One ApiVersions round trip.
pub(crate) fn answers(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(&API_VERSIONS_REQUEST)?;
    let mut reply = [0; 10];
    stream.read_exact(&mut reply)?;
    ensure!(reply[4..8] == [0, 0, 0, 7], "another correlation id");
    ensure!(reply[8..10] == [0, 0], "an error code");
    Ok(())
}

/// The first word of `line` that parses as an IPv4 address and port.
fn first_address(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| c.is_whitespace() || c == ',' || c == '/').find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_either_ready_line() {
        let expected = Some("127.0.0.1:9092".parse().unwrap());
        assert_eq!(first_address("ottla ready on 127.0.0.1:9092 in 41 ms\n"), expected);
        assert_eq!(first_address("listening on PLAINTEXT://127.0.0.1:9092, ready"), expected);
        assert_eq!(first_address("no address here"), None);
    }
}
