//! `tollgate stack`: what concerns the whole deployment.
//!
//! Deliberately not here: what CloudFormation knows of a stack ([`StackSettings`](super::StackSettings)).

use clap::Subcommand;
use serde_json::{Value, json};
use tollgate_core::binding::InUse;
use tollgate_core::ledger::StackRecord;
use tollgate_core::mismatch::Mismatch;
use tollgate_core::ports::{Clock, Ledger, Ports};
use tollgate_core::text::one_line;
use tollgate_functions::adapters::system::SystemEntropy;
use tollgate_operator::{OperateStack, StackAct};

use super::confirm::ConsentAnswer;
use super::on_record::{OnRecord, by};
use super::table::{fields, table};
use super::{Context, Exit, Failure, Io};

/// What to do with the stack as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum Stack {
    /// Shows what the stack belongs to, and what its key and its pool are.
    ///
    /// It fails (1) when they are not the same: then nothing is decided for anybody.
    #[command(after_help = SHOW)]
    Show,
    /// Lets the stack belong to the Stripe account and the user pool that it has now.
    ///
    /// Only for a stack that is to move there. With a key or a pool that was set by mistake, set
    /// the right one instead: everybody's subscriptions and users are missing in another.
    #[command(after_help = REBIND)]
    Rebind(OnRecord),
    /// Takes nothing from anybody until that ends: no lower plan, no closing, no cancellation.
    ///
    /// For when something is wrong, and it is not known yet what. Whoever buys is served; whoever
    /// would lose something waits. Workers know it within a minute.
    #[command(after_help = FREEZE)]
    Freeze(OnRecord),
    /// Ends a freeze: what waited goes on, within a quarter of an hour.
    #[command(after_help = UNFREEZE)]
    Unfreeze(OnRecord),
}

const SHOW: &str = "\
Examples:
  tollgate --stack shop stack show
  tollgate --stack shop stack show --json | jq .fits";

const REBIND: &str = "\
Examples:
  tollgate --stack shop stack rebind --why 'a new sandbox' --dry-run
  tollgate --stack shop stack rebind --why 'the company has a new Stripe account'";

const FREEZE: &str = "\
Examples:
  tollgate --stack shop stack freeze --why 'customers lose their plan, nobody knows why'
  tollgate --stack shop stack freeze --why 'the prices look wrong' --yes";

const UNFREEZE: &str = "\
Examples:
  tollgate --stack shop stack unfreeze --why 'the catalog is mended'";

pub(super) async fn run<C: Clock>(
    command: Stack,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    match command {
        // Whatever is wrong with a key must not be in the way.
        Stack::Freeze(options) => freeze(StackAct::Freeze, options, context, io).await,
        Stack::Unfreeze(options) => freeze(StackAct::Unfreeze, options, context, io).await,
        Stack::Show => {
            let ports = context.functions_ports().await?;
            let (in_use, stack) = (InUse::of(&ports).await?, ports.ledger.stack().await?);
            show(&stack, &in_use, context.json, io)
        }
        Stack::Rebind(options) => {
            let ports = context.functions_ports().await?;
            let (in_use, stack) = (InUse::of(&ports).await?, ports.ledger.stack().await?);
            rebind(options, &stack, &in_use, &ports.ledger, context, io).await
        }
    }
}

async fn freeze<C: Clock>(
    act: StackAct,
    options: OnRecord,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let by = by(options.by, context)?;
    let ledger = context.ledger().await?;
    let stack = ledger.stack().await?;
    let next = act.change(&stack, &options.why);
    if !context.json {
        let told = |frozen: &Option<String>| frozen.clone().unwrap_or_else(|| "no".to_owned());
        fields(&[("Frozen", format!("{} → {}", told(&stack.frozen), told(&next.frozen)))], io)?;
    }
    let answer = options.consent.ask(next != stack, context.json, io)?;
    let event = match answer {
        ConsentAnswer::Do => {
            let operate =
                OperateStack { ledger: &ledger, clock: &context.clock, entropy: &SystemEntropy };
            Some(operate.act(&act, &by, &options.why).await?)
        }
        ConsentAnswer::Nothing | ConsentAnswer::DryRun => None,
    };
    let told = event.as_ref().map(ToString::to_string);
    if context.json {
        let frozen = if event.is_some() { &next.frozen } else { &stack.frozen };
        writeln!(io.out, "{:#}", json!({ "frozen": frozen, "event": told }))?;
    } else if let Some(event) = told {
        writeln!(io.out, "\nOn record: {event}")?;
    }
    Ok(if answer == ConsentAnswer::DryRun { Exit::WouldChange } else { Exit::Done })
}

/// Whether a command that compares or writes is in front of what the stack belongs to.
///
/// # Errors
/// It is not, or it cannot be asked.
pub(super) async fn must_belong<P: Ports>(ports: &P) -> Result<(InUse, StackRecord), Failure> {
    let (in_use, stack) = (InUse::of(ports).await?, ports.ledger().stack().await?);
    in_use.fits(&stack)?;
    Ok((in_use, stack))
}

fn show(stack: &StackRecord, in_use: &InUse, json: bool, io: &mut Io<'_>) -> Result<Exit, Failure> {
    let mismatch = in_use.fits(stack).err();
    if json {
        writeln!(io.out, "{:#}", document(stack, in_use))?;
    } else {
        let row = |what: &str, belongs: &Option<String>, uses: String| {
            vec![what.to_owned(), belongs.clone().unwrap_or("nobody has said yet".into()), uses]
        };
        let unread = "not known: the key may not read its account".to_owned();
        let rows = [
            row(
                "Stripe account",
                &stack.stripe_account,
                in_use.stripe_account.clone().unwrap_or(unread),
            ),
            row("User pool", &stack.pool, in_use.pool.clone().unwrap_or_default()),
        ];
        table(&["", "THE STACK'S", "IN USE"], &rows, io)?;
        if let Some(why) = &stack.frozen {
            let why = one_line(why);
            writeln!(io.out, "\nFrozen: nothing is taken from anybody. {why}")?;
        }
    }
    Ok(match mismatch {
        None => Exit::Done,
        Some(mismatch) => {
            if !json {
                writeln!(io.out, "\n{mismatch}")?;
            }
            Exit::Failed
        }
    })
}

async fn rebind<L: Ledger, C: Clock>(
    options: OnRecord,
    stack: &StackRecord,
    in_use: &InUse,
    ledger: &L,
    context: &Context<'_, C>,
    io: &mut Io<'_>,
) -> Result<Exit, Failure> {
    let by = by(options.by, context)?;
    let act = StackAct::Rebind(in_use.clone());
    let changes = act.change(stack, &options.why) != *stack;
    if !context.json {
        let none = || "none".to_owned();
        let moves = |from: &Option<String>, to: &Option<String>| match (from, to) {
            (from, to) if from == to => from.clone().unwrap_or_else(none),
            (from, to) => {
                let [from, to] = [from, to].map(|it| it.clone().unwrap_or_else(none));
                format!("{from} → {to}")
            }
        };
        let rows = [
            ("Stripe account", moves(&stack.stripe_account, &in_use.stripe_account)),
            ("User pool", moves(&stack.pool, &in_use.pool)),
        ];
        fields(&rows, io)?;
    }
    let answer = options.consent.ask(changes, context.json, io)?;
    let event = match answer {
        ConsentAnswer::Do => {
            let operate = OperateStack { ledger, clock: &context.clock, entropy: &SystemEntropy };
            Some(operate.act(&act, &by, &options.why).await?)
        }
        ConsentAnswer::Nothing | ConsentAnswer::DryRun => None,
    };
    if context.json {
        let mut document = document(stack, in_use);
        document["changes"] = changes.into();
        document["event"] = event.as_ref().map_or(Value::Null, |event| event.to_string().into());
        writeln!(io.out, "{document:#}")?;
    } else {
        match (&event, answer) {
            (Some(event), _) => {
                writeln!(
                    io.out,
                    "\nOn record: {event}\nAccounts that wait look again within the hour; \
                     `tollgate reconcile --repair` wakes those that differ now."
                )?;
            }
            (None, ConsentAnswer::Nothing) => writeln!(io.out, "\nNothing to change.")?,
            (None, _) => {}
        }
    }
    Ok(if answer == ConsentAnswer::DryRun { Exit::WouldChange } else { Exit::Done })
}

fn document(stack: &StackRecord, in_use: &InUse) -> Value {
    json!({
        "stripe_account": { "stack": stack.stripe_account, "in_use": in_use.stripe_account },
        "pool": { "stack": stack.pool, "in_use": in_use.pool },
        "fits": in_use.fits(stack).is_ok(),
        "frozen": stack.frozen,
    })
}

impl From<Mismatch> for Failure {
    fn from(mismatch: Mismatch) -> Self {
        Self::refused(mismatch.problem(), mismatch.mend())
    }
}
