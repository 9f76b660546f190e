//! Programs with librdkafka, compiled once from a folder of their own and its lock file. They are no members of the
//! workspace, so that nothing of ottla can come to depend on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Workshop, cached, contents, files_below, run};
use crate::paths;

/// A program that uses librdkafka.
pub(super) struct Program {
    /// Below the root of the checkout.
    folder: &'static str,
    /// What cargo calls it.
    name: &'static str,
    /// What it is called in the cache, and its compiled dependencies.
    kept_as: &'static str,
    target: &'static str,
    is_release: bool,
}

/// The Rust suite.
pub(super) const SUITE: Program = Program {
    folder: "compat/rdkafka",
    name: "ottla-compat-rdkafka",
    kept_as: "rdkafka-suite",
    target: "rdkafka-target",
    is_release: false,
};
/// What our client is compared with.
pub(super) const BENCH: Program = Program {
    folder: "bench/librdkafka",
    name: "ottla-bench-librdkafka",
    kept_as: "rdkafka-bench",
    target: "rdkafka-bench-target",
    is_release: true,
};

impl Program {
    /// Path of the compiled program.
    pub(super) fn get(&self, workshop: &mut Workshop) -> Result<PathBuf> {
        workshop.debian("cc", "gcc")?;
        workshop.debian("c++", "g++")?;
        workshop.debian("make", "make")?;
        let source = paths::root().join(self.folder);
        let libraries = contents(&[source.join("Cargo.toml"), source.join("Cargo.lock")])?;
        let libraries: Vec<&[u8]> = libraries.iter().map(Vec::as_slice).collect();
        // The compiled dependencies stay while only the program changes: librdkafka takes minutes.
        let target = cached(self.target, &libraries, |_| Ok(()))?;
        let sources = contents(&files_below(&source.join("src"), &[".rs"])?)?;
        let inputs: Vec<&[u8]> = libraries.iter().copied().chain(sources.iter().map(Vec::as_slice)).collect();
        let (profile, flag) = if self.is_release { ("release", Some("--release")) } else { ("debug", None) };
        let dir = cached(self.kept_as, &inputs, |dir| {
            run(Command::new(crate::test::cargo::cargo_program())
                .current_dir(&source)
                .args(["build", "--quiet", "--locked", "--target-dir"])
                .arg(&target)
                .args(flag))?;
            std::fs::copy(target.join(profile).join(self.name), dir.join("program"))?;
            Ok(())
        })?;
        Ok(dir.join("program"))
    }
}
