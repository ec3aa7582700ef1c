//! What must change so that Stripe sends a stack its events: the webhook endpoint.

use std::collections::BTreeSet;

/// A webhook endpoint in Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `we_…`
    pub id: String,
    /// Where events are posted.
    pub url: String,
    /// Which types; `*` stands for all.
    pub enabled_events: BTreeSet<String>,
    /// Whether events are sent to it.
    pub enabled: bool,
    /// The shape of its events, fixed when it was made; the account's default without it.
    pub api_version: Option<String>,
    /// The stack that made it, by its metadata.
    pub stack: Option<String>,
    /// The fingerprint of its signing secret, by its metadata: Stripe does not show the
    /// secret again, and this says which of those that are stored is its own.
    pub secret: Option<String>,
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// One endpoint with the right types.
    Apply,
    /// A second endpoint with a new signing secret, beside the first.
    Roll,
    /// No endpoint of ours but the newest, and no signing secret but its own.
    Retire,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointChange {
    /// An endpoint is made, and its signing secret is put before those that are stored.
    Create,
    /// An endpoint of ours sends other types, or is turned on.
    Update {
        /// Which one.
        id: String,
        /// Types that it lacks.
        add: Vec<String>,
        /// Types that it sends for nothing.
        remove: Vec<String>,
        /// Whether it is turned on.
        enable: bool,
    },
    /// An endpoint of ours is removed.
    Delete {
        /// Which one.
        id: String,
    },
    /// Of the stored signing secrets only one is kept.
    KeepSecret {
        /// The fingerprint of that one.
        fingerprint: String,
    },
}

/// Why nothing can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointObstacle {
    /// An endpoint that is not ours lacks types, or is turned off.
    Foreign {
        /// Which one.
        id: String,
        /// Types that it lacks.
        missing: Vec<String>,
    },
    /// There is an endpoint, but its signing secret is not stored, or another one is: Stripe's
    /// API shows it only when the endpoint is made.
    NoSecret {
        /// Which one.
        id: String,
    },
    /// There are two of ours already: one has to go before another comes.
    RolledBefore,
    /// The newest of ours is not known to work, because none of the stored secrets is known
    /// to be its own: the others cannot go.
    NewestUnknown {
        /// Which one.
        id: String,
    },
    /// The newest of ours is turned off: the others cannot go.
    NewestOff {
        /// Which one.
        id: String,
    },
    /// An endpoint that is not ours sends here, and its secret would go.
    ForeignSends {
        /// Which one.
        id: String,
    },
    /// None of ours, and no secret, can go.
    NothingToRetire,
}

/// What is worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointNote {
    /// Its events have the shape of another version, which cannot be changed.
    OtherVersion {
        /// Which one.
        id: String,
        /// Its version.
        version: String,
    },
    /// More than one endpoint has the URL: events come more than once.
    Several {
        /// How many.
        count: usize,
    },
    /// One that is not ours sends here what nobody needs: it is compared, and left as it is.
    ForeignSendsMore {
        /// Which one.
        id: String,
        /// Types, or `*` alone for all of them.
        types: Vec<String>,
    },
    /// An endpoint with our mark has another URL.
    Elsewhere {
        /// Which one.
        id: String,
        /// Where it sends.
        url: String,
        /// Whether its secret is stored here, so that it is certainly ours.
        retires: bool,
    },
}

/// What is to be done, and what stands against it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointDiff {
    /// In this order.
    pub changes: Vec<EndpointChange>,
    /// While there is any, nothing is to be done.
    pub obstacles: Vec<EndpointObstacle>,
    /// For people.
    pub notes: Vec<EndpointNote>,
}

/// What a stack's endpoint is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// Where its webhook is.
    pub url: &'a str,
    /// The types that it acts on.
    pub events: &'a [&'a str],
    /// The version that new endpoints get.
    pub api_version: &'a str,
    /// The fingerprints of the signing secrets that are stored.
    pub secrets: &'a [String],
}

impl Wanted<'_> {
    /// Whether an endpoint's secret is known to be stored.
    fn stores(&self, endpoint: &Endpoint) -> bool {
        endpoint.secret.as_ref().is_some_and(|secret| self.secrets.contains(secret))
    }
}

/// The endpoints, by what they are to the stack.
struct Sorted<'a> {
    /// Ours at our URL, newest first.
    ours: Vec<&'a Endpoint>,
    /// At our URL, and not ours.
    foreign: Vec<&'a Endpoint>,
    /// With our mark, at another URL.
    elsewhere: Vec<&'a Endpoint>,
}

/// What must change. `endpoints` are in Stripe's order, newest first. Total.
pub fn diff_endpoints(endpoints: &[Endpoint], wanted: &Wanted<'_>, wish: Wish) -> EndpointDiff {
    let is_ours = |it: &&Endpoint| it.stack.as_deref() == Some(wanted.stack);
    let (here, elsewhere): (Vec<_>, Vec<_>) = endpoints.iter().partition(|it| it.url == wanted.url);
    let (ours, foreign) = here.into_iter().partition(is_ours);
    let elsewhere = elsewhere.into_iter().filter(is_ours).collect();
    let sorted = Sorted { ours, foreign, elsewhere };
    let mut diff = match wish {
        Wish::Roll => roll(&sorted, wanted),
        Wish::Retire => retire(&sorted, wanted),
        Wish::Apply => apply(&sorted, wanted),
    };
    diff.notes.extend(sorted.elsewhere.iter().map(|it| EndpointNote::Elsewhere {
        id: it.id.clone(),
        url: it.url.clone(),
        retires: wanted.stores(it),
    }));
    diff
}

fn refuse(obstacle: EndpointObstacle) -> EndpointDiff {
    EndpointDiff { obstacles: vec![obstacle], ..EndpointDiff::default() }
}

fn change(changes: Vec<EndpointChange>) -> EndpointDiff {
    EndpointDiff { changes, ..EndpointDiff::default() }
}

fn roll(sorted: &Sorted<'_>, wanted: &Wanted<'_>) -> EndpointDiff {
    match &sorted.ours[..] {
        [] | [_] => change(vec![EndpointChange::Create]),
        [newest, ..] => refuse(unusable(newest, wanted).unwrap_or(EndpointObstacle::RolledBefore)),
    }
}

/// Why an endpoint cannot be the only one.
fn unusable(newest: &Endpoint, wanted: &Wanted<'_>) -> Option<EndpointObstacle> {
    let id = newest.id.clone();
    if !wanted.stores(newest) {
        return Some(EndpointObstacle::NewestUnknown { id });
    }
    (!newest.enabled).then_some(EndpointObstacle::NewestOff { id })
}

/// What has another URL is removed only where its secret says that this very stack has
/// made it: the mark is a name, which a stack in another Region may have too.
fn retire(sorted: &Sorted<'_>, wanted: &Wanted<'_>) -> EndpointDiff {
    let [newest, old @ ..] = &sorted.ours[..] else {
        return refuse(EndpointObstacle::NothingToRetire);
    };
    let elsewhere = sorted.elsewhere.iter().filter(|it| wanted.stores(it));
    let gone: Vec<_> = old.iter().chain(elsewhere).map(|it| it.id.clone()).collect();
    if gone.is_empty() && wanted.secrets.len() < 2 {
        return refuse(EndpointObstacle::NothingToRetire);
    }
    if let Some(obstacle) = unusable(newest, wanted) {
        return refuse(obstacle);
    }
    if let Some(foreign) = sorted.foreign.iter().find(|it| it.enabled) {
        return refuse(EndpointObstacle::ForeignSends { id: foreign.id.clone() });
    }
    let gone = gone.into_iter().map(|id| EndpointChange::Delete { id });
    let kept = newest.secret.clone().filter(|_| wanted.secrets.len() > 1);
    let kept = kept.map(|fingerprint| EndpointChange::KeepSecret { fingerprint });
    change(gone.chain(kept).collect())
}

fn apply(sorted: &Sorted<'_>, wanted: &Wanted<'_>) -> EndpointDiff {
    let Sorted { ours, foreign, .. } = sorted;
    let Some(first) = ours.first().or(foreign.first()) else {
        return change(vec![EndpointChange::Create]);
    };
    let mut diff = EndpointDiff::default();
    if ours.is_empty() && !foreign.iter().any(|it| it.enabled && missing(it, wanted).is_empty()) {
        let (id, missing) = (first.id.clone(), missing(first, wanted));
        diff.obstacles.push(EndpointObstacle::Foreign { id, missing });
    }
    diff.changes.extend(ours.iter().filter_map(|it| update(it, wanted)));
    if let Some(id) = without_secret(sorted, wanted) {
        diff.obstacles.push(EndpointObstacle::NoSecret { id });
    }
    let count = ours.len() + foreign.len();
    if count > 1 {
        diff.notes.push(EndpointNote::Several { count });
    }
    if let Some(version) = first.api_version.as_ref().filter(|it| *it != wanted.api_version) {
        let (id, version) = (first.id.clone(), version.clone());
        diff.notes.push(EndpointNote::OtherVersion { id, version });
    }
    diff.notes.extend(foreign.iter().filter(|it| it.enabled).filter_map(|it| {
        let types = needless(it, wanted);
        (!types.is_empty()).then(|| EndpointNote::ForeignSendsMore { id: it.id.clone(), types })
    }));
    diff
}

/// An endpoint whose secret is certainly not stored: the newest of ours has a mark that says
/// so, or there are fewer secrets of which the endpoint is not known than endpoints without a
/// mark. An older one of ours is on its way out.
fn without_secret(sorted: &Sorted<'_>, wanted: &Wanted<'_>) -> Option<String> {
    if let Some(newest) = sorted.ours.first()
        && newest.secret.is_some()
        && !wanted.stores(newest)
    {
        return Some(newest.id.clone());
    }
    let all = || sorted.ours.iter().chain(&sorted.elsewhere);
    let is_known = |secret: &&String| all().any(|it| it.secret.as_ref() == Some(secret));
    let free = wanted.secrets.iter().filter(|it| !is_known(it)).count();
    let mut unknown: Vec<_> = sorted.ours.iter().filter(|it| it.secret.is_none()).collect();
    if sorted.ours.is_empty() {
        // Of endpoints that are not ours, one that sends will do.
        unknown.extend(sorted.foreign.first());
    }
    let first = unknown.first().filter(|_| free < unknown.len())?;
    Some(first.id.clone())
}

/// The types that an endpoint does not send.
fn missing(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Vec<String> {
    if endpoint.enabled_events.contains("*") { Vec::new() } else { lacks(endpoint, wanted) }
}

fn lacks(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Vec<String> {
    let events = wanted.events.iter().filter(|it| !endpoint.enabled_events.contains(**it));
    events.map(|it| (*it).to_owned()).collect()
}

/// What an endpoint sends for nothing.
fn needless(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Vec<String> {
    let sent = endpoint.enabled_events.iter();
    sent.filter(|it| !wanted.events.contains(&it.as_str())).cloned().collect()
}

fn update(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Option<EndpointChange> {
    let add = lacks(endpoint, wanted);
    let remove = needless(endpoint, wanted);
    let enable = !endpoint.enabled;
    let differs = enable || !add.is_empty() || !remove.is_empty();
    differs.then(|| EndpointChange::Update { id: endpoint.id.clone(), add, remove, enable })
}

#[cfg(test)]
mod tests;
