//! Tables and labelled values that fit the terminal: no lines, long texts wrapped; and counts.

use std::borrow::Cow;
use std::io::Result;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::HumanCount;

use super::io::{Colour, Io};
use super::text::visible;

/// `1 event`, `1,204 events`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", number(count))
}

/// With a comma between thousands.
pub(super) fn number(count: usize) -> HumanCount {
    HumanCount(count as u64)
}

/// Writes rows under their headings; where there are none, nothing.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>], io: &mut Io<'_>) -> Result<()> {
    table_with_red(headings, rows, &[], io)
}

/// Writes rows under their headings; lines that begin with one of these texts are red. A colour
/// in a cell would count as a part of its width.
pub(super) fn table_with_red(
    headings: &[&str],
    rows: &[Vec<String>],
    red: &[String],
    io: &mut Io<'_>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = plain(io);
    let cells = rows.iter().map(|row| row.iter().map(|cell| visible(cell)));
    table.set_header(headings.to_vec()).add_rows(cells);
    print(table, red, io)
}

/// Writes values behind their labels; a value may have several lines.
pub(super) fn fields(rows: &[(&str, String)], io: &mut Io<'_>) -> Result<()> {
    fields_with_red(rows, &[], io)
}

/// The same; those with one of these labels are red.
pub(super) fn fields_with_red(
    rows: &[(&str, String)],
    red: &[String],
    io: &mut Io<'_>,
) -> Result<()> {
    let mut table = plain(io);
    table.add_rows(rows.iter().map(|(label, value)| [Cow::Borrowed(*label), visible(value)]));
    print(table, red, io)
}

fn plain(io: &Io<'_>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(columns) = io.columns {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table
}

fn print(mut table: Table, red: &[String], io: &mut Io<'_>) -> Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        let line = line.trim_end();
        let is_red = red.iter().any(|beginning| line.starts_with(beginning.as_str()));
        let line = if is_red { io.paint(Colour::Red, line) } else { line.to_owned() };
        writeln!(io.out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(1_234_567, "event"), "1,234,567 events");
    }

    #[test]
    fn what_is_shown_by_its_code_counts_as_wide_as_it_is() {
        let mut out = Vec::new();
        let (input, err) = (&mut &[][..], &mut std::io::sink());
        let (colour, columns, interactive) = (false, None, false);
        let (interrupted, hidden) = (&|| false, || Ok(String::new()));
        let mut io =
            Io { out: &mut out, err, input, interactive, colour, columns, interrupted, hidden };
        fields(&[("\u{202e}ab", "x".into())], &mut io).unwrap();
        let rows = [["\u{202e}a", "x"], ["b", "y"]].map(|row| row.map(str::to_owned).to_vec());
        table(&["ID", "IS"], &rows, &mut io).unwrap();
        let shown = String::from_utf8(out).unwrap();
        let lines: Vec<_> = shown.lines().skip(1).collect();
        assert_eq!(lines, ["ID         IS", r"\u{202e}a  x", "b          y"]);
    }

    #[test]
    fn a_red_line_is_laid_out_like_the_others() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut io = Io {
            out: &mut out,
            err: &mut err,
            input: &mut &[][..],
            interactive: false,
            colour: true,
            columns: Some(80),
            interrupted: &|| false,
            hidden: || Ok(String::new()),
        };
        let rows = [["well", "0"], ["dead", "12"]].map(|row| row.map(str::to_owned).to_vec());
        table_with_red(&["NAME", "COUNT"], &rows, &["dead".to_owned()], &mut io).unwrap();
        let lines = "NAME  COUNT\nwell  0\n\u{1b}[31mdead  12\u{1b}[0m\n";
        assert_eq!(String::from_utf8_lossy(&out), lines);
    }
}
