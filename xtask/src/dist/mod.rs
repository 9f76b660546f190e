//! `cargo xtask dist`: what users install. A stripped binary with a known glibc floor, a deb, an rpm, the file system of a
//! container image; with man pages and shell completions out of the binary's own command tree.
//!
//! The binary is built and stripped, its glibc floor measured; then `root/` is staged: every file where it is installed;
//! then the packages are made of it, the image of its binary and the libraries that it needs; at last everything is tried:
//! the deb is installed into an empty root, and broker and image are started in a chroot and asked.
//!
//! `cargo xtask test` does all of it with the development binary.

mod elf;
mod image;
mod packages;
mod stage;
mod trial;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::prepare::{Need, Workshop};
use crate::tally::Tally;
use crate::test::cargo;
use elf::GLIBC_FLOOR;
use stage::Stage;

/// What packages are made with: `(command, Debian package)`.
const TOOLS: &[Need] = &[
    Need::Debian { command: "strip", package: "binutils" },
    Need::Debian { command: "readelf", package: "binutils" },
    Need::Debian { command: "dpkg-deb", package: "dpkg" },
    Need::Debian { command: "rpmbuild", package: "rpm" },
    Need::Debian { command: "unshare", package: "util-linux" },
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The cargo profile of the binary.
    #[arg(long, default_value = "dist")]
    profile: String,
    /// A binary that is built already.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Where the results go, emptied before.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// How much work goes into compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// For who downloads it.
    Small,
    /// For who only looks at it.
    Quick,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<()> {
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => cargo::build("ottla-cli", "ottla", &args.profile)?,
    };
    let out = match &args.out {
        Some(out) => std::path::absolute(out)?,
        None => cargo::target_dir()?.join("dist"),
    };
    let tally = make(&binary, &out, Effort::Small, &mut Workshop::default())?;
    for file in results(&out)? {
        println!("dist     {:>12} bytes  {}", std::fs::metadata(&file)?.len(), file.display());
    }
    tally.print_summary();
    tally.into_result()
}

/// The step of `cargo xtask test`.
pub(crate) fn step(workshop: &mut Workshop) -> Result<Tally> {
    let out = crate::paths::cache()?.join(format!("dist-{}", std::process::id()));
    let tally = make(&cargo::ottla_program()?, &out, Effort::Quick, workshop);
    std::fs::remove_dir_all(&out).ok();
    tally
}

/// Makes everything in `out` and tries it; each trial is a case.
fn make(binary: &Path, out: &Path, effort: Effort, workshop: &mut Workshop) -> Result<Tally> {
    for tool in TOOLS {
        workshop.get(*tool)?;
    }
    if out.exists() {
        std::fs::remove_dir_all(out).with_context(|| format!("emptying {}", out.display()))?;
    }
    std::fs::create_dir_all(out)?;
    let stripped = out.join("ottla");
    call(Command::new("strip").arg("--strip-all").arg("-o").arg(&stripped).arg(binary))?;
    let floor = elf::glibc_floor(&stripped)?;
    println!("dist     needs glibc {}.{}, at most {}.{} is promised", floor.0, floor.1, GLIBC_FLOOR.0, GLIBC_FLOOR.1);
    ensure!(
        floor <= GLIBC_FLOOR,
        "the binary needs glibc {}.{}: build it on an older system, or raise GLIBC_FLOOR in xtask/src/dist/elf.rs and \
         docs/install.md",
        floor.0,
        floor.1
    );
    let stage = Stage::fill(&stripped, out)?;
    let deb = packages::deb(&stage, out, effort)?;
    let rpm = packages::rpm(&stage, out, effort)?;
    let rootfs = image::assemble(&stripped, out)?;
    Ok(trial::all(&stage, &deb, &rpm, &rootfs, out))
}

/// The files that are handed out.
fn results(out: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(out)? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Runs a command and returns what it printed; the error holds what it complained about.
fn call(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("starting {shown}"))?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " | ");
        bail!("{shown} ended with {}: {told}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
