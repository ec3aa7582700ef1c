//! Tables and labelled values that fit the terminal: no lines, ids whole; and counts.
//!
//! A narrow terminal gets fewer columns of a table, the last ones first. Of labelled values, long
//! texts are wrapped between words.

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
    let cells: Vec<Vec<_>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let count = columns_that_fit(headings, &cells, io.columns);
    let mut table = plain();
    table.set_header(&headings[..count]).add_rows(cells.iter().map(|row| &row[..count]));
    print(table, red, io)
}

/// How many columns have room on the terminal; the first one always has.
fn columns_that_fit(headings: &[&str], cells: &[Vec<Cow<'_, str>>], room: Option<u16>) -> usize {
    let Some(room) = room else { return headings.len() };
    let widest = |n: usize| {
        let cells = cells.iter().filter_map(|row| row.get(n)).map(|cell| width(cell));
        cells.max().unwrap_or_default().max(width(headings[n]))
    };
    let mut needed = 0;
    let fits = (0..headings.len()).take_while(|n| {
        needed += widest(*n);
        let all = needed <= usize::from(room);
        needed += GAP;
        all
    });
    fits.count().max(1)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Between two columns.
const GAP: usize = 2;

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
    let mut table = plain();
    let label = rows.iter().map(|(label, _)| width(label)).max().unwrap_or_default();
    let words = rows.iter().flat_map(|(_, value)| value.split_whitespace());
    let word = words.map(|word| width(&visible(word))).max().unwrap_or_default();
    // A word that has no room is better cut by the terminal, which copies it whole. Behind each
    // column is a gap.
    if let Some(columns) = io.columns.filter(|it| label + word + 2 * GAP <= usize::from(*it)) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns);
    }
    table.add_rows(rows.iter().map(|(label, value)| [Cow::Borrowed(*label), visible(value)]));
    print(table, red, io)
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

fn print(mut table: Table, red: &[String], io: &mut Io<'_>) -> Result<()> {
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
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

    /// What is printed on a terminal of so many columns.
    fn on(columns: u16, print: impl Fn(&mut Io<'_>) -> Result<()>) -> String {
        let mut out = Vec::new();
        let (input, err) = (&mut &[][..], &mut std::io::sink());
        let (colour, columns, interactive) = (false, Some(columns), false);
        let (interrupted, hidden) = (&|| false, || Ok(String::new()));
        let mut io =
            Io { out: &mut out, err, input, interactive, colour, columns, interrupted, hidden };
        print(&mut io).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_whole_ids() {
        let row = ["cloudtrail/7a7ceb20-b863-405f-85ce-e7fdf1f71f37", "applied", "2026-03-01", "x"];
        let rows = [row.map(str::to_owned).to_vec()];
        let shown = |columns| {
            let print = |io: &mut Io<'_>| table(&["EVENT", "OUTCOME", "TIME", "TYPE"], &rows, io);
            let lines: Vec<_> = on(columns, print).lines().map(str::to_owned).collect();
            (lines[0].split_whitespace().count(), lines[1].clone(), lines.len())
        };
        let whole = |count: usize| row[..count].join("  ");
        assert_eq!(shown(80), (4, whole(4), 2));
        assert_eq!(shown(60), (2, whole(2), 2));
        assert_eq!(shown(20), (1, whole(1), 2), "one column there always is");
    }

    #[test]
    fn a_long_text_is_wrapped_between_words_and_a_long_word_not_at_all() {
        let text = "a dispute is open and holds the account";
        let shown = on(30, |io| fields(&[("Reason", text.to_owned())], io));
        assert_eq!(shown, "Reason  a dispute is open\n        and holds the\n        account\n");
        let id = "cloudtrail/7a7ceb20-b863-405f-85ce-e7fdf1f71f37 holds the account";
        assert_eq!(on(30, |io| fields(&[("Why", id.to_owned())], io)), format!("Why  {id}\n"));
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
