//! What of a Stripe account is this deployment's business.
//!
//! A Stripe account sells more than one API: other products with customers of their own, and
//! other deployments of Tollgate. Everybody who reads something of Stripe's asks here whether
//! it concerns this deployment: events, facts, purchases, sweep, reconciliation and rebuild.
//! Pure: who a customer is linked to is the ledger's to say, and is asked for by the caller.
//!
//! In this order:
//! 1. What names another deployment is theirs, whoever the customer is.
//! 2. What names an account with this deployment's proof is ours.
//! 3. What bears this deployment's name and no proof is told, loudly: should the key-derivation
//!    secrets be lost, nothing of ours has a proof any more.
//! 4. What a linked customer does is ours.
//! 5. A subscription to a price of the catalog is ours.
//! 6. All else is somebody else's.

use std::collections::BTreeSet;

use tollgate_events::kind::About;
use tollgate_events::{AccountId, Envelope, NamedAccount, Source, SubscriptionId};

use crate::catalog::Catalog;
use crate::derive::{Deriver, Mark};
use crate::ports::CheckoutRecord;
use crate::stripe::Subscription;

/// Where this deployment's business ends.
#[derive(Debug, Clone, Copy)]
pub struct Boundary<'a> {
    /// What this deployment sells.
    pub catalog: &'a Catalog,
    /// What this deployment has made.
    pub marks: Marks<'a>,
}

/// How this deployment knows what it has made.
#[derive(Debug, Clone, Copy)]
pub enum Marks<'a> {
    /// By its name and its proofs.
    Proofs(&'a Deriver),
    /// By its name alone: whoever compares in bulk has no secret.
    Name(&'a str),
}

impl Marks<'_> {
    fn read(&self, named: &NamedAccount) -> Mark {
        match self {
            Self::Proofs(deriver) => deriver.reads(named),
            Self::Name(stack) => match &named.stack {
                Some(other) if other != stack => Mark::AnotherStack,
                Some(_) | None => Mark::Unmarked,
            },
        }
    }

    /// Whether it bears this deployment's name, with whatever proof.
    fn bears_our_name(&self, named: &NamedAccount) -> bool {
        match self {
            Self::Proofs(_) => matches!(self.read(named), Mark::Ours | Mark::Broken),
            Self::Name(stack) => named.stack.as_deref() == Some(*stack),
        }
    }
}

/// Whose an event is, as far as the event itself tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Ours: it is about this account, by a party that we trust or with our proof.
    Account(AccountId),
    /// Another deployment's.
    AnotherStack,
    /// It bears our name, and the proof is none.
    BrokenProof,
    /// Ours, whoever the customer turns out to be: it is about something that we sell.
    Sold,
    /// Ours if the customer is linked, and nobody's business else.
    Linked,
    /// It does not say what is sold.
    Untold,
}

impl Boundary<'_> {
    /// Whose an event is. `trusts_sessions`: a Checkout session without a proof may name an
    /// account (`trust_payment_links`).
    pub fn of_event(&self, event: &Envelope, trusts_sessions: bool) -> Told {
        let named = event.subject.account.as_ref();
        if event.source != Source::Stripe {
            return named.map_or(Told::Sold, |named| Told::Account(named.id.clone()));
        }
        match named.map(|named| (self.marks.read(named), named)) {
            Some((Mark::AnotherStack, _)) => Told::AnotherStack,
            Some((Mark::Ours, named)) => Told::Account(named.id.clone()),
            Some((Mark::Broken, _)) => Told::BrokenProof,
            Some((Mark::Unmarked, _)) | None => self.by_kind(event, trusts_sessions),
        }
    }

    /// What an event of no known maker is about.
    fn by_kind(&self, event: &Envelope, trusts_sessions: bool) -> Told {
        match event.about() {
            About::Subscription => match &event.hint {
                Some(hint) if self.catalog.hinted(hint).next().is_some() => Told::Sold,
                Some(hint) if hint.whole => Told::Linked,
                Some(_) | None => Told::Untold,
            },
            About::Dispute | About::FraudWarning | About::Refund => Told::Untold,
            About::Session if trusts_sessions => Told::Untold,
            // What it sells is told by the subscription's own event.
            About::Session | About::Invoice | About::Customer => Told::Linked,
        }
    }

    /// Whether something of the catalog is sold.
    fn sells(&self, subscription: &Subscription) -> bool {
        subscription.sold().any(|price| self.catalog.plan_of(price).is_some())
    }

    /// Whether somebody pays this deployment for a plan: also where nobody knows whose it is.
    pub fn is_sold(&self, subscription: &Subscription) -> bool {
        !self.is_anothers(subscription.named.as_ref()) && self.sells(subscription)
    }

    /// The same, or it bears this deployment's name: whatever it is for now, a checkout of ours made
    /// it, and its account has to answer for it.
    pub fn may_be_ours(&self, subscription: &Subscription) -> bool {
        let named = subscription.named.as_ref();
        self.is_sold(subscription) || named.is_some_and(|named| self.marks.bears_our_name(named))
    }

    /// Whether an object was made by another deployment.
    pub fn is_anothers(&self, named: Option<&NamedAccount>) -> bool {
        named.is_some_and(|named| self.marks.read(named) == Mark::AnotherStack)
    }

    /// The account that an object was made for by this deployment.
    pub fn made_for<'a>(&self, named: Option<&'a NamedAccount>) -> Option<&'a AccountId> {
        let ours = |named: &&NamedAccount| self.marks.read(named) == Mark::Ours;
        named.filter(ours).map(|named| &named.id)
    }

    /// The subscriptions of linked customers that count for their account.
    pub fn own(&self, mut subscriptions: Vec<Subscription>) -> Vec<Subscription> {
        subscriptions.retain(|it| !self.is_anothers(it.named.as_ref()));
        subscriptions
    }

    /// Those of them that this deployment's own checkouts made.
    pub fn proven(&self, subscriptions: &[Subscription]) -> BTreeSet<SubscriptionId> {
        let ours = subscriptions.iter().filter(|it| self.made_for(it.named.as_ref()).is_some());
        ours.map(|it| it.id.clone()).collect()
    }

    /// Whether a Checkout session is ours to hand out, or to expire: we opened it for this
    /// account. The seller may have sessions of his own on the same customer. Nobody but us writes
    /// our name into a session: one whose proof does not verify was opened by another instance,
    /// with a newer secret.
    pub fn opened_for(&self, account: &AccountId, session: &CheckoutRecord) -> bool {
        let ours = |it: &NamedAccount| matches!(self.marks.read(it), Mark::Ours | Mark::Broken);
        session.named.as_ref().is_some_and(|named| ours(named) && named.id == *account)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use secrecy::SecretString;
    use tollgate_events::{CustomerId, Hint, PriceId, ProductId, Subject};

    use super::*;
    use crate::catalog::CatalogFile;
    use crate::stripe::Price;
    use crate::sweep::wake;

    const CATALOG: &str = r#"
revision = 1
stages = ["api:prod"]
[[plans]]
id = "pro"
rank = 10
usage_plan = "up-pro"
prices = ["price_pro"]
lookup_keys = ["pro_monthly"]
products = ["prod_pro"]
"#;

    fn deriver(stack: &str) -> Deriver {
        let secret = SecretString::from(format!("{stack}-0123456789abcdef0123456789abcdef"));
        Deriver::new(stack, BTreeMap::from([(1, secret)])).unwrap()
    }

    fn ann() -> AccountId {
        AccountId::parse("ann").unwrap()
    }

    fn event(kind: &str, named: Option<NamedAccount>, hint: Option<Hint>) -> Envelope {
        let subject = Subject { account: named, ..Subject::default() };
        let customer = CustomerId::parse("cus_1").ok();
        let subject = Subject { customer, ..subject };
        Envelope {
            source: Source::Stripe,
            kind: kind.into(),
            subject,
            hint,
            ..wake("x", ann(), None, Timestamp::UNIX_EPOCH)
        }
    }

    fn told(event: &Envelope) -> Told {
        let (catalog, deriver) = (CatalogFile::parse(CATALOG).unwrap().catalog, deriver("shop"));
        let boundary = Boundary { catalog: &catalog, marks: Marks::Proofs(&deriver) };
        boundary.of_event(event, false)
    }

    const UPDATED: &str = "customer.subscription.updated";

    #[test]
    fn who_made_an_object_comes_before_what_it_sells() {
        let sells = || Some(Hint { prices: vec![PriceId::parse("price_pro").unwrap()], ..hint() });
        let of = |named: NamedAccount| told(&event(UPDATED, Some(named), sells()));
        assert_eq!(of(deriver("shop").name(&ann())), Told::Account(ann()));
        assert_eq!(of(deriver("staging").name(&ann())), Told::AnotherStack);
        let forged = NamedAccount { proof: Some("1:00".into()), ..deriver("shop").name(&ann()) };
        assert_eq!(of(forged), Told::BrokenProof);
        // Made before objects were marked, by whomever: what it sells decides.
        let unmarked = NamedAccount { stack: None, ..deriver("staging").name(&ann()) };
        assert_eq!(of(unmarked), Told::Sold);
        let ours = NamedAccount { stack: None, ..deriver("shop").name(&ann()) };
        assert_eq!(of(ours), Told::Account(ann()));
    }

    fn hint() -> Hint {
        Hint { status: "active".into(), whole: true, ..Hint::default() }
    }

    #[test]
    fn a_subscription_is_ours_by_price_lookup_key_or_product() {
        let of = |hint: Hint| told(&event(UPDATED, None, Some(hint)));
        let price = |id: &str| vec![PriceId::parse(id).unwrap()];
        assert_eq!(of(Hint { prices: price("price_pro"), ..hint() }), Told::Sold);
        assert_eq!(of(Hint { lookup_keys: vec!["pro_monthly".into()], ..hint() }), Told::Sold);
        let products = vec![ProductId::parse("prod_pro").unwrap()];
        assert_eq!(of(Hint { products, ..hint() }), Told::Sold);
        assert_eq!(of(Hint { prices: price("price_newsletter"), ..hint() }), Told::Linked);
        // What does not tell all of it may sell something of ours.
        let parts = Hint { whole: false, prices: price("price_newsletter"), ..hint() };
        assert_eq!(of(parts), Told::Untold);
        assert_eq!(told(&event(UPDATED, None, None)), Told::Untold);
    }

    #[test]
    fn what_does_not_tell_what_is_sold_is_the_linked_customers_alone() {
        for kind in ["invoice.paid", "checkout.session.completed", "customer.deleted"] {
            assert_eq!(told(&event(kind, None, None)), Told::Linked, "{kind}");
        }
        for kind in
            ["charge.dispute.created", "charge.refunded", "radar.early_fraud_warning.created"]
        {
            assert_eq!(told(&event(kind, None, None)), Told::Untold, "{kind}");
        }
    }

    /// A session without a proof may be looked at where the seller trusts his links.
    #[test]
    fn a_trusted_session_is_looked_at() {
        let (catalog, deriver) = (CatalogFile::parse(CATALOG).unwrap().catalog, deriver("shop"));
        let boundary = Boundary { catalog: &catalog, marks: Marks::Proofs(&deriver) };
        let session = event("checkout.session.completed", None, None);
        assert_eq!(boundary.of_event(&session, true), Told::Untold);
        assert_eq!(boundary.of_event(&event("invoice.paid", None, None), true), Told::Linked);
    }

    fn sold(id: &str, price: &str, named: Option<NamedAccount>) -> Subscription {
        let (id, customer) = (SubscriptionId::parse(id), CustomerId::parse("cus_1"));
        Subscription {
            prices: vec![Price { id: PriceId::parse(price).ok(), ..Price::default() }],
            named,
            ..Subscription::new(id.unwrap(), customer.unwrap(), "active".into())
        }
    }

    #[test]
    fn of_a_linked_customers_subscriptions_another_stacks_are_not_ours() {
        let (catalog, theirs) = (CatalogFile::parse(CATALOG).unwrap().catalog, deriver("staging"));
        let (theirs, deriver) = (theirs.name(&ann()), deriver("shop"));
        let boundary = Boundary { catalog: &catalog, marks: Marks::Proofs(&deriver) };
        let rows = vec![
            sold("sub_1", "price_pro", Some(deriver.name(&ann()))),
            sold("sub_2", "price_pro", Some(theirs)),
            sold("sub_3", "price_pro", None),
            sold("sub_4", "price_newsletter", None),
        ];
        let is_sold: Vec<_> = rows.iter().map(|row| boundary.is_sold(row)).collect();
        assert_eq!(is_sold, [true, false, true, false]);
        let ids = |rows: &[Subscription]| -> Vec<String> {
            rows.iter().map(|row| row.id.to_string()).collect()
        };
        let proven = boundary.proven(&rows);
        assert_eq!(proven.iter().map(SubscriptionId::as_str).collect::<Vec<_>>(), ["sub_1"]);
        assert_eq!(ids(&boundary.own(rows)), ["sub_1", "sub_3", "sub_4"]);
    }

    #[test]
    fn a_session_is_ours_if_we_opened_it_for_this_account() {
        let (catalog, deriver) = (CatalogFile::parse(CATALOG).unwrap().catalog, deriver("shop"));
        let boundary = Boundary { catalog: &catalog, marks: Marks::Proofs(&deriver) };
        let session = |named| CheckoutRecord {
            id: "cs_1".into(),
            status: "open".into(),
            url: None,
            named,
            client_reference_id: Some("ann".into()),
            subscription: None,
            price: None,
        };
        assert!(boundary.opened_for(&ann(), &session(Some(deriver.name(&ann())))));
        let ben = AccountId::parse("ben").unwrap();
        assert!(!boundary.opened_for(&ben, &session(Some(deriver.name(&ann())))));
        assert!(!boundary.opened_for(&ann(), &session(None)), "it may be the seller's own");
        let newer = NamedAccount { proof: Some("2:00".into()), ..deriver.name(&ann()) };
        assert!(boundary.opened_for(&ann(), &session(Some(newer))), "by another instance");
        let theirs = NamedAccount { stack: Some("staging".into()), ..deriver.name(&ann()) };
        assert!(!boundary.opened_for(&ann(), &session(Some(theirs))));
    }

    /// Whoever compares in bulk has no secret, and still knows another deployment by its name.
    #[test]
    fn a_name_alone_tells_another_stacks_objects() {
        let catalog = CatalogFile::parse(CATALOG).unwrap().catalog;
        let boundary = Boundary { catalog: &catalog, marks: Marks::Name("shop") };
        assert!(boundary.is_anothers(Some(&deriver("staging").name(&ann()))));
        assert!(!boundary.is_anothers(Some(&deriver("shop").name(&ann()))));
        assert!(!boundary.is_anothers(None));
    }
}
