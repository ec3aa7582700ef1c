//! Tables and labelled values that fit the terminal: no lines, long texts wrapped.

use std::io::Result;

use comfy_table::{ContentArrangement, Table, presets};

use super::io::Io;

/// Writes rows under their headings; where there are none, nothing.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>], io: &mut Io<'_>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = plain(io);
    table.set_header(headings.to_vec()).add_rows(rows);
    print(table, io)
}

/// Writes values behind their labels; a value may have several lines.
pub(super) fn fields(rows: &[(&str, String)], io: &mut Io<'_>) -> Result<()> {
    let mut table = plain(io);
    table.add_rows(rows.iter().map(|(label, value)| [(*label).to_owned(), value.clone()]));
    print(table, io)
}

fn plain(io: &Io<'_>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(columns) = io.columns {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn print(mut table: Table, io: &mut Io<'_>) -> Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(io.out, "{}", line.trim_end())?;
    }
    Ok(())
}
