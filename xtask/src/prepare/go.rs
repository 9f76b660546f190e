//! The Go suite, compiled once; its modules come from the checksummed `go.sum`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Workshop, cached, run};
use crate::paths;

/// Path of the compiled program.
pub(super) fn program(workshop: &mut Workshop) -> Result<PathBuf> {
    let go = workshop.debian("go", "golang-go")?;
    let source = paths::root().join("compat/franz-go");
    let mut inputs = Vec::new();
    for name in ["go.mod", "go.sum", "main.go", "cases.go"] {
        inputs.push(std::fs::read(source.join(name)).with_context(|| format!("reading compat/franz-go/{name}"))?);
    }
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let dir = cached("franz-go", &inputs, |dir| {
        run(Command::new(&go)
            .current_dir(&source)
            .args(["build", "-mod=readonly", "-o"])
            .arg(dir.join("suite"))
            .arg("."))
    })?;
    Ok(dir.join("suite"))
}
