//! `ottla group list`.

use ottla_client::{Admin, GroupListing};
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;

/// One group, as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    group: String,
    #[serde(rename = "type")]
    group_type: String,
    protocol: String,
    state: String,
}

pub(super) async fn run(admin: &Admin, states: &[String], types: &[String], output: OutputArgs) -> Result<(), Failure> {
    let (states, types) = (wanted(states), wanted(types));
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let listed: Vec<Listed> = admin.list_groups(&states, &types).await?.into_iter().map(Listed::of).collect();
    output.print(&listed, |listed| render(listed))
}

/// What words ask for that hold several, separated by commas.
pub(crate) fn wanted(words: &[String]) -> Vec<String> {
    words.iter().flat_map(|word| word.split(',')).map(capitalised).collect()
}

/// `stable` as `Stable`: brokers compare states as they are written, and types are shown like states.
fn capitalised(word: &str) -> String {
    let mut chars = word.trim().chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

impl Listed {
    fn of(listing: GroupListing) -> Listed {
        Listed {
            group: listing.group_id,
            group_type: capitalised(&listing.group_type),
            protocol: listing.protocol_type,
            state: listing.state,
        }
    }
}

fn render(groups: &[Listed]) -> String {
    if groups.is_empty() {
        return "No groups yet. A consumer with a group.id makes one.\n".to_string();
    }
    let row = |group: &Listed| {
        let protocol = if group.protocol.is_empty() { "-" } else { &group.protocol };
        vec![group.group.clone(), group.group_type.clone(), protocol.to_string(), group.state.clone()]
    };
    table::render(&["GROUP", "TYPE", "PROTOCOL", "STATE"], groups.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_listed_with_type_and_state() {
        let listing = |group_id: &str, protocol_type: &str, group_type: &str| {
            Listed::of(GroupListing {
                group_id: group_id.to_string(),
                protocol_type: protocol_type.to_string(),
                state: "Empty".to_string(),
                group_type: group_type.to_string(),
            })
        };
        let expected = "\
GROUP  TYPE     PROTOCOL  STATE
a      Classic  consumer  Empty
b      Classic  -         Empty
";
        assert_eq!(render(&[listing("a", "consumer", "classic"), listing("b", "", "Classic")]), expected);
        assert_eq!(capitalised("stable"), "Stable");
    }
}
