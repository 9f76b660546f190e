//! Where things are: the checkout, the cache outside it, cargo's target directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Root of the checkout that this xtask was built from.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// The cache for everything that is prepared: `$OTTLA_CACHE`, else `$HOME/.cache/ottla`.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("OTTLA_CACHE") {
        return Ok(PathBuf::from(dir));
    }
    let home = std::env::var_os("HOME").context("neither OTTLA_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/ottla"))
}

/// A short name for a file's content, so that a cache entry is made anew when its inputs change.
pub(crate) fn fingerprint(parts: &[&[u8]]) -> String {
    // FNV-1a: stable over compiler versions, and nobody attacks a cache name.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part| part.iter().copied().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}
