//! What a command could not read, for people and for programs.

use std::io::Result;

use serde_json::{Value, json};
use tollgate_core::ports::LeftOut;

use super::table::number;
use super::{Colour, Io};

/// Writes the rows that were neither counted nor acted on; nothing where there are none.
pub(super) fn print(rows: &LeftOut, io: &mut Io<'_>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let what = "rows that cannot be read were left out: nothing is concluded from them";
    let count = number(rows.count).to_string();
    writeln!(io.out, "\n{count:>6}  {}", io.paint(Colour::Yellow, what))?;
    for row in &rows.first {
        writeln!(io.out, "        {row}")?;
    }
    if rows.count > rows.first.len() {
        writeln!(io.out, "        … and {} more", rows.count - rows.first.len())?;
    }
    Ok(())
}

/// The same for programs.
pub(super) fn json(rows: &LeftOut) -> Value {
    let listed = rows.first.iter().map(ToString::to_string);
    json!({ "count": rows.count, "listed": listed.collect::<Vec<_>>() })
}
