//! Clusters by name.
//!
//! They stand in `$XDG_CONFIG_HOME/ottla/profiles.yaml` (`~/.config/ottla/profiles.yaml`), which only the user can read,
//! because client properties may hold secrets.

use crate::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Addresses of brokers, HOST:PORT separated by commas.
    pub bootstrap_server: String,
    /// Client properties by Kafka's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
}

/// The file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profiles {
    /// The one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// All of them, by name.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

impl Profiles {
    /// The user's profiles; none where there is no file, or no place for one.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn load() -> Result<Profiles, Failure> {
        match file() {
            Ok(file) => Profiles::read(&file),
            Err(_) => Ok(Profiles::default()),
        }
    }

    /// The profile of this name.
    ///
    /// # Errors
    /// There is none; the failure names the most similar one.
    pub fn get(&self, name: &str) -> Result<&Profile, Failure> {
        let existing: Vec<String> = self.profiles.keys().cloned().collect();
        self.profiles
            .get(name)
            .ok_or_else(|| Failure::unknown(&format!("profile '{name}'"), name, &existing, "see `ottla profile list`"))
    }

    /// The profile in use.
    ///
    /// # Errors
    /// The one in use does not exist.
    pub fn current(&self) -> Result<Option<&Profile>, Failure> {
        self.current.as_deref().map(|name| self.get(name)).transpose()
    }

    /// The profiles in this file; none where there is no file.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(file: &Path) -> Result<Profiles, Failure> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Profiles::default()),
            Err(error) => return Err(Failure::new(format!("cannot read {}: {error}", file.display()))),
        };
        serde_yaml_ng::from_str(&text).map_err(|error| {
            Failure::new(format!("{} cannot be understood: {error}", file.display()))
                .then("mend or remove the file; `ottla profile create` makes a new one")
        })
    }

    /// Replaces the file as a whole, readable for the user alone.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", file.display()));
        let text = serde_yaml_ng::to_string(self).map_err(|error| Failure::new(error.to_string()))?;
        if let Some(dir) = file.parent() {
            fs::create_dir_all(dir).map_err(failed)?;
        }
        let temporary = file.with_extension(format!("yaml.{}", std::process::id()));
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary);
        opened.and_then(|mut opened| opened.write_all(text.as_bytes())).map_err(failed)?;
        fs::rename(&temporary, file).map_err(failed)
    }
}

/// Where the profiles stand.
///
/// # Errors
/// The environment names no directory for them.
pub fn file() -> Result<PathBuf, Failure> {
    let dir = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = dir("XDG_CONFIG_HOME").or_else(|| dir("HOME").map(|home| home.join(".config")));
    let base = base.ok_or_else(|| {
        Failure::new("there is no place for profiles").then("set HOME or XDG_CONFIG_HOME to a directory of yours")
    })?;
    Ok(base.join("ottla/profiles.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        let mut profiles = Profiles { current: Some("test".to_string()), ..Profiles::default() };
        let properties = [("client.id", "me"), ("ssl.key.password", "hush")];
        let properties = properties.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let profile = |address: &str, properties| Profile { bootstrap_server: address.to_string(), properties };
        profiles.profiles.insert("test".to_string(), profile("a:1", properties));
        profiles.profiles.insert("prod".to_string(), profile("b:1,c:1", BTreeMap::new()));
        profiles
    }

    #[test]
    fn profiles_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/profiles.yaml");
        assert_eq!(Profiles::read(&file).unwrap(), Profiles::default());
        profiles().write(&file).unwrap();
        assert_eq!(Profiles::read(&file).unwrap(), profiles());
        fs::write(&file, "profiles: [").unwrap();
        assert!(Profiles::read(&file).unwrap_err().next_step.is_some());
    }

    #[test]
    fn an_unknown_profile_gets_the_nearest_name() {
        let error = profiles().get("tests").unwrap_err();
        assert_eq!((error.code, error.next_step.as_deref()), (4, Some("did you mean 'test'?")));
        assert_eq!(profiles().current().unwrap().unwrap().bootstrap_server, "a:1");
    }
}
