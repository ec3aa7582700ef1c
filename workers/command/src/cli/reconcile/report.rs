//! What a comparison found, for people and for programs.

use std::collections::BTreeMap;
use std::io::Result;

use indicatif::HumanCount;
use serde_json::{Value, json};
use tollgate_core::sweep::{Drift, DriftReport, Finding, FindingAbout};
use tollgate_operator::{Excess, ExcessOf, Repaired};

use super::super::table::{counted, number};
use super::super::{Colour, Io, left_out};

/// The first findings of each kind: no more are kept, however many there are.
pub(super) struct Findings {
    listed: usize,
    kinds: BTreeMap<Drift, Vec<String>>,
}

impl Findings {
    pub(super) fn new(listed: usize) -> Self {
        Self { listed, kinds: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        let kind = self.kinds.entry(finding.drift).or_default();
        if kind.len() < self.listed {
            kind.push(match finding.about {
                FindingAbout::Account(id) => id.to_string(),
                FindingAbout::Customer(id) => id.to_string(),
                FindingAbout::Key(key) => format!("{} {}", key.id, key.name),
            });
        }
    }

    fn of(&self, drift: Drift) -> &[String] {
        self.kinds.get(&drift).map_or(&[], Vec::as_slice)
    }
}

/// What a kind of drift means, and who mends it.
fn meaning(drift: Drift) -> &'static str {
    match drift {
        Drift::StaleLedger => {
            "the ledger says otherwise than API Gateway and Cognito, and nothing says why: was its \
             table restored from a backup? Nothing is done for them before \
             `tollgate reconcile --rebuild`"
        }
        Drift::Interrupted => "work on the account has begun and not ended",
        Drift::OldCatalog => "an older catalog decided the account",
        Drift::UserGone => "the user is not in the pool any more: an hour later they are closed",
        Drift::UserIsBack => {
            "closed because the user was gone, and the pool has them: `tollgate account release WHO --why TEXT`"
        }
        Drift::Decision => "Stripe and Cognito say otherwise than the ledger",
        Drift::KeyGone => "the key was deleted by hand: another will be made",
        Drift::UsagePlan => "the key is on no usage plan, on two, or on the wrong one",
        Drift::KeyState => "the key was enabled or disabled by hand",
        Drift::Attributes => "the user's attributes were edited",
        Drift::Ledger => "access is right, and the ledger tells otherwise",
        Drift::PaidForNothing => {
            "a closed account has a live subscription: cancel and refund it in Stripe"
        }
        Drift::NoAccount => "a confirmed user has no account: they will get one",
        Drift::Unlinked => {
            "somebody pays for a plan, and nothing says for whom: `tollgate account link WHO CUSTOMER \
             --why TEXT`"
        }
        Drift::Replaced => "a key of ours, older than its account's own: --repair deletes it",
        Drift::Orphan => {
            "a key of ours that no account names, and perhaps the newest of its owner: --repair \
             leaves it, unless it is named with --delete"
        }
        Drift::UnknownOwner => {
            "a key of a user whom the ledger does not know: was the table lost? \
             `tollgate reconcile --rebuild`"
        }
    }
}

/// What there would be too much of.
pub(super) fn sentence(excess: &Excess) -> String {
    let what = match excess.of {
        ExcessOf::Losing => "paying accounts would lose what they have",
        ExcessOf::Closing => "accounts would be closed, because their users are gone",
        ExcessOf::Deleting => "keys would be deleted",
        ExcessOf::Unlinked => {
            return format!(
                "neither this ledger nor this pool knows the owner of any of the {} keys of this stack: \
                 is it the stack's table, and its pool?",
                HumanCount(excess.count)
            );
        }
    };
    let (count, limit) = (HumanCount(excess.count), HumanCount(excess.limit));
    format!("{count} {what}, and the blast limit is {limit}")
}

pub(super) fn print(
    report: &DriftReport,
    findings: &Findings,
    too_much: &[Excess],
    io: &mut Io<'_>,
) -> Result<()> {
    writeln!(
        io.out,
        "{} ({} paying), {}, {}, {} of {} ours",
        counted(report.accounts, "account"),
        number(report.paying),
        counted(report.users, "user"),
        counted(report.subscriptions, "subscription"),
        number(report.keys_of_ours),
        counted(report.keys, "key"),
    )?;
    for (drift, count) in &report.found {
        let kind = io.paint(Colour::Yellow, drift.as_str());
        writeln!(io.out, "\n{count:>6}  {kind}: {}", meaning(*drift))?;
        let shown = findings.of(*drift);
        for one in shown {
            writeln!(io.out, "        {one}")?;
        }
        if *count > shown.len() {
            writeln!(io.out, "        … and {} more: --list", count - shown.len())?;
        }
    }
    if report.left_alone > 0 {
        let left = "accounts were not compared: a worker holds them, a newer catalog than this \
                    file decided them, or a row of theirs cannot be read";
        writeln!(io.out, "\n{:>6}  {}", report.left_alone, io.paint(Colour::Yellow, left))?;
        writeln!(io.out, "        Look again in a minute; name the deployed file with --plans.")?;
    }
    for lost in &report.stages_lost {
        let lost = format!("{lost}: its keys are answered 403");
        writeln!(io.out, "\n{}", io.paint(Colour::Red, &lost))?;
    }
    if !report.stages_lost.is_empty() {
        writeln!(io.out, "`tollgate doctor` says for each what to do.")?;
    }
    if report.disputes_denied {
        let denied = "disputes were not compared: the Stripe key may not read them";
        writeln!(io.out, "\n{}", io.paint(Colour::Yellow, denied))?;
    }
    several(report, io)?;
    left_out::print(&report.unreadable, io)?;
    for excess in too_much {
        writeln!(io.out, "\n{}", io.paint(Colour::Red, &sentence(excess)))?;
    }
    if !report.found.is_empty() {
        writeln!(
            io.out,
            "\n`tollgate reconcile --repair` wakes what differs; the workers look again and mend it."
        )
    } else if report.left_alone == 0
        && report.unreadable.is_empty()
        && report.stages_lost.is_empty()
        && !report.disputes_denied
    {
        writeln!(io.out, "{}", io.paint(Colour::Green, "Nothing differs."))
    } else {
        Ok(())
    }
}

/// Who pays twice: for a person, nothing is cancelled by itself.
fn several(report: &DriftReport, io: &mut Io<'_>) -> Result<()> {
    if report.several == 0 {
        return Ok(());
    }
    let pays = "accounts pay for several subscriptions at once: where that is not meant, cancel \
                and refund one in Stripe";
    writeln!(io.out, "\n{:>6}  {}", report.several, io.paint(Colour::Yellow, pays))?;
    for (id, all) in &report.several_listed {
        let all: Vec<_> = all.iter().map(ToString::to_string).collect();
        writeln!(io.out, "        {id} {}", all.join(" "))?;
    }
    Ok(())
}

pub(super) fn print_repaired(repaired: &Repaired, io: &mut Io<'_>) -> Result<()> {
    let Repaired { report, deleted, left } = repaired;
    let woken = number(report.wakes());
    writeln!(io.out, "\n{woken} woken: `tollgate queue status` shows them go by")?;
    for key in deleted {
        writeln!(io.out, "deleted {} {}", key.id, key.name)?;
    }
    for (key, why) in left {
        writeln!(io.out, "left    {} {}: {why}", key.id, key.name)?;
    }
    Ok(())
}

pub(super) fn json(report: &DriftReport, findings: &Findings, too_much: &[Excess]) -> Value {
    let found = report.found.iter().map(|(drift, count)| {
        json!({
            "kind": drift.as_str(), "count": count, "meaning": meaning(*drift),
            "listed": findings.of(*drift),
        })
    });
    let several = report.several_listed.iter();
    let several = several.map(|(id, all)| json!({ "account": id, "subscriptions": all }));
    let excess = too_much.iter().map(|excess| {
        json!({ "count": excess.count, "limit": excess.limit, "problem": sentence(excess) })
    });
    json!({
        "accounts": report.accounts,
        "paying": report.paying,
        "would_lose": report.would_lose,
        "would_end": report.would_end,
        "left_alone": report.left_alone,
        "several_subscriptions": {
            "count": report.several,
            "listed": several.collect::<Vec<_>>(),
        },
        "unreadable": left_out::json(&report.unreadable),
        "users": report.users,
        "subscriptions": report.subscriptions,
        "disputes": {
            "listed": report.disputes,
            "read": report.disputes_read,
            "not_compared": report.disputes_denied,
        },
        "keys": report.keys,
        "keys_of_ours": report.keys_of_ours,
        "stages_lost": report.stages_lost.iter().map(|lost| json!({
            "plan": lost.plan, "usage_plan": lost.usage_plan, "stage": lost.stage,
        })).collect::<Vec<_>>(),
        "found": found.collect::<Vec<_>>(),
        "over_the_limit": excess.collect::<Vec<_>>(),
    })
}

pub(super) fn repaired_json(repaired: &Repaired) -> Value {
    let deleted = repaired.deleted.iter().map(|key| json!({ "key": key.id, "name": key.name }));
    let left = repaired.left.iter();
    let left = left.map(|(key, why)| json!({ "key": key.id, "name": key.name, "why": why }));
    json!({
        "woken": repaired.report.wakes(),
        "deleted": deleted.collect::<Vec<_>>(),
        "left": left.collect::<Vec<_>>(),
    })
}
