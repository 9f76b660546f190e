//! The Rust suite with librdkafka, compiled once from `compat/rdkafka` and its lock file. It is no member of the
//! workspace, so that nothing of ottla can come to depend on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Workshop, cached, contents, files_below, run};
use crate::paths;

/// Path of the compiled program.
pub(super) fn program(workshop: &mut Workshop) -> Result<PathBuf> {
    workshop.debian("cc", "gcc")?;
    workshop.debian("c++", "g++")?;
    workshop.debian("make", "make")?;
    let source = paths::root().join("compat/rdkafka");
    let libraries = contents(&[source.join("Cargo.toml"), source.join("Cargo.lock")])?;
    let libraries: Vec<&[u8]> = libraries.iter().map(Vec::as_slice).collect();
    // The compiled dependencies stay while only the suite changes: librdkafka takes minutes.
    let target = cached("rdkafka-target", &libraries, |_| Ok(()))?;
    let sources = contents(&files_below(&source.join("src"), &[".rs"])?)?;
    let inputs: Vec<&[u8]> = libraries.iter().copied().chain(sources.iter().map(Vec::as_slice)).collect();
    let dir = cached("rdkafka", &inputs, |dir| {
        run(Command::new(crate::test::cargo::cargo_program())
            .current_dir(&source)
            .args(["build", "--quiet", "--locked", "--target-dir"])
            .arg(&target))?;
        std::fs::copy(target.join("debug/ottla-compat-rdkafka"), dir.join("suite"))?;
        Ok(())
    })?;
    Ok(dir.join("suite"))
}
