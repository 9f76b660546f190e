//! `ottla profile`: several clusters by name, kept in a file ([`ottla_terminal::profile`]).

use clap::Subcommand;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::profile::{Profile, Profiles, file};
use ottla_terminal::table;
use serde::Serialize;
use std::collections::BTreeMap;

/// What `ottla profile` accepts.
#[derive(Debug, clap::Args)]
pub struct Args {
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

/// A profile as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    profile: String,
    bootstrap_server: String,
    in_use: bool,
    properties: BTreeMap<String, String>,
}

/// Runs `ottla profile`.
pub fn run(args: &Args) -> Result<(), Failure> {
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
            args.output.print(&shown_one(&profiles, name), |_| format!("Created profile {name}{end}.\n"))?;
        }
        Command::Use { name } => {
            profiles.get(name)?;
            profiles.current = Some(name.clone());
            profiles.write(&file)?;
            args.output.print(&shown_one(&profiles, name), |_| format!("Using profile {name}.\n"))?;
        }
        Command::Delete { name } => {
            profiles.get(name)?;
            let deleted = shown_one(&profiles, name);
            profiles.profiles.remove(name);
            profiles.current = profiles.current.take().filter(|current| current != name);
            profiles.write(&file)?;
            args.output.print(&deleted, |_| format!("Deleted profile {name}.\n"))?;
        }
        Command::List => args.output.print(&shown(&profiles), |shown| render(shown))?,
        Command::Show { name } => {
            let name = name.clone().or_else(|| profiles.current.clone());
            let name = name.ok_or_else(|| Failure::new("no profile is in use").then("see `ottla profile list`"))?;
            profiles.get(&name)?;
            let shown = shown_one(&profiles, &name);
            args.output.print(&shown, |shown| shown.as_ref().map(render_one).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// One of them as it is shown.
fn shown_one(profiles: &Profiles, name: &str) -> Option<Shown> {
    shown(profiles).into_iter().find(|shown| shown.profile == name)
}

/// All of them as they are shown: without secrets.
fn shown(profiles: &Profiles) -> Vec<Shown> {
    let is_secret = |name: &str| ["password", "secret", "jaas", "token"].iter().any(|part| name.contains(part));
    let hidden = |(name, value): (&String, &String)| {
        (name.clone(), if is_secret(name) { "(hidden)".to_string() } else { value.clone() })
    };
    let shown = |(name, profile): (&String, &Profile)| Shown {
        profile: name.clone(),
        bootstrap_server: profile.bootstrap_server.clone(),
        in_use: profiles.current.as_ref() == Some(name),
        properties: profile.properties.iter().map(hidden).collect(),
    };
    profiles.profiles.iter().map(shown).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let file = "
            current: test
            profiles:
              prod: { bootstrap_server: 'b:1,c:1' }
              test: { bootstrap_server: 'a:1', properties: { client.id: me, ssl.key.password: hush } }
        ";
        let shown = shown(&serde_yaml_ng::from_str(file).unwrap());
        assert_eq!(
            render_one(&shown[1]),
            "profile           test\nbootstrap server  a:1\n  client.id=me\n  ssl.key.password=(hidden)\n"
        );
        assert_eq!(
            render(&shown),
            "IN USE  PROFILE  BOOTSTRAP SERVER\n        prod     b:1,c:1\n*       test     a:1\n"
        );
    }
}
