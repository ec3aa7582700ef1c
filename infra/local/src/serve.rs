//! What `cargo local` does: the stack in real time, until somebody stops it.
//!
//! *Guarantees.* The stack's clock never shows more than real time, whatever its functions wait
//! for (the control plane's budget of many sign-ups is minutes): what is signed, dated or listed
//! now is of now.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use jiff::SignedDuration;
use tollgate_core::ports::Clock;
use tollgate_standin::api_gateway::Wall;
use tollgate_standin::clock::VirtualClock;

use crate::guide;
use crate::stack::{Options, Stack};

/// How often the stack's clock is set and what is under way is passed on.
const TICK: Duration = Duration::from_millis(200);

/// How often the sweep runs.
const SWEEP_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// How many requests a second each endpoint of Stripe's takes, if nobody asks for more.
/// <https://docs.stripe.com/rate-limits>
const STRIPE_RATE: u32 = 25;

/// Starts a stack that runs in real time, with the limits that AWS and Stripe have; [`serve`]
/// runs it.
///
/// # Errors
/// As for [`Stack::start`].
pub async fn start(port: Option<u16>, real: &impl Clock) -> anyhow::Result<Stack> {
    let start = real.now();
    let clock = VirtualClock::starting_at(start).in_real_time();
    let options = Options { port, start, storefront: true, ..Options::default() };
    let stack = Stack::start_on(clock, options).await?;
    stack.world.api_gateway.set_wall(Some(Wall::default()));
    stack.world.stripe.account().settings_mut().requests_per_second = Some(STRIPE_RATE);
    Ok(stack)
}

/// Runs it for ever: delivers what is under way, sweeps, and tells of Cognito's mails.
///
/// # Errors
/// A part of the stack failed, or the output is closed.
pub async fn serve(stack: &Stack, real: &impl Clock, out: &mut impl Write) -> anyhow::Result<()> {
    // Beside the work, which may wait: whoever signs up gets their code at once.
    let time = async {
        let mut mails = BTreeSet::new();
        loop {
            stack.world.stripe.advance_to(real.now());
            for mail in guide::mails(stack, &mut mails) {
                writeln!(out, "{mail}")?;
            }
            tokio::time::sleep(TICK).await;
        }
    };
    tokio::select! {
        ended = time => ended,
        ended = work(stack, real) => ended,
    }
}

async fn work(stack: &Stack, real: &impl Clock) -> anyhow::Result<()> {
    let mut swept = real.now();
    loop {
        if real.now().duration_since(swept) >= SWEEP_EVERY {
            swept = real.now();
            stack.sweep().await?;
        }
        stack.settle().await?;
        tokio::time::sleep(TICK).await;
    }
}
