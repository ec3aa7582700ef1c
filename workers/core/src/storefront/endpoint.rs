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
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// One endpoint with the right types.
    Apply,
    /// A second endpoint with a new signing secret, beside the first.
    Roll,
    /// No endpoint but the newest, and no signing secret but its own.
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
    /// Of the stored signing secrets only the first is kept.
    KeepFirstSecret,
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
    /// There is an endpoint, but no signing secret is stored: Stripe's API shows it only
    /// when the endpoint is made.
    NoSecret {
        /// Which one.
        id: String,
    },
    /// There are two of ours already: one has to go before another comes.
    RolledBefore,
    /// None of ours can go.
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
    /// Whether a signing secret is stored.
    pub has_secret: bool,
}

/// What must change. `endpoints` are in Stripe's order, newest first. Total.
pub fn diff_endpoints(endpoints: &[Endpoint], wanted: &Wanted<'_>, wish: Wish) -> EndpointDiff {
    let here: Vec<_> = endpoints.iter().filter(|it| it.url == wanted.url).collect();
    let is_ours = |it: &&&Endpoint| it.stack.as_deref() == Some(wanted.stack);
    let ours: Vec<_> = here.iter().filter(is_ours).copied().collect();
    match wish {
        Wish::Roll if ours.len() > 1 => refuse(EndpointObstacle::RolledBefore),
        Wish::Roll => change(vec![EndpointChange::Create]),
        Wish::Retire if ours.len() < 2 => refuse(EndpointObstacle::NothingToRetire),
        Wish::Retire => {
            let old = ours[1..].iter();
            let gone = old.map(|it| EndpointChange::Delete { id: it.id.clone() });
            change(gone.chain([EndpointChange::KeepFirstSecret]).collect())
        }
        Wish::Apply => apply(&here, &ours, wanted),
    }
}

fn refuse(obstacle: EndpointObstacle) -> EndpointDiff {
    EndpointDiff { obstacles: vec![obstacle], ..EndpointDiff::default() }
}

fn change(changes: Vec<EndpointChange>) -> EndpointDiff {
    EndpointDiff { changes, ..EndpointDiff::default() }
}

fn apply(here: &[&Endpoint], ours: &[&Endpoint], wanted: &Wanted<'_>) -> EndpointDiff {
    let Some(first) = ours.first().or(here.first()) else {
        return change(vec![EndpointChange::Create]);
    };
    let mut diff = EndpointDiff::default();
    if ours.is_empty() {
        let missing =
            if first.enabled_events.contains("*") { vec![] } else { lacks(first, wanted) };
        if !first.enabled || !missing.is_empty() {
            let id = first.id.clone();
            diff.obstacles.push(EndpointObstacle::Foreign { id, missing });
        }
    }
    diff.changes.extend(ours.iter().filter_map(|it| update(it, wanted)));
    if !wanted.has_secret {
        diff.obstacles.push(EndpointObstacle::NoSecret { id: first.id.clone() });
    }
    if here.len() > 1 {
        diff.notes.push(EndpointNote::Several { count: here.len() });
    }
    if let Some(version) = first.api_version.as_ref().filter(|it| *it != wanted.api_version) {
        let (id, version) = (first.id.clone(), version.clone());
        diff.notes.push(EndpointNote::OtherVersion { id, version });
    }
    diff
}

fn lacks(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Vec<String> {
    let events = wanted.events.iter().filter(|it| !endpoint.enabled_events.contains(**it));
    events.map(|it| (*it).to_owned()).collect()
}

fn update(endpoint: &Endpoint, wanted: &Wanted<'_>) -> Option<EndpointChange> {
    let add = lacks(endpoint, wanted);
    let sent = endpoint.enabled_events.iter();
    let remove: Vec<_> = sent.filter(|it| !wanted.events.contains(&it.as_str())).cloned().collect();
    let enable = !endpoint.enabled;
    let differs = enable || !add.is_empty() || !remove.is_empty();
    differs.then(|| EndpointChange::Update { id: endpoint.id.clone(), add, remove, enable })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(id: &str, stack: Option<&str>, events: &[&str]) -> Endpoint {
        Endpoint {
            id: id.into(),
            url: "https://a.example/webhook".into(),
            enabled_events: events.iter().map(|it| (*it).to_owned()).collect(),
            enabled: true,
            api_version: Some("v2".into()),
            stack: stack.map(str::to_owned),
        }
    }

    fn told(endpoints: &[Endpoint], has_secret: bool, wish: Wish) -> String {
        let wanted = Wanted {
            stack: "shop",
            url: "https://a.example/webhook",
            events: &["a", "b"],
            api_version: "v2",
            has_secret,
        };
        let diff = diff_endpoints(endpoints, &wanted, wish);
        format!("{:?} {:?} {:?}", diff.changes, diff.obstacles, diff.notes)
    }

    #[test]
    fn a_table_of_endpoints() {
        use Wish::{Apply, Retire, Roll};
        let ours = |id: &str| endpoint(id, Some("shop"), &["a", "b"]);
        let elsewhere = Endpoint { url: "https://b.example".into(), ..ours("we_1") };
        let off = Endpoint { enabled: false, ..ours("we_1") };
        let old = Endpoint { api_version: Some("v1".into()), ..ours("we_1") };
        let foreign = |events: &[&str]| endpoint("we_1", None, events);
        let update = |add: &str, remove: &str, enable: bool| {
            format!(
                "[Update {{ id: \"we_1\", add: [{add}], remove: [{remove}], enable: {enable} }}] [] []"
            )
        };
        let table: Vec<(Vec<Endpoint>, bool, Wish, String)> = vec![
            (vec![], false, Apply, "[Create] [] []".into()),
            (vec![elsewhere], true, Apply, "[Create] [] []".into()),
            (vec![ours("we_1")], true, Apply, "[] [] []".into()),
            (vec![ours("we_1")], false, Apply, "[] [NoSecret { id: \"we_1\" }] []".into()),
            (vec![off], true, Apply, update("", "", true)),
            (
                vec![endpoint("we_1", Some("shop"), &["a", "*"])],
                true,
                Apply,
                update("\"b\"", "\"*\"", false),
            ),
            (vec![foreign(&["*"])], true, Apply, "[] [] []".into()),
            (
                vec![foreign(&["a"])],
                true,
                Apply,
                "[] [Foreign { id: \"we_1\", missing: [\"b\"] }] []".into(),
            ),
            (
                vec![old],
                true,
                Apply,
                "[] [] [OtherVersion { id: \"we_1\", version: \"v1\" }]".into(),
            ),
            (vec![ours("we_2"), ours("we_1")], true, Apply, "[] [] [Several { count: 2 }]".into()),
            (vec![ours("we_1")], true, Roll, "[Create] [] []".into()),
            (vec![ours("we_2"), ours("we_1")], true, Roll, "[] [RolledBefore] []".into()),
            (vec![ours("we_1")], true, Retire, "[] [NothingToRetire] []".into()),
            (
                vec![ours("we_2"), ours("we_1")],
                true,
                Retire,
                "[Delete { id: \"we_1\" }, KeepFirstSecret] [] []".into(),
            ),
        ];
        for (endpoints, has_secret, wish, expected) in table {
            assert_eq!(told(&endpoints, has_secret, wish), expected, "{endpoints:?} {wish:?}");
        }
    }
}
