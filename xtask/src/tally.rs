//! What every step of the suite adds up to: cases passed and failed, failures by name, what was left out.

use std::fmt;

/// Counts of one step or of the whole run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    /// `name: reason`, one for each failed case.
    pub(crate) failures: Vec<String>,
    /// Differences between peers and other facts worth reading; no failures.
    pub(crate) findings: Vec<String>,
    /// Names that `--skip` left out.
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    /// So many passed cases.
    pub(crate) fn passed(count: usize) -> Tally {
        Tally { passed: count, ..Tally::default() }
    }

    /// One failed case.
    pub(crate) fn one_failed(name: &str, reason: &str) -> Tally {
        Tally { failures: vec![format!("{name}: {reason}")], ..Tally::default() }
    }

    /// Takes over the counts of `other`.
    pub(crate) fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
        self.findings.extend(other.findings);
        self.skipped.extend(other.skipped);
    }

    /// Prints failures, findings and what was left out, then the closing line that continuous integration reads.
    pub(crate) fn print_summary(&self) {
        println!();
        for finding in &self.findings {
            println!("finding  {finding}");
        }
        for name in &self.skipped {
            println!("skipped  {name}");
        }
        for failure in &self.failures {
            println!("failed   {failure}");
        }
        println!("{self}");
    }

    /// Error when anything failed, so that the exit code says so.
    pub(crate) fn into_result(self) -> anyhow::Result<()> {
        anyhow::ensure!(self.failures.is_empty(), "{} failed", self.failures.len());
        anyhow::ensure!(self.passed > 0 || !self.skipped.is_empty(), "no test was executed");
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failures.len())?;
        if !self.skipped.is_empty() {
            write!(f, ", {} skipped", self.skipped.len())?;
        }
        Ok(())
    }
}
