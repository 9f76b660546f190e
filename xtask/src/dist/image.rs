//! The file system of the container image: the binary, the libraries that it loads, and the few files that they look for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::elf;
use super::stage::install;
use crate::paths;

/// The user of the image, as the Containerfile names it.
pub(super) const USER: u32 = 65532;

/// Makes `image/` with `rootfs/` and the Containerfile; returns the root.
pub(super) fn assemble(binary: &Path, out: &Path) -> Result<PathBuf> {
    let (image, dist) = (out.join("image"), paths::root().join("dist"));
    let root = image.join("rootfs");
    install(binary, &root.join("usr/bin/ottla"), 0o755)?;
    copy_libraries(binary, &root)?;
    install(&dist.join("image/server.properties"), &root.join("etc/ottla/server.properties"), 0o644)?;
    install(&paths::root().join("LICENSE"), &root.join("usr/share/doc/ottla/copyright"), 0o644)?;
    install(&paths::root().join("NOTICE"), &root.join("usr/share/doc/ottla/NOTICE"), 0o644)?;
    // The C library asks these for names of users and hosts.
    write(&root, "etc/passwd", &format!("ottla:x:{USER}:{USER}:ottla:/var/lib/ottla:/sbin/nologin\n"))?;
    write(&root, "etc/group", &format!("ottla:x:{USER}:\n"))?;
    write(&root, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;
    for folder in ["var/lib/ottla", "proc", "tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    install(&dist.join("image/Containerfile"), &image.join("Containerfile"), 0o644)?;
    Ok(root)
}

/// Each library under the path that the loader looks for; links become files.
pub(super) fn copy_libraries(binary: &Path, root: &Path) -> Result<()> {
    for library in elf::libraries(binary)? {
        let inside = library.strip_prefix("/").context("ldd prints absolute paths")?;
        install(&library, &root.join(inside), 0o755)?;
    }
    Ok(())
}

fn write(root: &Path, path: &str, text: &str) -> Result<()> {
    let file = root.join(path);
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
}
