//! `POST /account/plan`: one purchase at a time.
//!
//! *Expected flow.* The click is written into the account's row ([`Purchase`]), which gives it a
//! nonce. The customer who is going to pay is asked what they have, linked or not: a live
//! subscription is [changed](super::change), and a payment under way is to be waited for. An
//! open session for the same offer is handed out again; every other of ours is expired. Else a
//! session is opened under a key of the nonce, written into the row, and handed out.
//!
//! *Guarantees.* Nobody is handed out two sessions that can both be paid: a session is handed
//! out only by whoever has written it into the row, which takes one for each nonce, and a new
//! nonce comes before all other sessions are expired. Nothing that Stripe gives for a key is
//! handed out unseen.
//!
//! *Caveats.* What others sell to the same customer, or what was opened by hand for the same
//! account, is asked for and not prevented.

use std::collections::BTreeSet;

use tollgate_events::{AccountId, CustomerId, PriceId};

use super::offer::{Sale, Wanted};
use super::standing::{Standing, must_be_settled};
use super::views::{Chosen, Via};
use super::{AccountApi, Refusal};
use crate::account::{Account, OfferId, Status};
use crate::catalog::Plan;
use crate::ledger::CustomerLink;
use crate::ports::{
    CheckoutRecord, Class, Clock, CustomerSeen, Entropy, Ledger, NewCheckout, PortError,
    PortResult, Ports, RecentCheckout, Request, Stripe,
};
use crate::purchase::{Attempt, Purchase};

/// How often a request begins again: it was overtaken by another window, or the customer turned
/// out to be deleted.
const ROUNDS: usize = 5;

/// A request under way.
struct Buying<'a> {
    account: &'a Account,
    offer: OfferId,
    plan: &'a Plan,
    return_url: &'a str,
    row: Purchase,
    attempt: Attempt,
    /// Customers who turned out to be deleted, or somebody else's.
    gone: BTreeSet<CustomerId>,
}

/// What a round came to.
enum Round {
    /// The page to be handed out.
    Page(Chosen),
    /// Something has changed: look again.
    Again,
    /// The customer is deleted: another has to pay.
    Gone(CustomerId),
}

/// Whether a session was written into the row.
enum Written {
    Ours,
    /// Another window was faster, for the same offer.
    Overtaken(Purchase),
    /// Another window buys something else.
    Elsewhere,
}

impl<P: Ports> AccountApi<P> {
    /// `POST /account/plan`: the page on which what is wanted can be had. One open Checkout
    /// session, and one live subscription, per account: what is there is changed, or ended.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn choose(
        &self,
        id: &AccountId,
        wanted: &Wanted,
        return_url: Option<&str>,
    ) -> Result<Chosen, Refusal> {
        let return_url = self.returning.to(return_url)?;
        let Some((offer, plan)) = self.wanted(wanted)? else {
            self.admit(id, Request::Portal).await?;
            return self.cancel(&self.account_or_new(id).await?, return_url).await;
        };
        let account = self.account_or_new(id).await?;
        match account.access.status {
            Status::Closed => return Err(Refusal::Closed),
            Status::Held => return Err(Refusal::Held),
            Status::New | Status::Active | Status::Disabled | Status::WaitingForKey => {}
        }
        self.must_belong().await?;
        let (row, attempt) = self.click(id, &offer).await?;
        let gone = BTreeSet::new();
        let mut buying = Buying { account: &account, offer, plan, return_url, row, attempt, gone };
        for _ in 0..ROUNDS {
            match self.round(&mut buying).await? {
                Round::Page(chosen) => return Ok(chosen),
                Round::Again => {}
                Round::Gone(customer) => {
                    buying.gone.insert(customer);
                    self.begin_anew(&mut buying).await?;
                }
            }
        }
        Err(Refusal::OtherWindow)
    }

    async fn round(&self, buying: &mut Buying<'_>) -> Result<Round, Refusal> {
        let customer = self.payer(buying).await?;
        match self.standing(buying.account, &customer).await? {
            Standing::Free => {}
            Standing::Gone => return Ok(Round::Gone(customer)),
            Standing::Has(live) => {
                let sale = self.sale(&buying.offer, buying.plan).await?;
                let changed = self.change(buying.account, &live, &sale, buying.return_url).await;
                return changed.map(Round::Page);
            }
        }
        let Some(sessions) = self.worker.ports.stripe().recent_checkouts(&customer).await? else {
            self.must_be_gone(buying.account, &customer).await?;
            return Ok(Round::Gone(customer));
        };
        let sessions: Vec<_> = self.ours(&buying.account.id, sessions).collect();
        must_be_settled(&sessions)?;
        let sale = self.sale(&buying.offer, buying.plan).await?;
        let Some(open) = self.only_open(&sessions, &sale.price).await? else {
            return Ok(Round::Again);
        };
        match open.as_slice() {
            [] => self.open(buying, customer, &sale).await,
            [kept, ..] => self.hand_out(buying, &customer, (*kept).clone()).await,
        }
    }

    /// Writes down a click: the row, and the attempt that it belongs to.
    async fn click(&self, id: &AccountId, offer: &OfferId) -> Result<(Purchase, Attempt), Refusal> {
        let (ledger, now) = (self.worker.ports.ledger(), self.worker.ports.clock().now());
        for _ in 0..ROUNDS {
            let row = ledger.purchase(id).await?.unwrap_or_default();
            let nonce = self.worker.ports.entropy().hex();
            let row = row.click(offer, &nonce, now);
            let row = row.map_err(|it| Refusal::TooMany { after: it.after })?;
            if ledger.put_purchase(id, &row).await? {
                let row = written(row);
                let attempt = row.attempt.clone().expect("a click has one");
                return Ok((row, attempt));
            }
        }
        Err(Refusal::OtherWindow)
    }

    /// The attempt has ended: another begins, if no other window has begun one.
    async fn begin_anew(&self, buying: &mut Buying<'_>) -> Result<(), Refusal> {
        let (now, nonce) = (self.worker.ports.clock().now(), self.worker.ports.entropy().hex());
        let (id, offer) = (&buying.account.id, &buying.offer);
        let mut row = self.row_at(buying).await?;
        row.customer = row.customer.filter(|it| !buying.gone.contains(it));
        row.begin(offer, &nonce, now);
        if !self.worker.ports.ledger().put_purchase(id, &row).await? {
            return Err(Refusal::OtherWindow);
        }
        buying.row = written(row);
        buying.attempt = buying.row.attempt.clone().expect("it has just begun");
        Ok(())
    }

    /// The row as it is now, if this attempt is still the one under way.
    async fn row_at(&self, buying: &Buying<'_>) -> Result<Purchase, Refusal> {
        let stored = self.worker.ports.ledger().purchase(&buying.account.id).await?;
        stored.filter(|row| row.is_at(&buying.attempt)).ok_or(Refusal::OtherWindow)
    }

    /// Who pays: whoever was to pay last, a linked customer of the account's own, or a new one.
    async fn payer(&self, buying: &mut Buying<'_>) -> Result<CustomerId, Refusal> {
        let account = buying.account;
        let own = account.access.own_customers();
        if let Some(known) = buying.row.customer.clone().filter(|it| !buying.gone.contains(it)) {
            if own.contains(&known) {
                return Ok(known);
            }
            // An operator may have given them to somebody else, or to nobody.
            match self.worker.ports.ledger().link_of(&known).await? {
                CustomerLink::Unlinked => return Ok(known),
                CustomerLink::Account(owner) if owner == account.id => return Ok(known),
                CustomerLink::Account(_) | CustomerLink::Released { .. } => {
                    self.give_up(buying, known).await?;
                }
            }
        }
        if let Some(linked) = own.into_iter().find(|it| !buying.gone.contains(it)) {
            return Ok(linked);
        }
        let named = self.worker.deriver.name(&account.id);
        let proof = named.proof.as_deref().unwrap_or_default();
        let key = buying.attempt.key(&self.worker.stack, &account.id, &["customer", proof]);
        let made = self.worker.ports.stripe().create_customer(&named, &key).await?;
        let row = Purchase { customer: Some(made.clone()), ..buying.row.clone() };
        if self.worker.ports.ledger().put_purchase(&account.id, &row).await? {
            buying.row = written(row);
            return Ok(made);
        }
        // Another window was faster, perhaps with a customer of its own.
        buying.row = self.row_at(buying).await?;
        Ok(buying.row.customer.clone().unwrap_or(made))
    }

    /// Whoever was to pay is not the account's any more: the attempt is over, whose key would give
    /// them again, and so is the page that was handed out.
    async fn give_up(&self, buying: &mut Buying<'_>, customer: CustomerId) -> Result<(), Refusal> {
        if let Some(session) = &buying.attempt.session {
            self.worker.ports.stripe().expire_checkout(session).await?;
        }
        buying.gone.insert(customer);
        self.begin_anew(buying).await
    }

    fn ours<'a>(
        &'a self,
        id: &'a AccountId,
        sessions: Vec<RecentCheckout>,
    ) -> impl Iterator<Item = RecentCheckout> + 'a {
        let boundary = self.worker.boundary();
        sessions.into_iter().filter(move |it| boundary.opened_for(id, &it.session))
    }

    /// The open session for a price, the only one that is left open of ours; `None` where one
    /// was paid meanwhile.
    async fn only_open<'a>(
        &self,
        sessions: &'a [RecentCheckout],
        price: &PriceId,
    ) -> PortResult<Option<Vec<&'a CheckoutRecord>>> {
        let mut kept = Vec::new();
        let open = sessions.iter().map(|it| &it.session).filter(|it| it.status == "open");
        for session in open {
            if kept.is_empty() && session.price.as_ref() == Some(price) && session.url.is_some() {
                kept.push(session);
            } else if !self.worker.ports.stripe().expire_checkout(&session.id).await? {
                return Ok(None);
            }
        }
        Ok(Some(kept))
    }

    /// Opens a session, and hands it out.
    async fn open(
        &self,
        buying: &mut Buying<'_>,
        customer: CustomerId,
        sale: &Sale,
    ) -> Result<Round, Refusal> {
        if buying.attempt.session.is_some() {
            // It was handed out, and is over.
            self.begin_anew(buying).await?;
        }
        let new = self.new_checkout(buying, customer.clone(), sale);
        match self.worker.ports.stripe().create_checkout(&new).await {
            Ok(session) if session.status == "open" => {
                self.hand_out(buying, &customer, session).await
            }
            // The key gave what another window has had, and used.
            Ok(_) => {
                self.begin_anew(buying).await?;
                Ok(Round::Again)
            }
            Err(error) => {
                self.forget_sale(&sale.price);
                self.refused(buying, customer, error).await
            }
        }
    }

    fn new_checkout(&self, buying: &Buying<'_>, customer: CustomerId, sale: &Sale) -> NewCheckout {
        let Sale { price, metered, .. } = sale.clone();
        let account = self.worker.deriver.name(&buying.account.id);
        let quantity = if metered { "metered" } else { "1" };
        let proof = account.proof.as_deref().unwrap_or_default();
        let (success_url, cancel_url) = (paid(buying.return_url), buying.return_url.to_owned());
        let what = ["checkout", customer.as_str(), price.as_str(), quantity, proof, &success_url];
        let idempotency_key = buying.attempt.key(&self.worker.stack, &account.id, &what);
        NewCheckout { account, customer, price, metered, success_url, cancel_url, idempotency_key }
    }

    /// Stripe does not open a session. What it has answered to this key it answers for a day,
    /// so the attempt is over, whatever the reason.
    async fn refused(
        &self,
        buying: &mut Buying<'_>,
        customer: CustomerId,
        error: PortError,
    ) -> Result<Round, Refusal> {
        if error.class == Class::NotFound && self.is_deleted(&customer).await? {
            return Ok(Round::Gone(customer));
        }
        if let Ok(mut row) = self.row_at(buying).await {
            row.attempt = None;
            self.worker.ports.ledger().put_purchase(&buying.account.id, &row).await?;
        }
        Err(Refusal::of_page(error))
    }

    async fn is_deleted(&self, customer: &CustomerId) -> PortResult<bool> {
        Ok(self.worker.ports.stripe().customer(customer).await? == CustomerSeen::Deleted)
    }

    /// Hands a session out, if it is the one that the row has, or can have.
    async fn hand_out(
        &self,
        buying: &mut Buying<'_>,
        customer: &CustomerId,
        session: CheckoutRecord,
    ) -> Result<Round, Refusal> {
        match self.write(buying, customer, &session.id).await? {
            Written::Ours => {
                let url = session.url.ok_or(Refusal::NotReady)?;
                Ok(Round::Page(Chosen { via: Via::Checkout, url }))
            }
            overtaken => {
                let handed_out = match &overtaken {
                    Written::Overtaken(row) => {
                        row.attempt.as_ref().and_then(|it| it.session.clone())
                    }
                    _ => None,
                };
                if handed_out.as_ref() != Some(&session.id) {
                    self.worker.ports.stripe().expire_checkout(&session.id).await?;
                }
                let Written::Overtaken(row) = overtaken else { return Err(Refusal::OtherWindow) };
                buying.attempt = row.attempt.clone().expect("that is what overtook it");
                buying.row = row;
                Ok(Round::Again)
            }
        }
    }

    /// Writes a session into the row: the first of an attempt stays.
    async fn write(
        &self,
        buying: &mut Buying<'_>,
        customer: &CustomerId,
        session: &str,
    ) -> Result<Written, Refusal> {
        let ledger = self.worker.ports.ledger();
        let mut row = buying.row.clone();
        for _ in 0..ROUNDS {
            let Some(attempt) = row.attempt.as_mut().filter(|it| it.offer == buying.offer) else {
                return Ok(Written::Elsewhere);
            };
            let is_free = attempt.session.as_deref().is_none_or(|it| it == session);
            if attempt.nonce != buying.attempt.nonce || !is_free {
                return Ok(Written::Overtaken(row));
            }
            attempt.session = Some(session.to_owned());
            row.customer = Some(customer.clone());
            if row == buying.row || ledger.put_purchase(&buying.account.id, &row).await? {
                return Ok(Written::Ours);
            }
            row = ledger.purchase(&buying.account.id).await?.unwrap_or_default();
        }
        Ok(Written::Elsewhere)
    }
}

/// Where the browser goes when it has paid: it says for which session, which Stripe fills in.
/// <https://docs.stripe.com/payments/checkout/custom-success-page>
fn paid(return_url: &str) -> String {
    let (page, fragment) = match return_url.split_once('#') {
        Some((page, fragment)) => (page, format!("#{fragment}")),
        None => (return_url, String::new()),
    };
    let begins = if page.contains('?') { '&' } else { '?' };
    format!("{page}{begins}checkout={{CHECKOUT_SESSION_ID}}{fragment}")
}

/// A row as it stands after it was written.
fn written(row: Purchase) -> Purchase {
    Purchase { revision: row.revision + 1, ..row }
}

#[cfg(test)]
mod tests {
    use super::paid;

    #[test]
    fn whoever_has_paid_comes_back_with_their_session() {
        for (return_url, success_url) in [
            ("https://a.example/", "https://a.example/?checkout={CHECKOUT_SESSION_ID}"),
            ("https://a.example/?a=b", "https://a.example/?a=b&checkout={CHECKOUT_SESSION_ID}"),
            ("https://a.example/#plan", "https://a.example/?checkout={CHECKOUT_SESSION_ID}#plan"),
        ] {
            assert_eq!(paid(return_url), success_url);
        }
    }
}
