//! `tollgate account list`: who has which plan, page by page.

use clap::Args;
use serde_json::{Value, json};
use tollgate_core::account::{Account, Known, PlanId, Status};
use tollgate_core::ports::{Clock, Ledger};
use tollgate_core::shell::quoted;

use crate::cli::table::{counted, table};
use crate::cli::{Context, Exit, Failure, Io};

/// The options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only accounts with this plan; `none` for those without one.
    #[arg(long)]
    plan: Option<String>,
    /// Only accounts that stand so: active, held, disabled, closed, …
    #[arg(long, value_parser = status)]
    status: Option<Status>,
    /// How many, at least, if there are as many: whole pages are read.
    #[arg(long, value_name = "N", default_value = "100")]
    limit: usize,
    /// Goes on where the last list ended.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
}

fn status(text: &str) -> Result<Status, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
}

pub(super) async fn run<C: Clock>(
    options: &List,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let ledger = context.ledger().await?;
    let (mut found, mut unreadable, mut next) = (Vec::new(), 0, options.after.clone());
    loop {
        let page = ledger.accounts(next.as_deref()).await?;
        unreadable += page.unreadable.len();
        found.extend(page.items.into_iter().filter(|account| options.selects(account)));
        next = page.next;
        if next.is_none() || found.len() >= options.limit {
            break;
        }
    }
    if context.json {
        let accounts: Vec<_> = found.iter().map(document).collect();
        let document = json!({ "accounts": accounts, "unreadable": unreadable, "next": next });
        writeln!(io.out, "{document:#}")?;
        return Ok(Exit::Done);
    }
    let rows: Vec<_> = found.iter().map(row).collect();
    table(&["ACCOUNT", "PLAN", "STATUS", "REASON"], &rows, io)?;
    if unreadable > 0 {
        writeln!(io.out, "{} cannot be read.", counted(unreadable, "account"))?;
    }
    match next {
        Some(cursor) => {
            let options = options.line(&cursor);
            context.progress(&format!("There are more: `tollgate account list{options}`"), io)?;
        }
        None if found.is_empty() => writeln!(io.out, "No such accounts.")?,
        None => {}
    }
    Ok(Exit::Done)
}

impl List {
    fn selects(&self, account: &Account) -> bool {
        let plan = account.access.plan.as_ref().map_or("none", PlanId::as_str);
        account.known() > Known::Nothing
            && self.plan.as_deref().is_none_or(|wanted| wanted == plan)
            && self.status.is_none_or(|wanted| wanted == account.access.status)
    }

    /// The options that go on from a cursor.
    fn line(&self, cursor: &str) -> String {
        let plan = self.plan.as_ref().map(|plan| format!(" --plan {}", quoted(plan)));
        let word = |status| json!(status).as_str().map(|word| format!(" --status {word}"));
        let status = self.status.and_then(word);
        let parts = [plan, status, Some(format!(" --limit {}", self.limit))];
        let options: String = parts.into_iter().flatten().collect();
        format!("{options} --after {}", quoted(cursor))
    }
}

fn row(account: &Account) -> Vec<String> {
    let access = &account.access;
    vec![
        account.id.to_string(),
        access.plan.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string),
        access.status.to_string(),
        access.reason.to_string(),
    ]
}

fn document(account: &Account) -> Value {
    let access = &account.access;
    json!({
        "account": account.id,
        "plan": access.plan,
        "status": access.status,
        "reason": access.reason.to_string(),
        "customers": access.customers,
    })
}
