//! Every text file that git knows or would know, and the rules about files as such.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Metadata;

use super::{Verdict, scan};

/// One text file of the checkout.
pub(super) struct SourceFile {
    /// Relative to the checkout, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Rust only: the text without comments and literals.
    pub(super) code: String,
}

impl SourceFile {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Any programming language, as opposed to prose and data.
    pub(super) fn is_code(&self) -> bool {
        [".rs", ".py", ".java", ".js", ".go", ".sh"].iter().any(|extension| self.path.ends_with(extension))
    }

    pub(super) fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }

    /// The crate's folder name for files under `crates/`.
    pub(super) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Position in `code` from which on it is test code; the whole file counts for test files.
    pub(super) fn tests_start(&self) -> usize {
        let test_file = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        if test_file { 0 } else { self.code.find("#[cfg(test)]").unwrap_or(self.code.len()) }
    }
}

/// Reads all files; binary ones are left out.
pub(super) fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output = Command::new("git").current_dir(root).args(arguments).output().context("starting git")?;
    ensure!(output.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
        let Ok(text) = std::fs::read_to_string(root.join(path)) else { continue };
        let code = if path.ends_with(".rs") { scan::code_only(&text) } else { String::new() };
        files.push(SourceFile { path: path.to_owned(), text, code });
    }
    Ok(files)
}

/// Each crate says what it is for.
pub(super) fn readmes(metadata: &Metadata) -> Verdict {
    let mut verdict = Verdict::default();
    for package in metadata.workspace_packages() {
        let readme = package.manifest_path.with_file_name("README.md");
        if !readme.exists() {
            verdict.broken.push(format!("{} has no README.md", package.name));
        }
    }
    verdict
}

/// Nothing may work only on the machine of whoever wrote it.
pub(super) fn machine_paths(files: &[SourceFile]) -> Verdict {
    // Put together here, so that this file does not break its own rule.
    let forbidden = ["root", "home", "work", "Users"].map(|folder| format!("/{folder}/"));
    let mut verdict = Verdict::default();
    for file in files {
        for (number, line) in file.text.lines().enumerate() {
            for path in &forbidden {
                let starts_there = |at: usize| {
                    line[..at].chars().next_back().is_none_or(|c| !(c.is_alphanumeric() || "._-~}*)/$".contains(c)))
                };
                if line.match_indices(path.as_str()).any(|(at, _)| starts_there(at)) {
                    verdict.broken.push(format!("{}:{} holds {path}", file.path, number + 1));
                }
            }
        }
    }
    verdict
}

/// Lock files name packages and checksums, not the mirror that one machine fetched them from.
pub(super) fn lock_file_hosts(files: &[SourceFile]) -> Verdict {
    let mut verdict = Verdict::default();
    for file in files.iter().filter(|file| file.path.ends_with("package-lock.json")) {
        if file.text.contains("\"resolved\"") {
            verdict.broken.push(format!("{} holds \"resolved\" fields; strip them", file.path));
        }
    }
    verdict
}
