//! When the API keys will be used up, at the pace at which accounts came lately.
//!
//! AWS allows 10,000 keys in an account and Region and does not raise that; below the policy's
//! reserve, only those who pay get one.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>

use jiff::{SignedDuration, Timestamp};
use tollgate_core::account::Account;
use tollgate_core::key_name::key_prefix;
use tollgate_core::policy::Policy;
use tollgate_core::ports::{ApiGateway, Ledger, PortResult};
use tollgate_core::scan::Pages;

/// Over how many days the pace is taken.
const WINDOWS: [u32; 2] = [7, 30];

/// The keys that accounts have, and how many accounts got their first one lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minted {
    /// Keys that accounts have.
    pub ours: u64,
    /// Accounts that have a key, and got their first one in the last 7 and in the last 30 days. A
    /// later one took its place.
    pub lately: [u64; 2],
}

impl Minted {
    /// Counts an account's keys.
    pub fn add(&mut self, account: &Account, now: Timestamp) {
        self.ours += account.access.retiring.len() as u64;
        for key in account.access.keys.values() {
            self.ours += 1;
            let first = account.first_key_at.or((key.generation == 1).then_some(key.minted_at));
            let Some(age) = first.map(|at| now.duration_since(at)) else { continue };
            for (days, count) in WINDOWS.into_iter().zip(&mut self.lately) {
                *count += u64::from(age < in_days(days));
            }
        }
    }
}

/// Counts the keys of all accounts, page by page.
///
/// # Errors
/// The ledger failed.
pub async fn minted<L: Ledger>(ledger: &L, now: Timestamp) -> PortResult<Minted> {
    let (mut minted, mut at) = (Minted::default(), Pages::start());
    while let Some(token) = at.turn() {
        let accounts = at.past(ledger.accounts(token.as_deref()).await?);
        accounts.items.iter().for_each(|account| minted.add(account, now));
    }
    Ok(minted)
}

/// The keys that there are in the account and Region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Live {
    /// Everybody's.
    pub all: u64,
    /// Those with this stack's name.
    pub ours: u64,
}

/// Counts the keys that there are, 500 to a call.
///
/// # Errors
/// API Gateway failed.
pub async fn count_keys<A: ApiGateway>(api_gateway: &A, stack: &str) -> PortResult<Live> {
    let prefix = key_prefix(stack);
    let (mut live, mut position) = (Live::default(), None);
    loop {
        let keys = api_gateway.all_keys(position.as_deref()).await?;
        live.all += (keys.items.len() + keys.unreadable.len()) as u64;
        live.ours += keys.items.iter().filter(|key| key.name.starts_with(&prefix)).count() as u64;
        position = keys.next;
        if position.is_none() {
            return Ok(live);
        }
    }
}

/// How many keys there are, and may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyStock {
    /// Everybody's keys.
    pub used: u64,
    /// How many there may be.
    pub quota: u64,
    /// How many of these are kept for those who pay.
    pub reserve: u64,
}

impl KeyStock {
    /// What the policy says of this many keys.
    pub fn new(used: u64, policy: &Policy) -> Self {
        Self { used, quota: policy.key_quota.into(), reserve: policy.key_reserve.into() }
    }
}

/// When a number of keys will be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// It is.
    Already,
    /// Then.
    At(Timestamp),
    /// Not in a hundred years.
    Never,
}

/// What comes of a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Over how many days it was taken.
    pub days: u32,
    /// How many accounts got their first key in them.
    pub keys: u64,
    /// When only those who pay will get a key.
    pub reserve: Reached,
    /// When nobody will.
    pub quota: Reached,
}

/// The forecast: one for each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// At the pace of the last 7 and of the last 30 days.
    pub paces: [Pace; 2],
}

impl Forecast {
    /// Whether only those who pay get a key now.
    pub fn is_short(&self) -> bool {
        self.paces[0].reserve == Reached::Already
    }
}

/// What will come, if accounts go on coming as they did.
pub fn forecast(stock: &KeyStock, minted: &Minted, now: Timestamp) -> Forecast {
    let free = stock.quota.saturating_sub(stock.reserve);
    let pace = |window: usize| {
        let (days, keys) = (WINDOWS[window], minted.lately[window]);
        let at = |limit| reached(stock.used, limit, keys, days, now);
        Pace { days, keys, reserve: at(free), quota: at(stock.quota) }
    };
    Forecast { paces: [pace(0), pace(1)] }
}

fn reached(used: u64, limit: u64, keys: u64, days: u32, now: Timestamp) -> Reached {
    if used >= limit {
        return Reached::Already;
    }
    let seconds = u128::from(limit - used) * u128::from(in_days(days).unsigned_abs().as_secs());
    let seconds = seconds.checked_div(u128::from(keys)).and_then(|it| i64::try_from(it).ok());
    let wait = seconds.map(SignedDuration::from_secs).filter(|wait| *wait < in_days(36_525));
    wait.and_then(|wait| now.checked_add(wait).ok()).map_or(Reached::Never, Reached::At)
}

fn in_days(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}

#[cfg(test)]
mod tests {
    use tollgate_events::AccountId;

    use super::*;
    use tollgate_core::account::{KeyId, KeyRecord, Slot};

    fn now() -> Timestamp {
        "2026-03-31T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_key_counts_as_new_in_its_first_days_and_once() {
        let mut minted = Minted::default();
        // Keys by their age and generation, and how old the first one was that was replaced.
        let new = [(0, 1, None), (6, 1, None), (7, 1, None), (29, 1, None), (30, 1, None)];
        let replaced = [(1, 2, Some(8)), (1, 2, Some(40)), (1, 2, None)];
        for (days, generation, first) in new.into_iter().chain(replaced) {
            let mut account = Account::new(AccountId::parse("a").unwrap());
            account.first_key_at = first.map(|days| now() - in_days(days));
            let id = KeyId::parse("k").unwrap();
            let minted_at = now() - in_days(days);
            let key = KeyRecord { id, generation, minted_at };
            account.access.keys.insert(Slot::Primary, key);
            minted.add(&account, now());
        }
        assert_eq!(minted, Minted { ours: 8, lately: [2, 5] });
    }

    #[test]
    fn the_pace_tells_the_day() {
        let at = |text: &str| Reached::At(text.parse().unwrap());
        for (used, lately, reserve, quota) in [
            (800, 70, at("2026-04-10T00:00:00Z"), at("2026-04-20T00:00:00Z")),
            (899, 7, at("2026-04-01T00:00:00Z"), at("2026-07-10T00:00:00Z")),
            (900, 7, Reached::Already, at("2026-07-09T00:00:00Z")),
            (1000, 7, Reached::Already, Reached::Already),
            (2000, 0, Reached::Already, Reached::Already),
            (0, 0, Reached::Never, Reached::Never),
        ] {
            let stock = KeyStock { used, quota: 1000, reserve: 100 };
            let minted = Minted { ours: used, lately: [lately, 0] };
            let [pace, idle] = forecast(&stock, &minted, now()).paces;
            assert_eq!((pace.reserve, pace.quota), (reserve, quota), "{used}");
            assert!(!matches!(idle.quota, Reached::At(_)));
        }
    }

    #[test]
    fn what_is_far_away_is_never() {
        let stock = KeyStock { used: 0, quota: u64::MAX, reserve: 0 };
        let minted = Minted { ours: 1, lately: [1, 1] };
        assert!(forecast(&stock, &minted, now()).paces.iter().all(|it| it.quota == Reached::Never));
        // One key a month for 100 years is 1,218 keys.
        let stock = KeyStock { used: 0, quota: 1_217, reserve: 0 };
        let pace = forecast(&stock, &minted, now()).paces[1];
        assert!(matches!(pace.quota, Reached::At(_)), "{pace:?}");
    }
}
