//! What a binary asks of the system it is started on.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::call;

/// The oldest glibc that a binary may need; Debian 12, Ubuntu 22.04, RHEL 9 and newer have it.
pub(super) const GLIBC_FLOOR: (u32, u32) = (2, 34);

/// The newest version of a glibc symbol that the binary needs.
pub(super) fn glibc_floor(binary: &Path) -> Result<(u32, u32)> {
    let text = call(Command::new("readelf").args(["--wide", "--version-info"]).arg(binary))?;
    newest_glibc(&text).with_context(|| format!("{} names no glibc version", binary.display()))
}

fn newest_glibc(version_info: &str) -> Option<(u32, u32)> {
    let needed = version_info.lines().filter_map(|line| line.split_once("Name: GLIBC_"));
    let version = |text: &str| {
        let (major, minor) = text.split_whitespace().next()?.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    needed.filter_map(|(_, text)| version(text)).max()
}

/// The loader and the libraries that are loaded with the binary, where they are on this machine.
pub(super) fn libraries(binary: &Path) -> Result<Vec<PathBuf>> {
    let text = call(Command::new("ldd").arg(binary))?;
    ensure!(!text.contains("not found"), "{} needs a library that is missing: {text}", binary.display());
    Ok(loaded(&text))
}

/// `name => /path (address)`, or `/path (address)` for the loader; the kernel's own part has no path.
fn loaded(ldd: &str) -> Vec<PathBuf> {
    ldd.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_counts() {
        let text = "  0x0010: Version: 1  File: libc.so.6  Cnt: 3\n  0x0020:   Name: GLIBC_2.9  Flags: none  Version: 5\n  \
                    0x0030:   Name: GLIBC_2.34  Flags: none  Version: 4\n  0x0040:   Name: GLIBC_2.3.4  Flags: none\n  \
                    0x0050:   Name: GCC_3.0  Flags: none  Version: 9\n";
        assert_eq!(newest_glibc(text), Some((2, 34)));
        assert_eq!(newest_glibc("no version information"), None);
    }

    #[test]
    fn libraries_have_paths() {
        let text =
            "\tlinux-vdso.so.1 (0x7ffc)\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        assert_eq!(loaded(text), [PathBuf::from("/lib/libc.so.6"), PathBuf::from("/lib64/ld-linux-x86-64.so.2")]);
    }
}
