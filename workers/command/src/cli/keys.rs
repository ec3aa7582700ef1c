//! `tollgate keys forecast`: when the API keys will be used up.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};
use tollgate_core::ledger::KeyCount;
use tollgate_core::ports::{Clock, Ledger};
use tollgate_operator::{
    Forecast, KeyStock, Minted, Pace, Reached, count_keys, forecast as foresee, minted,
};

use super::stack::PlansOption;
use super::table::{fields, table_with_red};
use super::{Context, Exit, Failure, Io, Setting};

/// What to do with the keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Tells how many keys there are, and when they will be used up at the pace of late.
    ///
    /// AWS allows 10,000 keys in an account and Region, everybody's together, and does not raise
    /// that. Below the policy's reserve only those who pay get a key: then it fails (1).
    #[command(after_help = EXAMPLES)]
    Forecast(Options),
}

const EXAMPLES: &str = "\
Examples:
  tollgate --stack shop keys forecast           with the last hourly comparison's count
  tollgate --stack shop keys forecast --count   counts anew: a call for each 500 keys";

/// The options of `forecast`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Count the keys that there are now, for this forecast alone: the count is not kept.
    #[arg(long)]
    count: bool,
    #[command(flatten)]
    plans: PlansOption,
}

/// What was seen, and what will come.
struct SeenKeys {
    stock: KeyStock,
    counted_at: Timestamp,
    ours: u64,
    minted: Minted,
    forecast: Forecast,
}

pub(super) async fn forecast<C: Clock>(
    options: Options,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let policy = context.plans_text(&options.plans).await?.draft()?.policy;
    let (ledger, now) = (context.ledger().await?, context.clock.now());
    let stack = context.settings().await?.need(Setting::Stack)?;
    let minted = minted(&ledger, now).await?;
    let (KeyCount { count, at }, ours) = if options.count {
        let live = count_keys(&context.api_gateway().await, stack).await?;
        (KeyCount { count: live.all, at: now }, live.ours)
    } else {
        let counted = ledger.stack().await?.keys.ok_or_else(|| {
            let problem = "nobody has counted the keys yet: the hourly comparison does";
            Failure::failed(problem, "Count them now: `tollgate keys forecast --count`")
        })?;
        (counted, minted.ours)
    };
    let stock = KeyStock::new(count, &policy);
    let forecast = foresee(&stock, &minted, now);
    let seen = SeenKeys { stock, counted_at: at, ours, minted, forecast };
    if context.json {
        writeln!(io.out, "{:#}", seen.json())?;
    } else {
        seen.print(io)?;
    }
    Ok(if seen.forecast.is_short() { Exit::Failed } else { Exit::Done })
}

impl SeenKeys {
    fn print(&self, io: &mut Io<'_>) -> Result<(), Failure> {
        let KeyStock { used, quota, reserve } = self.stock;
        let rows = [
            ("Keys", format!("{used} of {quota}, counted {:.0}", self.counted_at)),
            ("Ours", format!("{} ({} of accounts)", self.ours, self.minted.ours)),
            ("Reserve", format!("{reserve} for those who pay")),
        ];
        fields(&rows, io)?;
        writeln!(io.out)?;
        let rows: Vec<_> = self.forecast.paces.iter().map(row).collect();
        let short = self.forecast.is_short().then(|| "the last".to_owned());
        let headings = ["AT THE PACE OF", "NEW ACCOUNTS", "ONLY WHO PAYS", "NONE LEFT"];
        table_with_red(&headings, &rows, short.as_slice(), io)?;
        Ok(())
    }

    fn json(&self) -> Value {
        let reached = |it| match it {
            Reached::Already => json!("already"),
            Reached::At(at) => json!(at),
            Reached::Never => Value::Null,
        };
        let pace = |it: &Pace| {
            json!({
                "days": it.days,
                "new_accounts": it.keys,
                "reserve_reached": reached(it.reserve),
                "quota_reached": reached(it.quota),
            })
        };
        json!({
            "keys": self.stock.used,
            "counted_at": self.counted_at,
            "quota": self.stock.quota,
            "reserve": self.stock.reserve,
            "ours": self.ours,
            "of_accounts": self.minted.ours,
            "paces": self.forecast.paces.iter().map(pace).collect::<Vec<_>>(),
        })
    }
}

fn row(pace: &Pace) -> Vec<String> {
    let told = |reached| match reached {
        Reached::Already => "now".to_owned(),
        Reached::At(at) => at.strftime("%Y-%m-%d").to_string(),
        Reached::Never => "not in sight".to_owned(),
    };
    let days = format!("the last {} days", pace.days);
    vec![days, pace.keys.to_string(), told(pace.reserve), told(pace.quota)]
}
