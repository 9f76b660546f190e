//! Apache Kafka's jars from Maven, and our Java suites compiled against them with plain `javac`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Need, Workshop, cached, contents, files_below, run};
use crate::paths;

/// Folder of all jars; `DIR/*` is a class path.
pub(super) fn jars(workshop: &mut Workshop) -> Result<PathBuf> {
    workshop.debian("java", "default-jdk-headless")?;
    let maven = workshop.debian("mvn", "maven")?;
    let pom = paths::root().join("compat/pom.xml");
    let content = std::fs::read(&pom).with_context(|| format!("reading {}", pom.display()))?;
    cached("jars", &[&content], |dir| {
        run(Command::new(&maven)
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", dir.display())))
    })
}

/// Folder of the compiled suites.
pub(super) fn classes(workshop: &mut Workshop) -> Result<PathBuf> {
    let jars = workshop.get(Need::Jars)?;
    let javac = workshop.debian("javac", "default-jdk-headless")?;
    let mut sources = Vec::new();
    for folder in ["data", "java", "recipes", "scripts", "streams", "sweep", "tools"] {
        sources.extend(files_below(&paths::root().join("compat").join(folder), &[".java"])?);
    }
    let inputs = contents(&sources)?;
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    cached("java-classes", &inputs, |dir| {
        run(Command::new(&javac)
            .args(["-nowarn", "--release", "17", "-cp"])
            .arg(jars.join("*"))
            .arg("-d")
            .arg(dir)
            .args(&sources))
    })
}
