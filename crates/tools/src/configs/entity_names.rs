//! `--entity-name` and `--entity-default` in the order of the command line: the first belongs to the first `--entity-type`.

use clap::{Arg, ArgAction, ArgMatches, Command};

const NAME: &str = "entity_name";
const DEFAULT: &str = "entity_default";

/// Names in their order; `None` is the default entity.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct EntityNames(Vec<Option<String>>);

impl EntityNames {
    /// The names; the default entity has an empty one.
    pub(super) fn in_order(&self) -> Vec<String> {
        self.0.iter().map(|name| name.clone().unwrap_or_default()).collect()
    }

    /// Whether the default entity is named.
    pub(super) fn has_default(&self) -> bool {
        self.0.contains(&None)
    }
}

impl clap::Args for EntityNames {
    fn augment_args(command: Command) -> Command {
        let name = Arg::new(NAME)
            .long("entity-name")
            .value_name("ENTITY_NAME")
            .action(ArgAction::Append)
            .help("Name of entity (topic name/client id/user principal name/broker id/ip/client metrics/group id)");
        let default = Arg::new(DEFAULT)
            .long("entity-default")
            .action(ArgAction::Append)
            // A flag does not keep the place of each occurrence.
            .num_args(0)
            .default_missing_value("")
            .help("Default entity name for clients/users/brokers/ips (applies to corresponding entity type)");
        command.arg(name).arg(default)
    }

    fn augment_args_for_update(command: Command) -> Command {
        EntityNames::augment_args(command)
    }
}

impl clap::FromArgMatches for EntityNames {
    fn from_arg_matches(matches: &ArgMatches) -> Result<EntityNames, clap::Error> {
        let names = matches.get_many::<String>(NAME).into_iter().flatten().cloned().map(Some);
        let mut found: Vec<(usize, Option<String>)> =
            matches.indices_of(NAME).into_iter().flatten().zip(names).collect();
        found.extend(matches.indices_of(DEFAULT).into_iter().flatten().map(|index| (index, None)));
        found.sort_by_key(|(index, _)| *index);
        Ok(EntityNames(found.into_iter().map(|(_, name)| name).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = EntityNames::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Configs;
    use clap::Parser;

    #[test]
    fn names_and_defaults_are_paired_in_the_order_of_the_words() {
        let names = |line: &str| {
            let words = ["kafka-configs"].into_iter().chain(line.split_whitespace());
            Configs::try_parse_from(words).unwrap().entity_names.in_order()
        };
        let users_first = "--describe --entity-type users --entity-default --entity-type clients --entity-name c1";
        assert_eq!(names(users_first), ["", "c1"]);
        assert_eq!(names("--entity-name u --entity-default --entity-type users --entity-type clients"), ["u", ""]);
        assert_eq!(names("--entity-default --entity-type users --entity-type clients --entity-default"), ["", ""]);
        assert_eq!(names("--entity-name a --entity-name b"), ["a", "b"]);
        assert!(names("--describe --topic t").is_empty());
    }
}
