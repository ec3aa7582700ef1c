//! How large the functions' binaries are, next to what was recorded: one that grows by
//! more than a fifth is not let in unseen.
//!
//! Sizes are of one profile and one processor (x86_64, where CI runs); `infra/sizes.toml`
//! has a table for each profile.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, bail};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::deployed::build::Built;
use crate::root;

/// Bytes by function.
pub type Sizes = BTreeMap<String, u64>;

/// Compares with what is recorded for the profile; returns the table to print.
///
/// # Errors
/// A binary grew by more than a fifth, or has no record.
pub fn check(profile: &str, built: &[Built]) -> anyhow::Result<String> {
    let recorded = recorded(profile, &read()?)?;
    let (table, too_large) = compare(&recorded, &sizes(built));
    if too_large.is_empty() {
        return Ok(table);
    }
    bail!(
        "{table}too large: {}. If that is what is wanted, record it: \
         `cargo sizes --profile {profile} --record`",
        too_large.join(", ")
    )
}

/// Records the sizes of a profile.
///
/// # Errors
/// The file cannot be read or written.
pub fn record(profile: &str, built: &[Built]) -> anyhow::Result<()> {
    let mut document: DocumentMut = read()?.parse().context("infra/sizes.toml")?;
    let mut table = Table::new();
    for (function, bytes) in sizes(built) {
        table[&function] = value(i64::try_from(bytes)?);
    }
    document[profile] = Item::Table(table);
    std::fs::write(path(), document.to_string()).context("infra/sizes.toml")
}

fn path() -> std::path::PathBuf {
    root().join("infra/sizes.toml")
}

fn read() -> anyhow::Result<String> {
    std::fs::read_to_string(path()).context("infra/sizes.toml")
}

fn sizes(built: &[Built]) -> Sizes {
    built.iter().map(|built| (built.function.clone(), built.bytes)).collect()
}

/// What a file has for a profile; nothing when it has no such table.
fn recorded(profile: &str, text: &str) -> anyhow::Result<Sizes> {
    let document: DocumentMut = text.parse().context("infra/sizes.toml")?;
    let Some(table) = document.get(profile).and_then(Item::as_table) else {
        return Ok(Sizes::new());
    };
    let size = |(function, bytes): (&str, &Item)| {
        let bytes = bytes.as_integer().and_then(|bytes| u64::try_from(bytes).ok());
        Ok((function.to_owned(), bytes.with_context(|| format!("{function} is no size"))?))
    };
    table.iter().map(size).collect()
}

/// The table, and which binaries are too large.
fn compare(recorded: &Sizes, measured: &Sizes) -> (String, Vec<String>) {
    let mut table = format!("{:<16} {:>10} {:>10}\n", "function", "bytes", "recorded");
    let mut too_large = Vec::new();
    for (function, &bytes) in measured {
        let before = recorded.get(function).copied();
        let told = before.map_or("none".to_owned(), |before| before.to_string());
        let change = before.filter(|before| *before > 0).map_or(String::new(), |before| {
            format!(" {:+.1} %", (bytes as f64 / before as f64 - 1.0) * 100.0)
        });
        let _ = writeln!(table, "{function:<16} {bytes:>10} {told:>10}{change}");
        if before.is_none_or(|before| bytes * 5 > before * 6) {
            too_large.push(function.clone());
        }
    }
    (table, too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes_of(pairs: &[(&str, u64)]) -> Sizes {
        pairs.iter().map(|(function, bytes)| ((*function).to_owned(), *bytes)).collect()
    }

    #[test]
    fn more_than_a_fifth_is_too_much() {
        let recorded = sizes_of(&[("worker", 1000), ("sweep", 1000), ("gone", 5)]);
        let cases = [(1200, false), (1201, true), (1, false)];
        for (bytes, expected) in cases {
            let measured = sizes_of(&[("worker", bytes), ("sweep", 1000)]);
            let (table, too_large) = compare(&recorded, &measured);
            assert_eq!(too_large, if expected { vec!["worker"] } else { vec![] }, "{table}");
        }
        let (table, too_large) = compare(&recorded, &sizes_of(&[("new", 1)]));
        assert_eq!(too_large, ["new"], "what nobody recorded: {table}");
        assert!(table.contains("none"), "{table}");
    }

    #[test]
    fn each_profile_has_its_own_table() {
        let text = "# sizes\n[release]\nworker = 7\n[ci]\nworker = 9\n";
        assert_eq!(recorded("ci", text).unwrap(), sizes_of(&[("worker", 9)]));
        assert_eq!(recorded("dev", text).unwrap(), Sizes::new());
        assert!(recorded("ci", "[ci]\nworker = -1").is_err());
    }
}
