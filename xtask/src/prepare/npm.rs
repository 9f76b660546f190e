//! The npm packages of the KafkaJS suite, exactly as its lock file names them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Workshop, cached, run};
use crate::paths;

/// Path of the folder to use as `NODE_PATH`.
pub(super) fn modules(workshop: &mut Workshop) -> Result<PathBuf> {
    workshop.debian("node", "nodejs")?;
    let npm = workshop.debian("npm", "npm")?;
    let source = paths::root().join("compat/kafkajs");
    let names = ["package.json", "package-lock.json", ".npmrc"];
    let mut files = Vec::new();
    for name in names {
        files.push(std::fs::read(source.join(name)).with_context(|| format!("reading compat/kafkajs/{name}"))?);
    }
    let inputs: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let dir = cached("npm", &inputs, |dir| {
        for (name, content) in names.iter().zip(&files) {
            std::fs::write(dir.join(name), content)?;
        }
        run(Command::new(&npm).current_dir(dir).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
    })?;
    Ok(dir.join("node_modules"))
}
