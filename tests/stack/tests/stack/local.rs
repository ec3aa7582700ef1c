//! `cargo local`, as somebody uses it: its clock, its faces for websites, its printed walk.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tollgate_core::ports::{Clock, Ledger};
use tollgate_events::AccountId;
use tollgate_functions::adapters::system::SystemClock;
use tollgate_local::customer::Customer;
use tollgate_local::stack::Stack;
use tollgate_local::{guide, serve};

/// Runs the stack as `cargo local` does, as long as somebody lives on it.
async fn meanwhile(
    stack: &Stack,
    life: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let mut out = Vec::new();
    tokio::select! {
        ended = serve::serve(stack, &SystemClock, &mut out) => ended.context("it ended"),
        lived = life => lived,
    }
}

/// Looks often, and gives up some time.
async fn until(what: &str, is_so: impl AsyncFn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    for _ in 0..600 {
        if is_so().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("it never came to that: {what}")
}

/// More sign-ups than the control plane's budget takes at once: they wait in real time, and the
/// clock of what is signed and dated shows no more than that.
#[tokio::test]
async fn waiting_for_a_budget_takes_the_clock_into_no_future() -> anyhow::Result<()> {
    let stack = serve::start(None, &SystemClock).await?;
    let life = async {
        let names: Vec<_> = (0..6).map(|n| format!("user-{n}")).collect();
        for name in &names {
            Customer::new(&stack, name).sign_up().await?;
        }
        until("everybody has a key", async || {
            let (clock, now) = (stack.clock().time(), SystemClock.now());
            ensure!(clock <= now, "{clock} is not yet: it is {now}");
            let mut keys = 0;
            for user in stack.world.cognito.users() {
                let account = stack.ledger.account(&AccountId::parse(user.sub)?).await?;
                keys += usize::from(account.is_some_and(|account| account.key().is_some()));
            }
            Ok(keys == names.len())
        })
        .await
    };
    meanwhile(&stack, life).await
}

/// A seller develops a website on another port: each face answers what its browser asks first.
#[tokio::test]
async fn a_website_on_another_port_may_ask_every_face() -> anyhow::Result<()> {
    let stack = serve::start(None, &SystemClock).await?;
    let urls = &stack.urls;
    for (url, method) in [
        (format!("{}/account/plan", urls.tollgate), "POST"),
        (format!("{}/prod/hello", urls.api), "GET"),
        (format!("{}/v1/customers", urls.stripe), "POST"),
        (format!("{}/", urls.aws), "POST"),
    ] {
        let preflight = stack.http.request("OPTIONS".parse()?, &url);
        let preflight = preflight
            .header("origin", "http://localhost:3000")
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization,content-type,x-amz-target");
        let answer = preflight.send().await?;
        assert!(answer.status().is_success(), "{url}: {answer:?}");
        for header in ["origin", "methods", "headers"] {
            let header = format!("access-control-allow-{header}");
            assert_eq!(answer.headers()[&header], "*", "{url}: {header}");
        }
        let asked = stack.http.request(method.parse()?, &url).header("origin", "http://a.example");
        let answer = asked.send().await?;
        assert_eq!(answer.headers()["access-control-allow-origin"], "*", "{url}");
    }
    Ok(())
}

/// Pastes commands into a shell; what it printed.
async fn pasted(shell: &str, commands: &str) -> anyhow::Result<String> {
    let mut child = Command::new(shell)
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{shell}` is needed, with curl and jq"))?;
    child.stdin.take().context("it has one")?.write_all(commands.as_bytes()).await?;
    let output = child.wait_with_output().await?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && err.is_empty(), "{shell}: {err}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The POSIX shells of this machine; `sh` there is everywhere.
fn shells() -> Vec<&'static str> {
    let runs = |shell: &str| std::process::Command::new(shell).args(["-c", ":"]).status();
    let is_there = |shell: &&str| runs(shell).is_ok_and(|status| status.success());
    let others = ["bash", "zsh", "ksh", "mksh", "yash"];
    std::iter::once("sh").chain(others.into_iter().filter(is_there)).collect()
}

/// What a terminal's zsh takes for something else than `sh` does, each with what stands before it:
/// history (`!`, in double quotes too), a comment, a glob that matches nothing, a program's path
/// (`=word`).
/// <https://zsh.sourceforge.io/Doc/Release/Expansion.html>
fn pitfalls_of_zsh(commands: &str) -> Vec<String> {
    let (mut quote, mut before, mut found) = (None, ' ', Vec::new());
    for (at, character) in commands.char_indices() {
        let begins = before.is_whitespace();
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), it) if open == it => quote = None,
            (None | Some('"'), '!') | (None, '?' | '*' | '[') => found.push(commands[..=at].into()),
            (None, '#' | '=') if begins => found.push(commands[..=at].into()),
            _ => {}
        }
        before = character;
    }
    found
}

#[tokio::test]
async fn the_printed_walk_has_nothing_that_zsh_takes_for_something_else() -> anyhow::Result<()> {
    for (taken, count) in [
        ("curl http://a.example/b?c=d", 1),
        ("curl 'http://a.example/b?c=d'  # why", 1),
        ("echo \"Hello!\" 'Hello!'", 1),
        ("=ls a[1] b*", 3),
        ("CODE=1; until a=b; do c -d '{\"d\":[1]}'; done", 0),
    ] {
        assert_eq!(pitfalls_of_zsh(taken).len(), count, "{taken}");
    }
    let stack = serve::start(None, &SystemClock).await?;
    for part in guide::walk(&stack) {
        assert_eq!(pitfalls_of_zsh(&part), Vec::<String>::new());
    }
    Ok(())
}

#[tokio::test]
async fn the_printed_walk_works_in_every_posix_shell() -> anyhow::Result<()> {
    for shell in shells() {
        let stack = serve::start(None, &SystemClock).await?;
        let [sign_up, code, buy] = guide::walk(&stack);
        assert!(guide::guide(&stack)?.contains(&sign_up), "it is what is printed");
        let life = async {
            let signed_up = pasted(shell, &sign_up).await?;
            assert!(signed_up.contains("UserSub"), "{signed_up}");
            let mailed = stack.world.cognito.code("ann").context("nothing was mailed")?;
            let code = code.replace("123456", &mailed);
            // The terminal is still the same; here it is a new one.
            let (cognito, _) = sign_up.split_once("  cognito SignUp").context("it signs up")?;
            let walked = pasted(shell, &format!("{cognito}{code}{buy}")).await?;
            for told in ["\"plan\": \"free\"", "200 OK", "{\"message\":\"hello\"}", "/pay/"] {
                assert!(walked.contains(told), "{shell}: {told} is not in {walked}");
            }
            Ok(())
        };
        meanwhile(&stack, life).await?;
    }
    Ok(())
}
