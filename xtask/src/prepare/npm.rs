//! The npm packages of the JavaScript suites, exactly as their lock files name them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Need, Workshop, cached, run};
use crate::paths;

/// The folder to use as `NODE_PATH` for KafkaJS.
pub(super) fn kafkajs(workshop: &mut Workshop) -> Result<PathBuf> {
    modules(workshop, "kafkajs", |_| Ok(()))
}

/// The folder to use as `NODE_PATH` for `@confluentinc/kafka-javascript`.
///
/// Its install script downloads a compiled librdkafka that no registry has. The sources are in the package, so it is
/// compiled here, with the libraries of Debian (`CKJS_LINKING=dynamic`: otherwise it downloads the sources of those).
pub(super) fn confluent(workshop: &mut Workshop) -> Result<PathBuf> {
    workshop.debian("c++", "g++")?;
    workshop.debian("make", "make")?;
    let python = workshop.debian("python3", "python3")?;
    for (file, package) in [
        ("node/node.h", "libnode-dev"),
        ("openssl/ssl.h", "libssl-dev"),
        ("zlib.h", "zlib1g-dev"),
        ("zstd.h", "libzstd-dev"),
    ] {
        workshop.get(Need::Header { file, package })?;
    }
    modules(workshop, "confluent-js", |modules| {
        let gyp = modules.join("node-gyp/bin/node-gyp.js");
        run(Command::new("node")
            .current_dir(modules.join("@confluentinc/kafka-javascript"))
            .env("CKJS_LINKING", "dynamic")
            .env("NODE_GYP_FORCE_PYTHON", &python)
            .arg(&gyp)
            .args(["rebuild", "--nodedir=/usr"]))
    })
}

/// `npm ci` without install scripts, then `finish` with the folder of the modules.
fn modules(workshop: &mut Workshop, folder: &str, finish: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    workshop.debian("node", "nodejs")?;
    let npm = workshop.debian("npm", "npm")?;
    let source = paths::root().join("compat").join(folder);
    let names = ["package.json", "package-lock.json", ".npmrc"];
    let mut files = Vec::new();
    for name in names {
        files.push(std::fs::read(source.join(name)).with_context(|| format!("reading compat/{folder}/{name}"))?);
    }
    let inputs: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    let dir = cached(folder, &inputs, |dir| {
        for (name, content) in names.iter().zip(&files) {
            std::fs::write(dir.join(name), content)?;
        }
        run(Command::new(&npm).current_dir(dir).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
        finish(&dir.join("node_modules"))
    })?;
    Ok(dir.join("node_modules"))
}
