//! A deb and an rpm of the staged files, made by the distributions' own tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::elf::GLIBC_FLOOR;
use super::stage::{Stage, install};
use super::{Effort, call};
use crate::paths;

/// `(Rust's name, Debian's, RPM's)` of the processors that ottla is built for.
const PROCESSORS: &[(&str, &str, &str)] = &[("x86_64", "amd64", "x86_64"), ("aarch64", "arm64", "aarch64")];
/// A file that an administrator changes and an update keeps.
const CONFIG: &str = "/etc/ottla/server.properties";

fn processor() -> Result<(&'static str, &'static str)> {
    let here = std::env::consts::ARCH;
    let found = PROCESSORS.iter().find(|(rust, ..)| *rust == here);
    found.map(|(_, deb, rpm)| (*deb, *rpm)).with_context(|| format!("no packages are made for {here}"))
}

/// Makes `ottla_VERSION_ARCH.deb`.
pub(super) fn deb(stage: &Stage, out: &Path, effort: Effort) -> Result<PathBuf> {
    let (processor, _) = processor()?;
    let tree = out.join("deb");
    call(Command::new("cp").arg("-a").arg(&stage.root).arg(&tree))?;
    let control = tree.join("DEBIAN");
    std::fs::create_dir_all(&control)?;
    for script in ["postinst", "prerm", "postrm"] {
        install(&paths::root().join("dist/deb").join(script), &control.join(script), 0o755)?;
    }
    std::fs::write(control.join("conffiles"), format!("{CONFIG}\n"))?;
    std::fs::write(control.join("control"), control_file(stage, processor)?)?;
    let package = out.join(format!("ottla_{}_{processor}.deb", stage.version));
    let compression: &[&str] = if effort == Effort::Small { &["-Zxz", "-z6"] } else { &["-Zgzip", "-z1"] };
    call(
        Command::new("dpkg-deb")
            .env("SOURCE_DATE_EPOCH", &stage.epoch)
            .args(["--root-owner-group", "--build"])
            .args(compression)
            .arg(&tree)
            .arg(&package),
    )?;
    std::fs::remove_dir_all(&tree)?;
    Ok(package)
}

fn control_file(stage: &Stage, processor: &str) -> Result<String> {
    let bytes: u64 =
        stage.files.iter().filter_map(|file| Some(stage.root.join(&file[1..]).metadata().ok()?.len())).sum();
    Ok(format!(
        "Package: ottla\n\
         Version: {}\n\
         Architecture: {processor}\n\
         Maintainer: The ottla developers <https://github.com/ottla/ottla>\n\
         Installed-Size: {}\n\
         Depends: libc6 (>= {}.{}), libgcc-s1\n\
         Section: net\n\
         Priority: optional\n\
         Homepage: https://github.com/ottla/ottla\n\
         Description: Apache Kafka as one program\n \
         Brokers and metadata quorum of Apache Kafka in one binary: every Kafka client\n \
         works, acknowledged records are on stable storage, nothing else has to run.\n",
        stage.version,
        bytes.div_ceil(1024),
        GLIBC_FLOOR.0,
        GLIBC_FLOOR.1,
    ))
}

/// Makes `ottla-VERSION-1.ARCH.rpm`.
pub(super) fn rpm(stage: &Stage, out: &Path, effort: Effort) -> Result<PathBuf> {
    let (_, processor) = processor()?;
    let (top, files) = (out.join("rpm"), out.join("rpm-files"));
    let listed = stage.files.iter().filter(|file| *file != CONFIG).map(|file| format!("{file}\n"));
    std::fs::write(&files, listed.collect::<String>())?;
    let payload = if effort == Effort::Small { "w6.xzdio" } else { "w1.gzdio" };
    let define = |name: &str, value: &str| ["--define".to_owned(), format!("{name} {value}")];
    call(
        Command::new("rpmbuild")
            .env("SOURCE_DATE_EPOCH", &stage.epoch)
            .arg("-bb")
            .args(["--target", processor])
            .args(define("_topdir", &top.to_string_lossy()))
            .args(define("_binary_payload", payload))
            .args(define("_buildhost", "localhost"))
            .args(define("use_source_date_epoch_as_buildtime", "1"))
            .args(define("ottla_version", &stage.version))
            .args(define("ottla_glibc", &format!("{}.{}", GLIBC_FLOOR.0, GLIBC_FLOOR.1)))
            .args(define("ottla_root", &stage.root.to_string_lossy()))
            .args(define("ottla_files", &files.to_string_lossy()))
            .arg(paths::root().join("dist/rpm/ottla.spec")),
    )?;
    let name = format!("ottla-{}-1.{processor}.rpm", stage.version);
    let package = out.join(&name);
    let made = top.join("RPMS").join(processor).join(&name);
    std::fs::rename(&made, &package).with_context(|| format!("rpmbuild made no {}", made.display()))?;
    std::fs::remove_dir_all(&top)?;
    std::fs::remove_file(&files)?;
    Ok(package)
}
