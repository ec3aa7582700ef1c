//! `tollgate account`: what is shown, and what an operator's acts come to.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tollgate_core::account::{Account, Grant, PlanId, Reason};
use tollgate_core::ledger::{Claim, Commit};
use tollgate_core::ports::{Clock, Ledger};
use tollgate_events::AccountId;
use tollgate_local::customer::Customer;
use tollgate_standin::stripe::{Card, NewCustomer, SubscriptionData};
use tollgate_standin::world::POOL_ID;

use super::screens::assert_shows;
use super::{Input, Operator, Said, joined, plain};

const NONE: Input = Input::Piped("");

/// A customer of the operator's.
struct Ann<'a> {
    operator: &'a Operator,
    customer: Customer<'a>,
    id: AccountId,
    key: String,
}

impl<'a> Ann<'a> {
    async fn signs_up(operator: &'a Operator) -> anyhow::Result<Self> {
        let customer = joined(&operator.stack, "ann").await?;
        let (id, key) = (customer.id()?, customer.key().await?);
        Ok(Self { operator, customer, id, key })
    }

    async fn buys(&self, plan: &str) -> anyhow::Result<()> {
        self.customer.buy(plan).await?;
        self.operator.stack.settle().await
    }

    async fn account(&self) -> anyhow::Result<Account> {
        let account = self.operator.stack.ledger.account(&self.id).await?;
        account.ok_or_else(|| anyhow::anyhow!("Ann has no account"))
    }

    async fn payer(&self) -> anyhow::Result<String> {
        Ok(self.payers().await?.into_iter().next().unwrap_or_default())
    }

    async fn payers(&self) -> anyhow::Result<Vec<String>> {
        let customers = self.account().await?.access.customers;
        Ok(customers.iter().map(ToString::to_string).collect())
    }

    /// What the protected API answers to her first key.
    async fn hello(&self) -> anyhow::Result<u16> {
        Ok(self.customer.hello(Some(&self.key)).await?.status)
    }

    /// The operator does something to her account, and says so.
    async fn act(&self, line: &str) -> anyhow::Result<Said> {
        let line = format!("account {line} --why 'a test' --by ops --yes");
        self.operator.tollgate_while_it_runs(&line, NONE).await
    }

    /// What is shown, with names for what is not the same every time.
    async fn plain(&self, text: &str) -> anyhow::Result<String> {
        let key = self.account().await?.key().map(|key| key.id.to_string()).unwrap_or_default();
        Ok(plain(text, &[(self.id.as_str(), "ANN"), (&key, "KEY")]))
    }
}

#[tokio::test]
async fn an_account_is_shown_whatever_it_is_named_by() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    ann.buys("pro").await?;
    let shown = operator.tollgate(&format!("account show {}", ann.id), NONE).await;
    assert_shows("account-show", &ann.plain(&shown.out).await?);
    let key = ann.account().await?.key().map(|key| key.id.to_string()).unwrap_or_default();
    for who in ["ann@example.com".to_owned(), ann.payer().await?, key] {
        let same = operator.tollgate(&format!("account show {who}"), NONE).await;
        assert_eq!((same.exit, &same.out), (0, &shown.out), "{who}: {same:?}");
    }
    let json = operator.tollgate("account show ann@example.com --json", NONE).await;
    let told: Value = serde_json::from_str(&json.out)?;
    assert_eq!((&told["account"], &told["plan"]), (&json!(ann.id), &json!("pro")));
    assert_eq!(told["keys"][0]["generation"], 1);
    assert!(!shown.out.contains("ann@") && !json.out.contains("ann@"), "{shown:?}");
    Ok(())
}

#[tokio::test]
async fn history_tells_each_change_with_what_was_behind_it() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    ann.buys("pro").await?;
    assert_eq!(ann.act("hold ann@example.com").await?.exit, 0);
    let told = operator.tollgate("account history ann@example.com", NONE).await;
    assert_shows("account-history", &ann.plain(&told.out).await?);
    let last = operator.tollgate("account history ann@example.com --limit 1 --json", NONE).await;
    let last: Value = serde_json::from_str(&last.out)?;
    let [change] = &last["changes"].as_array().cloned().unwrap_or_default()[..] else {
        anyhow::bail!("one change was asked for: {last}")
    };
    assert_eq!(change["status"], json!({ "before": "active", "after": "held" }));
    assert_eq!(change["events"][0]["type"], "operator.hold");
    assert_eq!(change["events"][0]["detail"], "ops: a test");
    Ok(())
}

/// Each act: told before, done, and seen by the customer; nothing is done twice.
#[tokio::test]
async fn acts_are_foretold_done_and_on_record() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    let mut transcript = String::new();
    for (line, status) in [
        ("grant ann@example.com pro --for 30d", 200),
        ("hold ann@example.com", 403),
        ("hold ann@example.com", 403),
        ("release ann@example.com", 200),
        ("revoke-grant ann@example.com pro", 200),
        ("rotate-key ann@example.com --overlap 1h", 200),
        ("close ann@example.com", 403),
        ("release ann@example.com", 403),
    ] {
        let (before, why) = (ann.account().await?, "--why 'a test' --by ops");
        let dry = operator.tollgate(&format!("account {line} {why} --dry-run"), NONE).await;
        assert_eq!(ann.account().await?, before, "{line}: {dry:?}");
        let done = ann.act(line).await?;
        assert_eq!(done.exit, 0, "{line}: {done:?}");
        assert_eq!(ann.hello().await?, status, "{line}: {done:?}");
        let Said { exit, out, err } = dry;
        let told = format!("$ account {line} --dry-run\n{out}{err}({exit})\n{}\n", done.out);
        transcript.push_str(&ann.plain(&told).await?);
    }
    assert_shows("account-acts", &transcript);
    assert_eq!(ann.account().await?.key().map(|key| key.generation), Some(3));
    Ok(())
}

/// What the help promises for a day is kept, whatever she buys meanwhile.
#[tokio::test]
async fn an_old_key_works_through_a_change_of_plan_until_its_time() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    let line = "rotate-key ann@example.com --overlap 24h";
    let (before, said) = (operator.stack.clock().now(), ann.act(line).await?);
    let access = ann.account().await?.access;
    let [old] = access.retiring.as_slice() else { anyhow::bail!("{access:?}") };
    let told = format!("{} works until {:.0}, unless held or closed", old.id, old.until);
    assert!(said.exit == 0 && said.out.contains(&told), "{said:?}");
    assert!(old.until >= before + SignedDuration::from_hours(24), "{old:?}");
    ann.buys("pro").await?;
    assert_eq!(ann.hello().await?, 200);
    let moved = ann.account().await?.access;
    assert_ne!(moved.usage_plan, access.usage_plan);
    assert_eq!(moved.retiring[0].usage_plan, moved.usage_plan);
    let held = ann.act("hold ann@example.com").await?;
    assert!(held.exit == 0 && !held.out.contains("Old keys"), "{held:?}");
    assert_eq!(ann.hello().await?, 403);
    Ok(())
}

#[tokio::test]
async fn customers_are_linked_and_taken_away_by_the_operators_word() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    ann.buys("pro").await?;
    let payer = ann.payer().await?;
    let taken = ann.act(&format!("unlink ann@example.com {payer}")).await?;
    assert!(taken.exit == 0 && taken.out.contains("Plan       free"), "{taken:?}");
    let unlinked = operator.tollgate(&format!("account show {payer}"), NONE).await;
    assert_eq!(unlinked.exit, 2, "{unlinked:?}");
    let mend = format!("Link it: `tollgate --stack local account link WHO {payer} --why TEXT`");
    assert!(unlinked.err.contains(&mend), "{unlinked:?}");
    let linked = ann.act(&format!("link ann@example.com {payer}")).await?;
    assert!(linked.exit == 0 && linked.out.contains("Plan       pro"), "{linked:?}");
    assert!(linked.out.contains(&format!("Act        link customer {payer}")), "{linked:?}");
    Ok(())
}

/// A mistyped id is no customer, and whoever links one sees whom.
#[tokio::test]
async fn a_customer_whom_stripe_does_not_have_is_linked_to_nobody() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    let before = ann.account().await?;
    let (deleted, there) = {
        let mut stripe = operator.stripe();
        let email = Some("ann@work.example".to_owned());
        let new = NewCustomer { email, ..NewCustomer::default() };
        let (deleted, there) = (stripe.create_customer(new.clone()), stripe.create_customer(new));
        stripe.delete_customer(&deleted)?;
        (deleted, there)
    };
    for (customer, why) in
        [("cus_typo", "no customer cus_typo"), (&deleted, "was deleted in Stripe")]
    {
        let said = ann.act(&format!("link ann@example.com {customer}")).await?;
        assert!(said.exit == 3 && said.err.contains(why), "{said:?}");
    }
    assert_eq!(ann.account().await?, before);
    let line = format!("account link ann@example.com {there} --why x --by o --dry-run");
    let said = operator.tollgate(&line, NONE).await;
    let told = format!("Stripe knows {there}: ann@work.example; ");
    assert!(said.err.contains(&told) && said.err.contains("no subscription"), "{said:?}");
    // An act needs no key of Stripe's; without one, nobody knows.
    let mut apart = Operator::of(&operator.stack);
    apart.environment.insert("STRIPE_API_BASE", "http://127.0.0.1:9".into());
    let line = format!("account link ann@example.com {there} --why x --by o --yes");
    let said = apart.tollgate_while_it_runs(&line, NONE).await?;
    assert!(said.exit == 0 && said.err.contains("nobody knows here"), "{said:?}");
    Ok(())
}

/// Customers from before 2018-05-21, whose ids their seller chose: each names its account.
#[tokio::test]
async fn a_customer_of_any_id_is_linked_shown_and_replayed() -> anyhow::Result<()> {
    let mut operator = Operator::start().await?;
    operator.columns = None;
    let ann = Ann::signs_up(&operator).await?;
    let customers = ["John Doe", "ann+old@example.org", "a1b2", "eod\u{202e}nhoj"];
    for id in customers {
        {
            let mut stripe = operator.stripe();
            let price = stripe.price_by_lookup_key("pro_monthly").expect("it is sold").id.clone();
            stripe.with_id(id, |it| it.create_customer(NewCustomer::default()));
            stripe.set_card(id, Card::Pays)?;
            stripe.subscribe(id, &[&price], SubscriptionData::default())?;
        }
        operator.stack.settle().await?;
        let listed = operator.tollgate(&format!("events list --customer '{id}'"), NONE).await;
        let visible = id.replace('\u{202e}', r"\u{202e}");
        assert!(listed.out.contains("waiting") && listed.out.contains(&visible), "{listed:?}");
        let linked = ann.act(&format!("link ann@example.com '{id}'")).await?;
        assert!(linked.exit == 0 && linked.out.contains("Plan       pro"), "{linked:?}");
        let shown = operator.tollgate(&format!("account show '{id}'"), NONE).await;
        assert!(shown.exit == 0 && shown.out.contains(&visible), "{shown:?}");
        assert!(!format!("{}{}", shown.out, listed.out).contains('\u{202e}'), "it turns the line");
        let json = operator.tollgate(&format!("account show '{id}' --json"), NONE).await;
        let told: Value = serde_json::from_str(&json.out)?;
        assert!(told["customers"].as_array().is_some_and(|all| all.contains(&json!(id))), "{told}");
        let replay = format!("events replay --since 1d --customer '{id}' --yes");
        let replayed = operator.tollgate_while_it_runs(&replay, NONE).await?;
        assert_eq!(replayed.exit, 0, "{replayed:?}");
        assert!(ann.payers().await?.contains(&id.to_owned()));
        let taken = ann.act(&format!("unlink '{id}' '{id}'")).await?;
        assert!(taken.exit == 0 && taken.out.contains("Plan       free"), "{taken:?}");
        let gone = operator.tollgate(&format!("account show '{id}'"), NONE).await;
        assert_eq!(gone.exit, 2, "{gone:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_dispute_is_lifted() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    ann.buys("pro").await?;
    let payer = ann.payer().await?;
    let dispute = operator.stripe().open_dispute(&payer)?;
    operator.stack.settle().await?;
    assert_eq!(ann.hello().await?, 403);
    let other = ann.act("lift-dispute ann@example.com dp_of_another").await?;
    assert_eq!(other.exit, 3, "{other:?}");
    let lifted = ann.act(&format!("lift-dispute ann@example.com {dispute}")).await?;
    assert_eq!((lifted.exit, ann.hello().await?), (0, 200), "{lifted:?}");
    let shown = operator.tollgate("account show ann@example.com", NONE).await;
    assert!(shown.out.contains(&format!("{dispute} lifted by an operator")), "{shown:?}");
    Ok(())
}

/// Whoever has the account ends, and the act is done.
#[tokio::test]
async fn an_act_waits_for_whoever_has_the_account() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    let now = operator.stack.clock().now();
    let ledger = &operator.stack.ledger;
    let claim = ledger.claim(&ann.id, now, now + SignedDuration::from_secs(20)).await?;
    assert!(matches!(claim, Claim::Taken { .. }));
    let shown = operator.tollgate("account show ann@example.com", NONE).await;
    assert!(shown.out.contains("somebody has the account, until"), "{shown:?}");
    let held = ann.act("hold ann@example.com").await?;
    assert!(held.exit == 0 && held.err.contains("being worked on"), "{held:?}");
    assert_eq!(ann.hello().await?, 403);

    let now = operator.stack.clock().now();
    ledger.claim(&ann.id, now, now + SignedDuration::from_mins(5)).await?;
    let refused = ann.act("release ann@example.com").await?;
    assert!(refused.exit == 1 && refused.err.contains("repeat the command"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn nobody_waits_who_does_not_want_to() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    let hold = "account hold ann@example.com --why 'a test' --by ops --yes";
    let held = operator.tollgate(&format!("{hold} --no-wait"), NONE).await;
    let still = "the worker is still to see to it";
    assert!(held.exit == 0 && held.out.contains(still), "{held:?}");
    assert_eq!(ann.hello().await?, 200);
    let shown = operator.tollgate("account show ann@example.com", NONE).await;
    assert!(shown.out.contains("operator/op_"), "{shown:?}");
    operator.stack.settle().await?;
    assert_eq!(ann.hello().await?, 403);

    // Nobody works: the command says so after two minutes.
    let refused = operator.tollgate(&hold.replace("hold", "release"), NONE).await;
    assert!(refused.exit == 1 && refused.out.contains(still), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn an_act_asks_and_takes_no_for_an_answer() -> anyhow::Result<()> {
    let mut operator = Operator::start().await?;
    operator.environment.insert("USER", "ops".into());
    let ann = Ann::signs_up(&operator).await?;
    let hold = "account hold ann@example.com --why 'a test' --no-wait";
    let no = operator.tollgate(hold, Input::Typed("n\n")).await;
    let asked = format!("hold on account {}: a test\nMake these changes? [y/N] ", ann.id);
    assert!(no.exit == 3 && no.err.starts_with(&asked), "{no:?}");
    assert_eq!(operator.tollgate(hold, NONE).await.exit, 3);
    assert_eq!(ann.account().await?.access.hold, None);
    assert_eq!(operator.tollgate(hold, Input::Typed("y\n")).await.exit, 0);
    assert_eq!(ann.account().await?.access.hold.as_deref(), Some("a test"));
    Ok(())
}

#[tokio::test]
async fn mistakes_say_what_to_do() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    let attributes = json!([
        { "Name": "email", "Value": "ann@example.com" },
        { "Name": "email_verified", "Value": "true" },
    ]);
    let user = json!({ "UserPoolId": POOL_ID, "Username": "bob", "UserAttributes": attributes });
    for (line, exit, told) in [
        ("show nobody@example.com", 2, "no user has this e-mail address"),
        ("show nobody", 2, "there is no account `nobody`"),
        ("show cus_nobody", 2, "cus_nobody is linked to no account"),
        ("hold ann@example.com", 2, "--why"),
        ("hold ann@example.com --why ' '", 2, "it is empty"),
        ("hold ann@example.com --why x --dry-run --yes", 2, "cannot be used with"),
        ("hold ann@example.com --why x --yes", 2, "--by NAME, or set USER"),
        ("grant ann@example.com gold --why x --by o --yes", 2, "It has free, basic, pro."),
        ("grant ann@example.com pro --for 30 --why x", 2, "write it as 30d, 24h or 90m"),
        ("grant ann@example.com pro --until soon --why x", 2, "write it as 2026-03-01"),
        ("revoke-grant ann@example.com pro --why x --by o --yes", 3, "is not granted"),
        ("revoke-grant ann@example.com pro --why x --by o --dry-run", 3, "is not granted"),
        ("lift-dispute ann@example.com 7 --why x --by o --yes", 3, "no dispute 7"),
        ("show 'no such body'", 2, "there is no account of this name"),
        ("show 'no such\u{202e} cus@tomer'", 2, "no user has this e-mail address"),
        ("link ann@example.com 'a\u{9b}b' --why x", 2, "an identifier has a control character"),
        ("hold ann@example.com --why x --by o --dry-run --plans /nowhere", 2, "--plans FILE"),
    ] {
        let said = operator.tollgate(&format!("account {line}"), NONE).await;
        assert_eq!(said.exit, exit, "{line}: {said:?}");
        assert!(said.err.contains(told), "{line}: {said:?}");
    }
    ann.customer.cognito("AdminCreateUser", user).await?;
    let said = operator.tollgate("account show ann@example.com", NONE).await;
    assert!(said.exit == 2 && said.err.contains("2 users have this e-mail address"), "{said:?}");
    assert!(said.err.contains(ann.id.as_str()), "{said:?}");
    assert!(!operator.shows("nobody@example.com"));
    Ok(())
}

/// Every act that goes on record.
const ACTS: [&str; 14] = [
    "account hold WHO",
    "account release WHO",
    "account grant WHO pro",
    "account revoke-grant WHO pro",
    "account lift-dispute WHO dp_1",
    "account rotate-key WHO",
    "account close WHO",
    "account forget WHO",
    "account link WHO cus_1",
    "account unlink WHO cus_1",
    "events dismiss evt_1",
    "stack freeze",
    "stack unfreeze",
    "stack rebind",
];

/// What an operator writes is one line, and acts on nobody's terminal; what is on record from
/// before is seen as it is.
#[tokio::test]
async fn what_an_operator_writes_forges_no_line() -> anyhow::Result<()> {
    let mut operator = Operator { columns: None, ..Operator::start().await? };
    let id = Ann::signs_up(&operator).await?.id;
    operator.writes();
    let refused = async |operator: &Operator, line: &str| {
        let said = operator.tollgate(line, NONE).await;
        let told = said.exit == 2 && said.err.contains("write one line");
        assert!(told && !said.err.contains('\u{1b}'), "{line:?}: {said:?}");
    };
    for act in ACTS {
        let act = act.replace("WHO", id.as_str());
        for odd in ['\u{1b}', '\n', '\r', '\u{9b}', '\u{202e}', '\u{2028}'] {
            refused(&operator, &format!("{act} --why 'x{odd}Closed  never' --by o --yes")).await;
            refused(&operator, &format!("{act} --why x --by 'o{odd}p' --yes")).await;
        }
    }
    refused(&operator, "reconcile --rebuild --by 'o\u{1b}p' --yes").await;
    operator.environment.insert("USER", "o\u{1b}p".to_owned());
    refused(&operator, &format!("account hold {id} --why x --yes")).await;
    refused(&operator, "reconcile --rebuild --yes").await;
    assert_eq!(operator.writes(), Vec::<String>::new());

    let (ledger, now) = (&operator.stack.ledger, operator.stack.clock().now());
    let claim = ledger.claim(&id, now, now + SignedDuration::from_secs(60)).await?;
    let Claim::Taken { mut account } = claim else { panic!("nobody has it") };
    let why = "x\nClosed  never\u{1b}[2K".to_owned();
    account.commit_id = Some("by an older version".to_owned());
    account.access.hold = Some(why.clone());
    account.access.closed = Some(why.clone());
    account.access.reason = Reason::ClosedByOperator { why: why.clone() };
    account.access.grants.push(Grant { plan: PlanId::parse("pro")?, until: None, why });
    ledger.commit(&Commit::of(*account)).await?;
    let shown = operator.tollgate(&format!("account show {id}"), NONE).await;
    assert_eq!(shown.out.matches(r"x\u{a}Closed  never\u{1b}[2K").count(), 5, "{shown:?}");
    let forged = |line: &str| line.starts_with("Closed  never") || line.contains('\u{1b}');
    assert!(!shown.out.lines().any(forged), "{shown:?}");
    Ok(())
}

/// Anybody can sign up with an address that is not theirs.
#[tokio::test]
async fn an_address_that_nobody_has_verified_names_nobody() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let pool = &operator.stack.world.cognito;
    let claims = pool.admin_create_user("eve", "ceo@example.com")?;
    let grant = "account grant ceo@example.com pro --why 'a test' --by ops --yes";
    let refused = operator.tollgate(grant, NONE).await;
    assert_eq!(refused.exit, 2, "{refused:?}");
    let mend = format!("name the account by its sub: {claims}");
    assert!(refused.err.contains("nobody has verified"), "{refused:?}");
    assert!(refused.err.contains(&mend), "{refused:?}");

    // Whoever has verified it is meant, however many claim it.
    let verified = pool.sign_up_confirmed("ceo", "ceo@example.com")?;
    operator.stack.settle().await?;
    let granted = operator.tollgate_while_it_runs(grant, NONE).await?;
    assert_eq!(granted.exit, 0, "{granted:?}");
    let account = operator.stack.ledger.account(&AccountId::parse(verified)?).await?;
    assert_eq!(
        account.and_then(|it| it.access.plan).map(|it| it.to_string()).as_deref(),
        Some("pro")
    );
    Ok(())
}

#[tokio::test]
async fn what_is_remembered_of_a_person_is_forgotten_at_their_word() -> anyhow::Result<()> {
    let operator = Operator::start().await?;
    let ann = Ann::signs_up(&operator).await?;
    assert_eq!(ann.act("hold ann@example.com").await?.exit, 0);
    let early = ann.act(&format!("forget {}", ann.id)).await?;
    assert!(early.exit == 3 && early.err.contains("is not closed"), "{early:?}");
    operator.stack.world.cognito.delete_self("ann")?;
    operator.stack.settle().await?;
    assert!(ann.account().await?.person.is_some());
    let forgotten = ann.act(&format!("forget {}", ann.id)).await?;
    assert_eq!(forgotten.exit, 0, "{forgotten:?}");
    let again = Ann::signs_up(&operator).await?;
    assert_eq!(again.hello().await?, 200);
    Ok(())
}

#[tokio::test]
async fn who_is_on_which_plan_is_listed_page_by_page() -> anyhow::Result<()> {
    let mut operator = Operator::start().await?;
    operator.columns = None;
    let ann = Ann::signs_up(&operator).await?;
    ann.buys("pro").await?;
    for name in ["bob", "cleo"] {
        Customer::new(&operator.stack, name).sign_up().await?;
    }
    operator.stack.settle().await?;
    let listed = async |options: &str| -> anyhow::Result<Vec<(String, String)>> {
        let said = operator.tollgate(&format!("account list {options} --json"), NONE).await;
        let told: Value = serde_json::from_str(&said.out)?;
        let accounts = told["accounts"].as_array().cloned().unwrap_or_default();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(accounts.iter().map(|it| (word(&it["account"]), word(&it["plan"]))).collect())
    };
    let pro = [(ann.id.to_string(), "pro".to_owned())];
    assert_eq!(listed("--plan pro").await?, pro);
    assert_eq!(listed("--plan free").await?.len(), 2);
    assert_eq!(listed("").await?.len(), 3);
    assert_eq!(listed("--status held").await?, []);
    ann.act("hold ann@example.com").await?;
    assert_eq!(listed("--status held").await?, pro);
    let none = operator.tollgate("account list --plan none", NONE).await;
    assert_eq!(none.out, "No such accounts.\n");
    let wrong = operator.tollgate("account list --status well", NONE).await;
    assert!(wrong.exit == 2 && wrong.err.contains("held"), "{wrong:?}");
    // Page by page, everybody comes once.
    let (mut all, mut line) = (Vec::new(), "account list --limit 1 --json".to_owned());
    loop {
        let said = operator.tollgate(&line, NONE).await;
        let told: Value = serde_json::from_str(&said.out)?;
        let accounts = told["accounts"].as_array().cloned().unwrap_or_default();
        all.extend(accounts.iter().map(|it| it["account"].to_string()));
        let Some(next) = told["next"].as_str() else { break };
        line = format!("account list --limit 1 --json --after '{next}'");
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 3);
    Ok(())
}
