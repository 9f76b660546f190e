//! Every file of a package, where it is installed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::call;
use crate::paths;

/// `(file of the checkout, where it is installed)`.
const FILES: &[(&str, &str)] = &[
    ("dist/ottla.service", "usr/lib/systemd/system/ottla.service"),
    ("dist/ottla.sysusers", "usr/lib/sysusers.d/ottla.conf"),
    ("dist/server.properties", "etc/ottla/server.properties"),
    ("dist/grafana/ottla.json", "usr/share/ottla/grafana/ottla.json"),
    ("LICENSE", "usr/share/doc/ottla/copyright"),
    ("NOTICE", "usr/share/doc/ottla/NOTICE"),
];
/// `(file that ottla generate writes, where it is installed)`.
const COMPLETIONS: &[(&str, &str)] = &[
    ("ottla.bash", "usr/share/bash-completion/completions/ottla"),
    ("_ottla", "usr/share/zsh/site-functions/_ottla"),
    ("ottla.fish", "usr/share/fish/vendor_completions.d/ottla.fish"),
];

/// The staged files.
pub(super) struct Stage {
    /// Folder that stands for `/`.
    pub(super) root: PathBuf,
    /// Version of the binary.
    pub(super) version: String,
    /// Every file, as an absolute path on the system it is installed on, sorted.
    pub(super) files: Vec<String>,
    /// Seconds since 1970 of the commit, so that equal sources give equal packages.
    pub(super) epoch: String,
}

impl Stage {
    /// Puts the stripped binary and everything that goes with it below `out/root`.
    pub(super) fn fill(binary: &Path, out: &Path) -> Result<Stage> {
        let root = out.join("root");
        let checkout = paths::root();
        install(binary, &root.join("usr/bin/ottla"), 0o755)?;
        for (from, to) in FILES {
            install(&checkout.join(from), &root.join(to), 0o644)?;
        }
        let generated = out.join("generated");
        call(Command::new(binary).arg("generate").arg(&generated))?;
        for (from, to) in COMPLETIONS {
            install(&generated.join("completions").join(from), &root.join(to), 0o644)?;
        }
        for entry in std::fs::read_dir(generated.join("man"))? {
            let page = entry?.path();
            let name = page.file_name().context("a page has a name")?;
            let target = root.join("usr/share/man/man1").join(name);
            install(&page, &target, 0o644)?;
            call(Command::new("gzip").arg("-9n").arg(&target))?;
        }
        std::fs::remove_dir_all(&generated)?;
        let mut files = Vec::new();
        list(&root, &root, &mut files)?;
        files.sort();
        let version = call(Command::new(binary).arg("--version"))?;
        let version = version.split_whitespace().last().context("--version prints the version")?.to_owned();
        let epoch = call(Command::new("git").current_dir(&checkout).args(["log", "-1", "--format=%ct"]));
        let epoch = epoch.map_or_else(|_| "0".to_owned(), |text| text.trim().to_owned());
        Ok(Stage { root, version, files, epoch })
    }
}

/// Copies a file, with these permissions and every folder on its way.
pub(super) fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn list(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
            list(root, &path, files)?;
        } else {
            files.push(format!("/{}", path.strip_prefix(root)?.display()));
        }
    }
    Ok(())
}
