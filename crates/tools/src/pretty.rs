//! Tables as Kafka's `ToolsUtils.prettyPrintTable` draws them: columns as wide as their widest cell, a tab behind each.

/// Rows under headings; rows have as many cells as there are headings.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(headings[column].len())
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}\t"));
        padded.collect::<String>() + "\n"
    };
    let mut text = line(&mut headings.iter().copied());
    rows.iter().for_each(|row| text += &line(&mut row.iter().map(String::as_str)));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_padded_and_end_with_tabs() {
        let rows = [vec!["long-name".to_string(), "1".to_string()]];
        assert_eq!(super::table(&["Id", "Count"], &rows), "Id       \tCount\t\nlong-name\t1    \t\n");
        assert_eq!(super::table(&["Id"], &[]), "Id\t\n");
    }
}
