//! What a suite is, and how the lines that it prints are read.

use crate::prepare::Need;
use crate::tally::Tally;

/// One black-box suite: a program in some language under `compat/`.
pub(crate) struct Suite {
    /// Name for `--only` and `--skip`.
    pub(crate) name: &'static str,
    /// What must be there before it runs.
    pub(crate) needs: &'static [Need],
    pub(crate) program: Program,
    pub(crate) broker: Broker,
    /// After this the suite is ended and counts as failed; seconds, for the short and the long form.
    pub(crate) limit_seconds: (u64, u64),
}

/// How the suite is started.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// A script under `compat/`, run by the prepared Python.
    Python(&'static str),
    /// A main class of one of the Java folders.
    Java(&'static str),
    /// A script under `compat/`, run by Node.
    Node(&'static str),
    /// A compiled program of `compat/go`.
    Go(&'static str),
    /// The compiled program of `compat/rdkafka`.
    Rdkafka,
    /// Our own client: the program `rust-client` of `ottla-bench`.
    RustClient,
}

/// Which broker the suite talks to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broker {
    /// One broker that the suites use one after another, each with topics of its own.
    Shared,
    /// The suite starts, kills and restarts its own.
    Own,
    /// The suite starts the `ottla` program in ways that Kafka has not; it is left out against Kafka.
    OttlaOnly,
}

/// Reads the lines of one suite as they come.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) tally: Tally,
}

impl Reader {
    /// Takes one line; true when it was a case or a finding.
    pub(crate) fn line(&mut self, suite: &str, line: &str) -> bool {
        if line.starts_with("ok ") {
            self.tally.passed += 1;
        } else if let Some(failure) = line.strip_prefix("not ok ") {
            self.tally.failures.push(format!("{suite}/{failure}"));
        } else if let Some(finding) = line.strip_prefix("finding ") {
            self.tally.findings.push(format!("{suite}/{finding}"));
        } else {
            return false;
        }
        true
    }

    /// Adds what only the end shows: a bad exit code without a failed case, or no case at all.
    pub(crate) fn finish(mut self, suite: &str, end: Result<(), String>) -> Tally {
        if let Err(reason) = end {
            if self.tally.failures.is_empty() {
                self.tally.failures.push(format!("{suite}/exit: {reason}"));
            }
        } else if self.tally.passed == 0 && self.tally.failures.is_empty() {
            self.tally.failures.push(format!("{suite}/cases: printed no case"));
        }
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_findings_and_noise_are_told_apart() {
        let mut reader = Reader::default();
        assert!(reader.line("java", "ok producer_gzip"));
        assert!(reader.line("java", "not ok seek: offset 3 instead of 4"));
        assert!(reader.line("java", "finding listing: order differs"));
        assert!(!reader.line("java", "okay, some log line"));
        let tally = reader.finish("java", Err("exit status: 1".to_owned()));
        assert_eq!(tally.passed, 1);
        assert_eq!(tally.failures, ["java/seek: offset 3 instead of 4"]);
        assert_eq!(tally.findings, ["java/listing: order differs"]);
    }

    #[test]
    fn a_suite_without_cases_or_with_a_bad_exit_code_fails() {
        assert_eq!(Reader::default().finish("kcat", Ok(())).failures, ["kcat/cases: printed no case"]);
        let mut reader = Reader::default();
        reader.line("kcat", "ok one");
        assert_eq!(reader.finish("kcat", Err("signal 9".to_owned())).failures, ["kcat/exit: signal 9"]);
    }
}
