//! `cargo xtask tidy`: the house rules that a compiler does not check.
//!
//! Rules about the dependency graph read `cargo metadata`; rules about source text read every file that git
//! knows or would know. Each rule is one case; a broken rule names each place.

mod configs;
mod dependencies;
mod forbidden;
mod layers;
mod licences;
mod quoted;
mod scan;
mod sizes;
mod sources;

use anyhow::Result;
use cargo_metadata::{Metadata, MetadataCommand};

use crate::paths;
use crate::tally::Tally;

/// What one rule found.
#[derive(Default)]
struct Verdict {
    /// `place: reason` for each violation.
    broken: Vec<String>,
    /// Worth a look, no failure.
    notes: Vec<String>,
}

/// The command.
pub(crate) fn run() -> Result<()> {
    let tally = check()?;
    tally.print_summary();
    tally.into_result()
}

/// Checks every rule.
pub(crate) fn check() -> Result<Tally> {
    let metadata = metadata()?;
    let files = sources::files(&paths::root())?;
    let rules: Vec<(&str, Verdict)> = vec![
        ("layers", layers::check(&metadata)),
        ("licences", licences::check(&metadata)),
        ("duplicate-versions", dependencies::duplicates(&metadata)),
        ("one-tls-provider", dependencies::tls(&metadata)),
        ("readme-in-each-crate", sources::readmes(&metadata)),
        ("file-size", sizes::files(&files)),
        ("function-size", sizes::functions(&files)),
        ("forbidden-calls", forbidden::calls(&files)),
        ("unfinished-code", forbidden::unfinished(&files)),
        ("config-effects", configs::effects(&files)),
        ("quoted-files", quoted::check(&files)),
        ("generated-docs", generated_docs()),
        ("machine-paths", sources::machine_paths(&files)),
        ("lock-file-hosts", sources::lock_file_hosts(&files)),
    ];
    let mut tally = Tally::default();
    for (rule, verdict) in rules {
        tally.findings.extend(verdict.notes.iter().map(|note| format!("tidy/{rule}: {note}")));
        if verdict.broken.is_empty() {
            tally.passed += 1;
        }
        tally.failures.extend(verdict.broken.iter().map(|place| format!("tidy/{rule}: {place}")));
    }
    Ok(tally)
}

/// Pages that are made from declarations say what these say.
fn generated_docs() -> Verdict {
    let broken = crate::docs::stale().into_iter().map(|path| format!("{path} is stale: run `cargo xtask docs`"));
    Verdict { broken: broken.collect(), notes: Vec::new() }
}

fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(paths::root().join("Cargo.toml"));
    // Packages of other operating systems are never built here.
    command.other_options(vec![format!("--filter-platform={}-unknown-linux-gnu", std::env::consts::ARCH)]);
    Ok(command.exec()?)
}
