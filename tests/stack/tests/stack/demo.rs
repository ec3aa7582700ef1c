//! The demo plays through, and a broken function is noticed.

use tollgate_local::demo;
use tollgate_local::stack::Broken;

use crate::pages::{reworded, text};

#[tokio::test]
async fn the_demo_shows_a_whole_life_and_proves_it() {
    let mut out = Vec::new();
    assert!(demo::run(&mut out, None).await.unwrap());
    let out = String::from_utf8(out).unwrap();
    for told in ["GET /hello", " 403 ", " 200 ", " 409 ", " 429 ", "decision", "holds"] {
        assert!(out.contains(told), "nothing of {told:?} in\n{out}");
    }
    assert!(!out.contains("BROKEN"), "{out}");
    is_what_the_pages_show(&out);
}

/// docs/demo.md has the whole of it, and README one unbroken run of its lines, with other ports and
/// ids.
fn is_what_the_pages_show(out: &str) {
    let out = lines(out);
    let page = lines(shown(&text("docs/demo.md")));
    for (n, (told, printed)) in page.iter().zip(&out).enumerate() {
        assert_eq!(told, printed, "docs/demo.md, line {} of what it shows", n + 1);
    }
    assert_eq!(page.len(), out.len(), "docs/demo.md shows all that is printed");
    let readme = lines(shown(&text("README.md")));
    let is_part = out.windows(readme.len()).any(|part| part == readme);
    assert!(is_part, "the demo does not print, in one piece,\n{}", readme.join("\n"));
}

/// What a page says is the demo's output.
fn shown(page: &str) -> &str {
    let (_, shown) = page.split_once("<!-- demo -->\n```text\n").expect("it is marked");
    shown.split_once("```\n<!-- /demo -->").expect("it ends").0
}

fn lines(text: &str) -> Vec<String> {
    masked(text.trim_start()).lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A text without what is otherwise each time: ports, and names that somebody has thrown dice for.
fn masked(text: &str) -> String {
    reworded(text, |before, word| {
        let named = before.ends_with("usage plan ") || is_made_up(word);
        let port = before.ends_with("127.0.0.1:");
        if named || port { "#".to_owned() } else { word.to_owned() }
    })
}

fn is_made_up(word: &str) -> bool {
    let has = |kind: fn(&char) -> bool| word.chars().any(|it| kind(&it));
    let of_stripe = ["evt_", "sub_", "dp_", "bps_", "cs_", "cus_"];
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic);
    of_stripe.iter().any(|prefix| word.starts_with(prefix)) || (mixed && word.len() >= 10)
}

#[tokio::test]
async fn a_worker_that_does_nothing_is_noticed() {
    assert!(!demo::run(Vec::new(), Some(Broken::Worker)).await.unwrap());
}

#[tokio::test]
async fn a_webhook_that_does_nothing_is_noticed() {
    assert!(!demo::run(Vec::new(), Some(Broken::Webhook)).await.unwrap());
}

#[tokio::test]
async fn an_eventbridge_target_that_does_nothing_is_noticed() {
    assert!(!demo::run(Vec::new(), Some(Broken::Eventbridge)).await.unwrap());
}
