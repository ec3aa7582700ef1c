//! The demo's printout. Nothing is narrated: every line is read back from an HTTP
//! answer, from Stripe's list of events, from the ledger, or from the log of calls.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use jiff::{SignedDuration, Timestamp};
use tollgate_core::ledger::{Entry, StoredEvent};
use tollgate_core::ports::Ledger;
use tollgate_events::{AccountId, EventRef};
use tollgate_standin::calls::Call;
use tollgate_standin::calls::Service;

use crate::customer::HttpAnswer;
use crate::stack::Stack;

/// What has been printed already, and where the rest goes.
pub struct Timeline<'a, W> {
    stack: &'a Stack,
    out: W,
    events: BTreeMap<EventRef, u64>,
    versions: BTreeMap<AccountId, u64>,
    stripe_events: BTreeSet<String>,
    from: Timestamp,
}

impl<'a, W: Write> Timeline<'a, W> {
    /// A timeline that begins now.
    pub fn new(stack: &'a Stack, out: W) -> Self {
        let from = stack.clock().time();
        // What the seller has in Stripe's catalog before the first customer comes.
        let stripe = stack.world.stripe.account();
        let shown = stripe.events().map(|event| event.id.clone()).collect();
        drop(stripe);
        Self {
            stack,
            out,
            events: BTreeMap::new(),
            versions: BTreeMap::new(),
            stripe_events: shown,
            from,
        }
    }

    /// The clock, on a line of its own.
    ///
    /// # Errors
    /// The output is closed.
    pub fn clock(&mut self) -> anyhow::Result<()> {
        let now = self.stack.clock().time();
        writeln!(self.out, "\n{}", now.strftime("%Y-%m-%d %H:%M:%S"))?;
        Ok(())
    }

    /// What requests came to.
    ///
    /// # Errors
    /// The output is closed.
    pub fn answers(&mut self, who: &str, answers: &[HttpAnswer]) -> anyhow::Result<()> {
        for answer in answers {
            let HttpAnswer { request, status, location, .. } = answer;
            let said = match location {
                Some(location) => format!("→ {location}"),
                None => short(&answer.body),
            };
            writeln!(self.out, "  {who:<9} {request:<34} {status}  {said}")?;
        }
        Ok(())
    }

    /// What happened since the last time: in Stripe, on record, in the account, in calls.
    ///
    /// # Errors
    /// The ledger cannot be read, or the output is closed.
    pub async fn happened(&mut self, account: &AccountId) -> anyhow::Result<()> {
        let calls = self.stack.world.calls.take();
        self.stripe()?;
        self.records().await?;
        self.history(account).await?;
        self.calls(&calls)?;
        self.stack.world.calls.take();
        self.from = self.stack.clock().time();
        Ok(())
    }

    fn stripe(&mut self) -> anyhow::Result<()> {
        let account = self.stack.world.stripe.account();
        let mut new: Vec<_> =
            account.events().filter(|event| self.stripe_events.insert(event.id.clone())).collect();
        new.reverse();
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for event in new {
            match kinds.iter_mut().find(|(kind, _)| *kind == event.kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((event.kind, 1)),
            }
        }
        let kinds: Vec<_> = kinds
            .iter()
            .map(
                |(kind, count)| {
                    if *count > 1 { format!("{kind} ×{count}") } else { (*kind).into() }
                },
            )
            .collect();
        for (row, kinds) in kinds.chunks(3).enumerate() {
            let label = if row == 0 { "stripe" } else { "" };
            writeln!(self.out, "  {label:<9} {}", kinds.join(", "))?;
        }
        Ok(())
    }

    /// Events whose record is new, or was touched again.
    async fn records(&mut self) -> anyhow::Result<()> {
        let mut stored = Vec::new();
        let from = self.from.checked_sub(SignedDuration::from_hours(24))?;
        let now = self.stack.clock().time();
        let mut page = None;
        loop {
            let ledger = &self.stack.ledger;
            let events = ledger.events(from, now, page.as_deref()).await?;
            stored.extend(events.items);
            page = events.next;
            if page.is_none() {
                break;
            }
        }
        let listed: BTreeSet<_> = stored.iter().map(|event| event.record.event.clone()).collect();
        for event in self.events.keys().filter(|event| !listed.contains(*event)) {
            stored.extend(self.stack.ledger.event(event).await?);
        }
        stored.sort_by_key(|event| event.record.at);
        for event in stored {
            let seen = self.events.insert(event.record.event.clone(), event.attempts);
            if seen != Some(event.attempts) {
                self.record(&event)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, event: &StoredEvent) -> anyhow::Result<()> {
        let kind = event.record.envelope().map_or("", |envelope| envelope.kind.as_str());
        let outcome = event.record.outcome.as_str();
        let detail = event.record.detail.as_deref().unwrap_or_default();
        let id = short(event.record.event.id.as_str());
        writeln!(self.out, "  {:<9} {kind:<34} {outcome}  {id} {detail}", "event")?;
        Ok(())
    }

    /// The account's new history entries, oldest first.
    async fn history(&mut self, account: &AccountId) -> anyhow::Result<()> {
        let printed = self.versions.get(account).copied().unwrap_or_default();
        let mut entries = self.stack.ledger.history(account, None, 100).await?;
        entries.retain(|entry| entry.version > printed);
        entries.reverse();
        for entry in &entries {
            self.entry(entry)?;
            self.versions.insert(account.clone(), entry.version);
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> anyhow::Result<()> {
        let plan = |plan: &Option<_>| plan.as_ref().map_or("none".to_owned(), ToString::to_string);
        let (before, after) = (plan(&entry.before.plan), plan(&entry.after.plan));
        let change = if before == after { after } else { format!("{before} → {after}") };
        let status = format!("{:?}", entry.after.status).to_lowercase();
        let version = entry.version;
        writeln!(
            self.out,
            "  {:<9} {:<34} {}",
            "decision",
            format!("v{version} {change}, {status}"),
            entry.reason
        )?;
        let steps: Vec<_> = entry.steps.iter().map(|step| step.step.as_str()).collect();
        for step in steps {
            writeln!(self.out, "  {:<9} {step}", "step")?;
        }
        Ok(())
    }

    /// The calls that Tollgate made. Not counted: those of the customer, of Lambda's
    /// pollers, and the reads with which this timeline and the clock look ahead.
    fn calls(&mut self, calls: &[Call]) -> anyhow::Result<()> {
        let mut counts: BTreeMap<(Service, &str), usize> = BTreeMap::new();
        for call in calls.iter().filter(|call| is_tollgates(call)) {
            *counts.entry((call.service, call.operation)).or_default() += 1;
        }
        let mut service = None;
        for ((of, operation), count) in counts {
            let name = if service == Some(of) { String::new() } else { format!("{of}:") };
            service = Some(of);
            writeln!(self.out, "  {:<9} {name:<13} {operation} ×{count}", "call")?;
        }
        Ok(())
    }

    /// A line of its own.
    ///
    /// # Errors
    /// The output is closed.
    pub fn line(&mut self, text: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{text}")?;
        Ok(())
    }
}

/// Whether a call is one that Tollgate's functions make to do their work.
pub fn is_tollgates(call: &Call) -> bool {
    match call.service {
        Service::Stripe => call.operation.contains(" /v1/"),
        Service::ApiGateway => true,
        Service::Cognito => {
            ["AdminGetUser", "ListUsers", "AdminUpdateUserAttributes"].contains(&call.operation)
        }
        Service::DynamoDb => !["Query", "Scan", "BatchGetItem"].contains(&call.operation),
        Service::Sqs => ["SendMessage", "SendMessageBatch"].contains(&call.operation),
        Service::SecretsManager => call.operation == "PutSecretValue",
        Service::CloudFormation => false,
    }
}

/// The beginning of a text: bodies are for machines.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(44).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
