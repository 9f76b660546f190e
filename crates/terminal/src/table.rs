//! Tables for people: columns aligned, nothing drawn around them, the same on a terminal and in a pipe.

use crate::colour;
use comfy_table::{CellAlignment, Table, presets};

/// Renders rows under headings. Columns whose heading starts with `#` are numbers: aligned to the right, without the
/// mark.
pub fn render(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.iter().map(|heading| heading.trim_start_matches('#')));
    table.add_rows(rows);
    for (index, heading) in headings.iter().enumerate() {
        let column = table.column_mut(index).expect("a column for every heading");
        column.set_padding((0, 2));
        if heading.starts_with('#') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines = table.lines().map(|line| line.trim_end().to_string());
    let heading = lines.next().map(|line| colour::out(colour::HEADING, &line) + "\n").unwrap_or_default();
    heading + &lines.map(|line| line + "\n").collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "1"], ["long", "100"]].map(|row| row.map(str::to_string).to_vec());
        assert_eq!(render(&["NAME", "#COUNT"], rows), "NAME  COUNT\na         1\nlong    100\n");
    }
}
