//! Disputes: those that were opened in the last months, listed once, and those on record.
//!
//! Stripe does not list disputes by customer, and a dispute does not name one: its charge does, which
//! comes along with each. So one call tells of a hundred, whoever they are of. What the ledger has
//! on record and is older than that is read by itself.
//!
//! # Caveats
//! A dispute that was opened before that and of which no event ever came is not found.

use std::collections::HashMap;

use crate::timing::DISPUTES_OF;
use jiff::Timestamp;
use tollgate_events::{CustomerId, DisputeId};

use super::DriftReport;
use super::compare::SeenAccount;
use crate::account::DisputeMark;
use crate::ports::{Class, PortResult, Ports, Stripe};
use crate::scan::{Pages, Scan};
use crate::stripe::Dispute;

/// The disputes of the last months.
#[derive(Debug, Default)]
pub(super) struct Disputes {
    /// The key may not read them.
    denied: bool,
    all: Vec<Dispute>,
    of_customers: HashMap<CustomerId, Vec<usize>>,
    by_id: HashMap<DisputeId, usize>,
}

impl Disputes {
    /// Lists them.
    pub(super) async fn list<P: Ports, T>(
        scan: &mut Scan<'_, P, T>,
        now: Timestamp,
        report: &mut DriftReport,
    ) -> PortResult<Self> {
        let from = now.saturating_sub(DISPUTES_OF).expect("a duration has no calendar");
        let (mut listed, mut at) = (Self::default(), Pages::start());
        loop {
            let page = match scan.disputes(from, &mut at).await {
                // A key of before disputes were compared: all else is.
                Err(error) if error.class == Class::Denied => {
                    report.disputes_denied = true;
                    return Ok(Self { denied: true, ..Self::default() });
                }
                page => page?,
            };
            let Some(page) = page else { return Ok(listed) };
            report.disputes += page.items.len();
            report.unreadable.add(&page.unreadable);
            page.items.into_iter().for_each(|dispute| listed.add(dispute));
        }
    }

    fn add(&mut self, dispute: Dispute) {
        let place = self.all.len();
        if let Some(customer) = &dispute.customer {
            self.of_customers.entry(customer.clone()).or_default().push(place);
        }
        self.by_id.insert(dispute.id.clone(), place);
        self.all.push(dispute);
    }

    /// Gives an account those that it has on record, and those of its customers.
    pub(super) async fn give<P: Ports, T>(
        &self,
        (ports, scan): (&P, &Scan<'_, P, T>),
        seen: &mut SeenAccount,
        report: &mut DriftReport,
    ) -> PortResult<()> {
        if self.denied {
            return Ok(());
        }
        let access = &seen.account.access;
        // Nobody is held who is closed.
        let customers = access.customers.iter().filter(|_| !seen.account.is_closed());
        let of_customers =
            customers.filter_map(|customer| self.of_customers.get(customer)).flatten();
        let new = of_customers.map(|place| &self.all[*place]);
        let mut all: Vec<_> =
            new.filter(|dispute| !access.disputes.contains_key(&dispute.id)).cloned().collect();
        for (id, mark) in &access.disputes {
            if let Some(place) = self.by_id.get(id) {
                all.push(self.all[*place].clone());
            } else if *mark == DisputeMark::Holding {
                scan.pause().await;
                report.disputes_read += 1;
                match ports.stripe().dispute(id).await {
                    // That Stripe does not know it is the worker's to say.
                    Ok(read) => all.extend(read),
                    Err(error) if error.class == Class::Invalid => seen.has_unreadable = true,
                    Err(error) => return Err(error),
                }
            }
        }
        seen.disputes = all;
        Ok(())
    }
}
