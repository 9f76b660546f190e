//! Kafka's released jars: where they come from, and the schema files in them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use zip::ZipArchive;

use super::schema::{self, Kind, Message};
use crate::prepare::{Need, Workshop};

/// The jars that hold schemas, and the folder of the schemas in each.
const SOURCES: &[(&str, &str)] = &[
    ("kafka-clients", "common/message/"),
    ("kafka-raft", "common/message/"),
    ("kafka-metadata", "common/metadata/"),
    ("kafka-group-coordinator", "common/message/"),
    ("kafka-transaction-coordinator", "common/message/"),
    ("kafka-share-coordinator", "common/message/"),
    ("kafka-storage", "message/"),
];

/// The source name of our own schemas.
pub(crate) const OWN: &str = "ottla";

/// All messages, ordered by name.
pub(crate) struct Schemas {
    pub(crate) messages: Vec<Message>,
    release: String,
}

impl Schemas {
    /// Where a message's schema came from, for the header of its file.
    pub(crate) fn origin(&self, message: &Message) -> String {
        if message.source == OWN { "crates/protocol/schemas".into() } else { self.kafka_origin() }
    }

    /// The release that Kafka's schemas came from.
    pub(crate) fn kafka_origin(&self) -> String {
        format!("Apache Kafka {}", self.release)
    }
}

/// Reads every schema in the jars under `dir` and in our own directory, which may be missing.
pub(crate) fn read(dir: &Path, own: &Path) -> Result<Schemas> {
    let mut messages = vec![];
    let mut release = String::new();
    for (artifact, folder) in SOURCES {
        let (jar, version) = find(dir, artifact)?;
        ensure!(release.is_empty() || release == version, "{artifact} is {version}, the other jars are {release}");
        release = version;
        let before = messages.len();
        read_jar(&jar, artifact, folder, &mut messages).with_context(|| format!("in {}", jar.display()))?;
        ensure!(messages.len() > before, "{} holds no schemas under {folder}", jar.display());
    }
    if own.is_dir() {
        for entry in fs::read_dir(own)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let parsed = schema::parse(&fs::read_to_string(&path)?, OWN);
                messages.push(parsed.with_context(|| format!("in {}", path.display()))?);
            }
        }
    }
    // Removed APIs have no versions left; headers are written by hand, because they precede the version decision.
    messages.retain(|message| !message.versions.is_empty() && message.kind != Kind::Header);
    messages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Schemas { messages, release })
}

/// The jar `<artifact>-<version>.jar` in `dir`, and its version.
fn find(dir: &Path, artifact: &str) -> Result<(PathBuf, String)> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let version = name.strip_prefix(&format!("{artifact}-")).and_then(|rest| rest.strip_suffix(".jar"));
        if let Some(version) = version.filter(|version| version.starts_with(|c: char| c.is_ascii_digit())) {
            return Ok((path, version.to_string()));
        }
    }
    bail!("no {artifact} jar in {}", dir.display())
}

fn read_jar(jar: &Path, artifact: &str, folder: &str, messages: &mut Vec<Message>) -> Result<()> {
    let mut archive = ZipArchive::new(File::open(jar)?)?;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let name = file.name()?.into_owned();
        if name.starts_with(folder) && name.ends_with(".json") {
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            messages.push(schema::parse(&text, artifact).with_context(|| name)?);
        }
    }
    Ok(())
}

/// The directory of jars to read: the given one, or the one that Maven fills for the black-box suites.
pub(crate) fn locate(given: Option<&Path>) -> Result<PathBuf> {
    given.map_or_else(|| Workshop::default().get(Need::Jars), |dir| Ok(dir.to_path_buf()))
}
