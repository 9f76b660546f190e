//! The virtual environment that the Python suites run in.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Workshop, cached, run};
use crate::paths;

/// Path of the environment's `python`.
pub(super) fn environment(workshop: &mut Workshop) -> Result<PathBuf> {
    let python = workshop.debian("python3", "python3")?;
    let file = paths::root().join("compat/python/requirements.txt");
    let requirements = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let version = Command::new(&python).arg("--version").output()?.stdout;
    let dir = cached("python", &[&requirements, &version], |dir| {
        if run(Command::new(&python).args(["-m", "venv"]).arg(dir)).is_err() {
            // Debian keeps this module in a package of its own.
            super::debian::install(workshop, "python3-venv")?;
            run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(dir))?;
        }
        run(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "--requirement"]).arg(&file))
    })?;
    Ok(dir.join("bin/python"))
}
