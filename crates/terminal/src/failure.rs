//! How a command ends when it fails: cause and next step on stderr, and an exit code that scripts can rely on.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | refused or failed; the line says why |
//! | 2 | the command line is wrong |
//! | 3 | no Kafka broker was reached |
//! | 4 | what was named does not exist |

use crate::colour;
use ottla_client::{ClientError, ConnectFailure};
use std::process::ExitCode;

/// A failed command.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What went wrong; empty if that was said already.
    pub cause: String,
    /// What to do about it, where there is something to advise.
    pub next_step: Option<String>,
}

impl Failure {
    /// It was refused, or failed.
    pub const REFUSED: u8 = 1;
    /// The command line is wrong, which shows only when it is looked at closely.
    pub const USAGE: u8 = 2;
    /// No Kafka broker was reached.
    pub const UNREACHABLE: u8 = 3;
    /// What was named does not exist.
    pub const NOT_FOUND: u8 = 4;

    /// A failure with nothing better to say than its cause.
    pub fn new(cause: impl Into<String>) -> Failure {
        Failure { code: Failure::REFUSED, cause: cause.into(), next_step: None }
    }

    /// A failure that was said already; exit code 1.
    pub fn said() -> Failure {
        Failure::new("")
    }

    /// The same with what to do about it.
    pub fn then(self, next_step: impl Into<String>) -> Failure {
        Failure { next_step: Some(next_step.into()), ..self }
    }

    /// Something that does not exist, with the most similar name that does, or else with `otherwise` to do.
    pub fn unknown(what: &str, name: &str, existing: &[String], otherwise: &str) -> Failure {
        let next_step = match nearest(name, existing) {
            Some(nearest) => format!("did you mean '{nearest}'?"),
            None => otherwise.to_string(),
        };
        Failure { code: Failure::NOT_FOUND, cause: format!("{what} does not exist"), next_step: Some(next_step) }
    }

    /// A topic that does not exist, with the most similar one that does.
    pub fn unknown_topic(name: &str, existing: &[String]) -> Failure {
        let next_step = match nearest(name, existing) {
            Some(nearest) => format!("did you mean '{nearest}'?"),
            None if existing.is_empty() => {
                "there are no topics yet; make one with `ottla topic create NAME`".to_string()
            }
            None => "see `ottla topic list`".to_string(),
        };
        let cause = format!("topic '{name}' does not exist");
        Failure { code: Failure::NOT_FOUND, cause, next_step: Some(next_step) }
    }

    /// Says it on stderr.
    pub fn report(&self) -> ExitCode {
        if self.cause.is_empty() {
            return ExitCode::from(self.code);
        }
        eprintln!("{} {}", colour::err(colour::BAD, "error:"), self.cause);
        if let Some(next_step) = &self.next_step {
            eprintln!("{} {next_step}", colour::err(colour::ADVICE, "next step:"));
        }
        ExitCode::from(self.code)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::new(format!("{error:#}"))
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let code = match &error {
            ClientError::Connect { .. } | ClientError::NotKafka { .. } | ClientError::NoBrokers { .. } => {
                Failure::UNREACHABLE
            }
            _ if error.is_unknown_topic() => Failure::NOT_FOUND,
            _ => Failure::REFUSED,
        };
        Failure { code, cause: error.to_string(), next_step: next_step(&error).map(str::to_string) }
    }
}

fn next_step(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Connect { failure: ConnectFailure::Refused, .. } => Some(
            "start a node there with `ottla serve`, or name the right address with --bootstrap-server or OTTLA_BOOTSTRAP",
        ),
        ClientError::Connect { failure: ConnectFailure::Advertised { .. }, .. } => Some(
            "set advertised.listeners of that broker to an address that this machine can reach, or reach the cluster from where \
             that address works",
        ),
        ClientError::Connect { failure: ConnectFailure::UnknownHost(_), .. } => {
            Some("check the host name in --bootstrap-server or OTTLA_BOOTSTRAP")
        }
        ClientError::Connect { .. } => {
            Some("check the address, and that no firewall is between this machine and the broker")
        }
        ClientError::NotKafka { found, .. } if found.contains("TLS") => {
            Some("this command speaks plaintext and that port speaks TLS: name a PLAINTEXT listener of the broker")
        }
        ClientError::NotKafka { found, .. } if found.contains("HTTP") => {
            Some("that port belongs to a web server: name the port of a Kafka listener, by default 9092")
        }
        ClientError::NotKafka { .. } => Some("name a port where a Kafka broker listens; the default is 9092"),
        ClientError::NoBrokers { .. } => Some("check that a broker runs at one of these addresses"),
        ClientError::Disconnected { .. } => {
            Some("look into the broker's log; then check whether it was done, and try again if not")
        }
        ClientError::Timeout { .. } => {
            Some("check whether it was done, and try again if not; the broker may be overloaded")
        }
        ClientError::NoCommonVersion { .. } => Some("this broker is too old or too new for this command"),
        ClientError::TransactionFatal { .. } if error.is_fenced() => {
            Some("another producer uses this transactional id now; give each producer one of its own")
        }
        ClientError::Broker { .. }
        | ClientError::Aborted
        | ClientError::TransactionAbortable { .. }
        | ClientError::TransactionFatal { .. }
        | ClientError::Unreadable { .. }
        | ClientError::Undelivered { .. }
        | ClientError::Closed(_)
        | ClientError::Wakeup
        | ClientError::CorruptRecords { .. }
        | ClientError::NoOffset { .. }
        | ClientError::LogTruncated { .. }
        | ClientError::Invalid(_) => None,
    }
}

/// The name that is most like `name`, when one is like enough to be worth a suggestion.
fn nearest<'a>(name: &str, existing: &'a [String]) -> Option<&'a String> {
    const LIKENESS_MIN: f64 = 0.8;
    let likeness = existing.iter().map(|other| (strsim::jaro_winkler(name, other), other));
    likeness.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_topic_gets_a_suggestion() {
        let existing = ["orders", "payments"].map(str::to_string);
        let step = |name: &str| Failure::unknown_topic(name, &existing).next_step.unwrap();
        assert_eq!(step("order"), "did you mean 'orders'?");
        assert_eq!(step("zzz"), "see `ottla topic list`");
        assert!(Failure::unknown_topic("a", &[]).next_step.unwrap().contains("no topics yet"));
    }

    #[test]
    fn an_unreachable_broker_has_its_own_exit_code_and_a_next_step() {
        let refused = ClientError::Connect { address: "h:1".to_string(), failure: ConnectFailure::Refused };
        let failure = Failure::from(refused);
        assert_eq!((failure.code, failure.cause.as_str()), (3, "cannot connect to h:1: connection refused"));
        assert!(failure.next_step.unwrap().contains("ottla serve"));
    }
}
