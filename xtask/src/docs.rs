//! `cargo xtask docs`: the pages of `docs/` that are made from declarations. `cargo xtask tidy` says when one is stale.

use std::fs;

use anyhow::{Context, Result};

use crate::paths;

/// Path and content of every page that is made.
fn pages() -> Vec<(&'static str, String)> {
    vec![("docs/configuration.md", ottla_config::docs::markdown())]
}

/// The command: writes the pages that changed.
pub(crate) fn run() -> Result<()> {
    for path in stale() {
        let (_, text) = pages().into_iter().find(|(page, _)| *page == path).context("a page that is made")?;
        fs::write(paths::root().join(path), text).with_context(|| format!("cannot write {path}"))?;
        println!("docs: wrote {path}");
    }
    Ok(())
}

/// The pages that are not what the declarations say.
pub(crate) fn stale() -> Vec<&'static str> {
    let is_stale = |path: &str, text: &str| fs::read_to_string(paths::root().join(path)).ok().as_deref() != Some(text);
    pages().into_iter().filter(|(path, text)| is_stale(path, text)).map(|(path, _)| path).collect()
}
