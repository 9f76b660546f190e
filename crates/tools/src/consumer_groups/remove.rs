//! `--delete`.

use super::ConsumerGroups;
use crate::group_tools::{Done, error_line};
use crate::java::java_error;
use ottla_client::Admin;
use ottla_terminal::output::write_out;

pub(super) async fn groups(tool: &ConsumerGroups, admin: &Admin) -> Done<()> {
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for group in tool.wanted_groups(admin).await? {
        match admin.delete_group(&group).await {
            Ok(()) => deleted.push(format!("'{group}'")),
            Err(error) => failed.push((group, java_error(&error))),
        }
    }
    let deleted = deleted.join(", ");
    if failed.is_empty() {
        return Ok(write_out(&format!("Deletion of requested consumer groups ({deleted}) was successful.\n"))?);
    }
    let mut text = error_line("Deletion of some consumer groups failed:");
    for (group, error) in failed {
        text += &format!("* Group '{group}' could not be deleted due to: {error}\n");
    }
    if !deleted.is_empty() {
        text += &format!("\nThese consumer groups were deleted successfully: {deleted}\n");
    }
    Ok(write_out(&text)?)
}
