//! `ottla doctor`: what is wrong with a configuration file, or with nodes that run, and what to do about it.

mod file;
mod node;

use ottla_client::Client;
use ottla_commands::cluster::{Finding, Severity, render_findings};
use ottla_terminal::cluster::ClusterArgs;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use serde::Serialize;
use std::path::PathBuf;

/// What `ottla doctor` accepts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// A broker config file: it and what it names on this machine are looked at. Without it, the cluster.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One broker config over the file; may be given several times.
    #[arg(short = 'o', long = "override", value_name = "KEY=VALUE", requires = "config")]
    overrides: Vec<String>,
}

/// What the command says.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// What was looked at and found well.
    checked: Vec<String>,
    findings: Vec<Finding>,
}

impl Report {
    fn well(&mut self, what: impl Into<String>) {
        self.checked.push(what.into());
    }

    fn error(&mut self, problem: impl Into<String>, next_step: impl Into<String>) {
        self.find(Severity::Error, problem.into(), next_step.into());
    }

    fn warning(&mut self, problem: impl Into<String>, next_step: impl Into<String>) {
        self.find(Severity::Warning, problem.into(), next_step.into());
    }

    fn find(&mut self, severity: Severity, problem: String, next_step: String) {
        self.findings.push(Finding { severity, problem, next_step });
    }
}

/// Runs `ottla doctor`.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.config {
        Some(config) => crate::log::on_disk(async |runtime| {
            tell(file::examine(&runtime, config, &args.overrides).await?, args.output)
        }),
        None => args.cluster.run(async |client: Client| tell(node::examine(&client).await?, args.output)),
    }
}

fn tell(mut report: Report, output: OutputArgs) -> Result<(), Failure> {
    report.findings.sort_by_key(|finding| finding.severity);
    output.print(&report, render)?;
    match report.findings.iter().filter(|finding| finding.severity == Severity::Error).count() {
        0 => Ok(()),
        1 => Err(Failure::new("1 error was found")),
        count => Err(Failure::new(format!("{count} errors were found"))),
    }
}

fn render(report: &Report) -> String {
    let well: String = report.checked.iter().map(|what| format!("ok: {what}\n")).collect();
    let end = if report.findings.is_empty() { "Nothing is wrong.\n" } else { "" };
    well + &render_findings(&report.findings) + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_stand_behind_what_is_well() {
        let mut report = Report::default();
        report.well("the file is valid");
        assert_eq!(render(&report), "ok: the file is valid\nNothing is wrong.\n");
        report.error("a", "b");
        assert_eq!(render(&report), "ok: the file is valid\nerror: a\n  next step: b\n");
    }
}
