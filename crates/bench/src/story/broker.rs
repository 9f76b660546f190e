//! A broker of the suite's own, started the way that the harness says (`COMPAT_START`), so that it can be restarted.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Members that vanish are missed within seconds.
const OPTIONS: &[&str] = &[
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "group.consumer.min.session.timeout.ms=1000",
    "group.consumer.session.timeout.ms=6000",
    "group.consumer.min.heartbeat.interval.ms=100",
    "group.consumer.heartbeat.interval.ms=300",
    "group.consumer.regex.refresh.interval.ms=10000",
    "group.share.min.heartbeat.interval.ms=100",
    "group.share.heartbeat.interval.ms=300",
    "group.share.min.record.lock.duration.ms=1000",
    "offsets.topic.num.partitions=5",
    "transaction.state.log.num.partitions=5",
];

pub(crate) struct Broker {
    pub(crate) address: String,
    process: Option<(Child, Vec<String>)>,
}

type Failure = Box<dyn std::error::Error>;

impl Broker {
    /// One that somebody else runs.
    pub(crate) fn elsewhere(address: String) -> Broker {
        Broker { address, process: None }
    }

    pub(crate) fn start() -> Result<Broker, Failure> {
        let words: Vec<String> = serde_json::from_str(&std::env::var("COMPAT_START")?)?;
        let work = std::env::var("COMPAT_WORK")?;
        let options = OPTIONS.iter().flat_map(|option| ["-o".to_string(), option.to_string()]);
        let words: Vec<String> =
            words.into_iter().chain(["--data-dir".to_string(), format!("{work}/data")]).chain(options).collect();
        let (child, address) = spawn(&words, 0)?;
        Ok(Broker { address, process: Some((child, words)) })
    }

    pub(crate) fn can_restart(&self) -> bool {
        self.process.is_some()
    }

    /// Kills it and starts it again at the same address and with the same data.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        let (child, words) = self.process.as_mut().ok_or("it is somebody else's")?;
        child.kill()?;
        child.wait()?;
        let port = self.address.rsplit(':').next().unwrap_or_default().parse()?;
        let (again, address) = spawn(words, port)?;
        assert_eq!(address, self.address, "it has its port again");
        *child = again;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.process {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The broker and its address, which stands in the first line that it prints.
fn spawn(words: &[String], port: u16) -> Result<(Child, String), Failure> {
    let (program, arguments) = words.split_first().ok_or("COMPAT_START is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).args(["--port", &port.to_string()]).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut line = String::new();
    output.read_line(&mut line)?;
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    let is_address = |word: &&str| word.parse::<std::net::SocketAddr>().is_ok();
    let address = line.split(|c: char| c.is_whitespace() || c == ',').find(is_address);
    let address = address.ok_or_else(|| format!("no address in {line:?}"))?.to_string();
    Ok((child, address))
}
