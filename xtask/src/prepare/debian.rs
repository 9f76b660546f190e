//! Commands that come as Debian packages; installed only where we are root and they are missing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Workshop, on_path, run};

/// Path of `name`, after installing `package` if need be.
pub(super) fn command(workshop: &mut Workshop, name: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = find(name) {
        return Ok(path);
    }
    install(workshop, package).with_context(|| format!("the command {name} is missing"))?;
    find(name).with_context(|| format!("{package} is installed, but {name} is not there"))
}

/// Path of the header `file` below `/usr/include`, after installing `package` if need be.
pub(super) fn header(workshop: &mut Workshop, file: &str, package: &str) -> Result<PathBuf> {
    let path = PathBuf::from("/usr/include").join(file);
    if !path.is_file() {
        install(workshop, package).with_context(|| format!("the header {file} is missing"))?;
    }
    path.is_file().then_some(path).with_context(|| format!("{package} is installed, but {file} is not there"))
}

/// Installs one package, where we may.
pub(super) fn install(workshop: &mut Workshop, package: &str) -> Result<()> {
    if !rustix::process::geteuid().is_root() || on_path("apt-get").is_none() {
        bail!("install the Debian package {package} (only root on Debian does it by itself)");
    }
    if !workshop.apt_is_fresh {
        println!("prepare  apt-get update");
        run(Command::new("apt-get").args(["update", "-qq"]))?;
        workshop.apt_is_fresh = true;
    }
    println!("prepare  apt-get install {package}");
    let arguments = ["install", "-y", "-qq", "--no-install-recommends", package];
    run(Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(arguments))
}

fn find(name: &str) -> Option<PathBuf> {
    on_path(name).or_else(|| Some(PathBuf::from("/usr/sbin").join(name)).filter(|path| path.is_file()))
}
