//! What a person sees: on terminals of 80 and of 60 columns, and where nothing answers.
//!
//! Snapshots: after a change that is meant, `INSTA_UPDATE=always` writes them anew, and the
//! difference is reviewed with the change.

use anyhow::Context;
use serde_json::Value;
use tollgate::cli::definition;

use super::habits::leaves;
use super::{Input, filled, prepared};
use crate::pages::reworded;

const NONE: Input = Input::Piped("");

/// What is looked at every day.
const SCREENS: &[&str] = &[
    "account show ann@example.com",
    "account list",
    "account history ann@example.com",
    "events list",
    "events show {paid}",
    "plans show {plans}",
    "reconcile --plans {plans}",
    "doctor {plans}",
];

/// Compares a text with the one that is kept under this name.
pub(super) fn assert_shows(name: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => "snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

/// A text in which what is otherwise each time has the same length, so that lines break where they
/// did: of ids and ports only the kind is left.
fn alike(text: &str) -> String {
    reworded(text, |before, word| {
        let port = before.ends_with("127.0.0.1:");
        if port { "0".repeat(word.len()) } else { without_dice(word) }
    })
}

/// A word that somebody has thrown dice for: an id of Stripe's behind its prefix, a long word of
/// letters and digits.
fn without_dice(word: &str) -> String {
    let prefixes = ["evt_", "sub_", "dp_", "cus_", "price_", "prod_", "we_", "op_", "in_"];
    let prefix = prefixes.into_iter().find(|prefix| word.starts_with(prefix)).unwrap_or_default();
    let has = |kind: fn(&char) -> bool| word.chars().any(|it| kind(&it));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_lowercase);
    // Ids of API Gateway's; a word of ours of that length is lost with them.
    let of_gateway = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let of_gateway = word.len() == 10 && word.chars().all(of_gateway);
    let of_gateway = of_gateway && word != "attributes";
    let is_day = word.starts_with("2026-");
    let is_long = mixed && word.len() >= 10;
    if is_day || !(of_gateway || is_long || !prefix.is_empty()) {
        return word.to_owned();
    }
    let masked = |it: char| if it.is_ascii_alphanumeric() { 'x' } else { it };
    prefix.chars().chain(word[prefix.len()..].chars().map(masked)).collect()
}

/// The rows of a list, of which those of one instant stand as their ids have it.
fn in_order(list: &str) -> String {
    let mut lines: Vec<_> = list.lines().collect();
    lines[1..].sort_unstable();
    lines.join("\n")
}

#[tokio::test]
async fn what_is_looked_at_every_day_fits_a_narrow_terminal() -> anyhow::Result<()> {
    let (mut operator, mut words) = prepared().await?;
    let paid = operator.tollgate("events list --type invoice.paid --json", NONE).await;
    let paid: Value = serde_json::from_str(&paid.out)?;
    let paid = paid["events"][0]["id"].as_str().context("she has paid")?;
    words.push(("{paid}", paid.to_owned()));
    for columns in [80, 60] {
        operator.columns = Some(columns);
        for line in SCREENS {
            let said = operator.tollgate(&filled(line, &words), NONE).await;
            let name: Vec<_> = line.split(' ').filter(|it| !it.contains(['@', '{', '-'])).collect();
            let text = alike(&format!("{}{}", said.out, said.err));
            let text = if name[1..] == ["list"] { in_order(&text) } else { text };
            assert_shows(&format!("{}-{columns}", name.join("-")), &text);
        }
    }
    Ok(())
}

/// Of every command, whatever its depth.
#[tokio::test]
async fn every_help_fits_a_narrow_terminal() -> anyhow::Result<()> {
    let (mut operator, _) = prepared().await?;
    let mut commands = vec![String::new()];
    leaves(&definition(), "", &mut commands);
    for columns in [80, 60] {
        operator.columns = Some(columns);
        let mut all = String::new();
        for command in &commands {
            let said = operator.run(&format!("{command} --help"), NONE).await;
            let (prose, _) = said.out.split_once("\nExample").unwrap_or((&said.out, ""));
            let broken = prose.lines().filter(|line| line.chars().count() > columns.into());
            assert_eq!(broken.collect::<Vec<_>>(), Vec::<&str>::new(), "{command} at {columns}");
            all.push_str(&format!("$ tollgate {command} --help\n{}\n", said.out));
        }
        assert_shows(&format!("help-{columns}"), &all);
    }
    Ok(())
}

/// Where nothing listens: one line, and its mend.
#[tokio::test]
async fn without_a_network_it_is_said_in_a_line() -> anyhow::Result<()> {
    let (mut operator, words) = prepared().await?;
    operator.environment.insert("STRIPE_API_BASE", "http://127.0.0.1:9".into());
    operator.columns = Some(60);
    for line in ["events list --from-stripe --since 1h", "webhook apply --plans {plans}"] {
        let said = operator.tollgate(&filled(line, &words), NONE).await;
        assert_eq!((said.exit, said.out.as_str()), (2, ""), "{line}: {said:?}");
        let name = line.split(' ').take(2).collect::<Vec<_>>().join("-");
        assert_shows(&format!("{name}-without-network"), &alike(&said.err));
    }
    Ok(())
}
