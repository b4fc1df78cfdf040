//! What goes to stdout.

use std::fmt;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

/// What `out` and `outln` do.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // What nobody reads is lost.
    let _ = out.write_fmt(text).and_then(|()| out.flush());
}

/// Prints the one JSON object of a command that was asked for `--json`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    outln!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Rows in columns: the first left-aligned, the others right-aligned; the first row is the head.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(|row| line(row) + "\n").collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".into(), "bb".into()], vec!["ccc".into(), "d".into()]];
        assert_eq!(super::table(&rows), "a    bb\nccc   d\n");
    }
}
