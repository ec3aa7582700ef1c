//! Tables that fit the terminal: columns without lines, long cells wrapped.

use std::io::Result;

use comfy_table::{ContentArrangement, Table, presets};

use super::io::Io;

/// Writes rows under their headings; where there are none, nothing.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>], io: &mut Io<'_>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.to_vec());
    if let Some(columns) = io.columns {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(io.out, "{}", line.trim_end())?;
    }
    Ok(())
}
