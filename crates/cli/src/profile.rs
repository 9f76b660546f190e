//! `ottla profile`: several clusters by name.
//!
//! They stand in `$XDG_CONFIG_HOME/ottla/profiles.yaml` (`~/.config/ottla/profiles.yaml`), which only the user can read,
//! because client properties may hold secrets.

use crate::failure::Failure;
use crate::output::OutputArgs;
use crate::table;
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What `ottla profile` accepts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    output: OutputArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep the address and client properties of a cluster under a name; one of that name is replaced.
    Create {
        /// Name of the profile.
        name: String,
        /// Addresses of one or more brokers, HOST:PORT separated by commas.
        #[arg(long, value_name = "HOST:PORT")]
        bootstrap_server: String,
        /// A client property; may be given several times.
        #[arg(short = 'X', long = "property", value_name = "KEY=VALUE", value_parser = crate::config::key_value)]
        properties: Vec<(String, String)>,
    },
    /// Let commands go to this cluster when they do not say where.
    Use {
        /// Name of the profile.
        name: String,
    },
    /// Show all profiles.
    List,
    /// Show one profile; secrets are hidden.
    Show {
        /// Name of the profile. [default: the one in use]
        name: Option<String>,
    },
    /// Forget a profile.
    Delete {
        /// Name of the profile.
        name: String,
    },
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) bootstrap_server: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) properties: BTreeMap<String, String>,
}

/// The file.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Profiles {
    /// The one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

/// A profile as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    profile: String,
    bootstrap_server: String,
    in_use: bool,
    properties: BTreeMap<String, String>,
}

/// Runs `ottla profile`.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let file = file()?;
    let mut profiles = Profiles::read(&file)?;
    match &args.command {
        Command::Create { name, bootstrap_server, properties } => {
            let properties = properties.iter().cloned().collect();
            profiles.profiles.insert(name.clone(), Profile { bootstrap_server: bootstrap_server.clone(), properties });
            let is_first = profiles.profiles.len() == 1;
            if is_first {
                profiles.current = Some(name.clone());
            }
            profiles.write(&file)?;
            let end = if is_first { ", which is in use" } else { "" };
            args.output.print(&profiles.shown_one(name), |_| format!("Created profile {name}{end}.\n"))?;
        }
        Command::Use { name } => {
            profiles.get(name)?;
            profiles.current = Some(name.clone());
            profiles.write(&file)?;
            args.output.print(&profiles.shown_one(name), |_| format!("Using profile {name}.\n"))?;
        }
        Command::Delete { name } => {
            profiles.get(name)?;
            let deleted = profiles.shown_one(name);
            profiles.profiles.remove(name);
            profiles.current = profiles.current.take().filter(|current| current != name);
            profiles.write(&file)?;
            args.output.print(&deleted, |_| format!("Deleted profile {name}.\n"))?;
        }
        Command::List => args.output.print(&profiles.shown(), |shown| render(shown))?,
        Command::Show { name } => {
            let name = name.clone().or_else(|| profiles.current.clone());
            let name = name.ok_or_else(|| Failure::new("no profile is in use").then("see `ottla profile list`"))?;
            profiles.get(&name)?;
            let shown = profiles.shown_one(&name);
            args.output.print(&shown, |shown| shown.as_ref().map(render_one).unwrap_or_default())?;
        }
    }
    Ok(())
}

impl Profiles {
    /// The user's profiles; none where there is no file, or no place for one.
    pub(crate) fn load() -> Result<Profiles, Failure> {
        match file() {
            Ok(file) => Profiles::read(&file),
            Err(_) => Ok(Profiles::default()),
        }
    }

    /// The profile of this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Profile, Failure> {
        let existing: Vec<String> = self.profiles.keys().cloned().collect();
        self.profiles
            .get(name)
            .ok_or_else(|| Failure::unknown(&format!("profile '{name}'"), name, &existing, "see `ottla profile list`"))
    }

    /// The profile in use.
    pub(crate) fn current(&self) -> Result<Option<&Profile>, Failure> {
        self.current.as_deref().map(|name| self.get(name)).transpose()
    }

    fn read(file: &Path) -> Result<Profiles, Failure> {
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
    fn write(&self, file: &Path) -> Result<(), Failure> {
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

    fn shown_one(&self, name: &str) -> Option<Shown> {
        self.shown().into_iter().find(|shown| shown.profile == name)
    }

    fn shown(&self) -> Vec<Shown> {
        let is_secret = |name: &str| ["password", "secret", "jaas", "token"].iter().any(|part| name.contains(part));
        let hidden = |(name, value): (&String, &String)| {
            (name.clone(), if is_secret(name) { "(hidden)".to_string() } else { value.clone() })
        };
        let shown = |(name, profile): (&String, &Profile)| Shown {
            profile: name.clone(),
            bootstrap_server: profile.bootstrap_server.clone(),
            in_use: self.current.as_ref() == Some(name),
            properties: profile.properties.iter().map(hidden).collect(),
        };
        self.profiles.iter().map(shown).collect()
    }
}

fn render(shown: &[Shown]) -> String {
    if shown.is_empty() {
        return "No profiles yet. Make one with `ottla profile create NAME --bootstrap-server HOST:PORT`.\n"
            .to_string();
    }
    let row = |shown: &Shown| {
        let mark = if shown.in_use { "*" } else { "" };
        vec![mark.to_string(), shown.profile.clone(), shown.bootstrap_server.clone()]
    };
    table::render(&["IN USE", "PROFILE", "BOOTSTRAP SERVER"], shown.iter().map(row))
}

fn render_one(shown: &Shown) -> String {
    let mut text = format!("profile           {}\nbootstrap server  {}\n", shown.profile, shown.bootstrap_server);
    for (name, value) in &shown.properties {
        text += &format!("  {name}={value}\n");
    }
    text
}

/// Where the profiles stand.
fn file() -> Result<PathBuf, Failure> {
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
    fn profiles_survive_the_file_and_hide_secrets() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("deep/profiles.yaml");
        assert_eq!(Profiles::read(&file).unwrap(), Profiles::default());
        profiles().write(&file).unwrap();
        assert_eq!(Profiles::read(&file).unwrap(), profiles());
        let shown = profiles().shown();
        assert_eq!(
            render_one(&shown[1]),
            "profile           test\nbootstrap server  a:1\n  client.id=me\n  ssl.key.password=(hidden)\n"
        );
        assert_eq!(
            render(&shown),
            "IN USE  PROFILE  BOOTSTRAP SERVER\n        prod     b:1,c:1\n*       test     a:1\n"
        );
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
