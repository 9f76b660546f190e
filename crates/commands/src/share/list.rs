//! `ottla share list`.

use super::names;
use crate::group::wanted;
use ottla_client::Admin;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::OutputArgs;
use ottla_terminal::table;
use serde::Serialize;

/// One share group, as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    group: String,
    state: String,
}

pub(super) async fn run(admin: &Admin, states: &[String], output: OutputArgs) -> Result<(), Failure> {
    let states = wanted(states);
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    let listed: Vec<Listed> =
        names(admin, &states).await?.into_iter().map(|(group, state)| Listed { group, state }).collect();
    output.print(&listed, |listed| render(listed))
}

fn render(groups: &[Listed]) -> String {
    if groups.is_empty() {
        return "No share groups yet. A share consumer, or `ottla share consume`, makes one.\n".to_string();
    }
    table::render(&["GROUP", "STATE"], groups.iter().map(|group| vec![group.group.clone(), group.state.clone()]))
}
