use super::*;

fn endpoint(id: &str, stack: Option<&str>, events: &[&str]) -> Endpoint {
    Endpoint {
        id: id.into(),
        url: "https://a.example/webhook".into(),
        enabled_events: events.iter().map(|it| (*it).to_owned()).collect(),
        enabled: true,
        api_version: Some("v2".into()),
        stack: stack.map(str::to_owned),
        secret: stack.map(|_| id.replace("we_", "s")),
    }
}

/// `secrets` are the stored fingerprints; an endpoint `we_1` of ours has `s1`.
fn told(endpoints: &[Endpoint], secrets: &str, wish: Wish) -> String {
    let secrets: Vec<_> = secrets.split_whitespace().map(str::to_owned).collect();
    let wanted = Wanted {
        stack: "shop",
        url: "https://a.example/webhook",
        events: &["a", "b"],
        api_version: "v2",
        secrets: &secrets,
    };
    let diff = diff_endpoints(endpoints, &wanted, wish);
    let text = format!("{:?} {:?} {:?}", diff.changes, diff.obstacles, diff.notes);
    text.replace('"', "")
}

fn ours(id: &str) -> Endpoint {
    endpoint(id, Some("shop"), &["a", "b"])
}

fn off(endpoint: Endpoint) -> Endpoint {
    Endpoint { enabled: false, ..endpoint }
}

fn unmarked(endpoint: Endpoint) -> Endpoint {
    Endpoint { secret: None, ..endpoint }
}

fn elsewhere(id: &str) -> Endpoint {
    Endpoint { url: "https://b.example".into(), ..ours(id) }
}

type Row = (Vec<Endpoint>, &'static str, &'static str);

fn check(wish: Wish, table: Vec<Row>) {
    for (endpoints, secrets, expected) in table {
        assert_eq!(told(&endpoints, secrets, wish), expected, "{endpoints:?} {secrets}");
    }
}

#[test]
fn applied() {
    let old = Endpoint { api_version: Some("v1".into()), ..ours("we_1") };
    let all = endpoint("we_1", Some("shop"), &["a", "*"]);
    let foreign = |id: &str, events: &[&str]| endpoint(id, None, events);
    check(
        Wish::Apply,
        vec![
            (vec![], "", "[Create] [] []"),
            (vec![ours("we_1")], "s1", "[] [] []"),
            (vec![ours("we_1")], "", "[] [NoSecret { id: we_1 }] []"),
            // Another secret is stored than the one that Stripe signs with.
            (vec![ours("we_1")], "s9", "[] [NoSecret { id: we_1 }] []"),
            // Rolled, and not yet retired.
            (vec![ours("we_2"), ours("we_1")], "s2 s9", "[] [] [Several { count: 2 }]"),
            // Its answer or its secret was lost on the way; by hand it may be stored.
            (vec![unmarked(ours("we_1"))], "", "[] [NoSecret { id: we_1 }] []"),
            (vec![unmarked(ours("we_1"))], "s9", "[] [] []"),
            (
                vec![unmarked(ours("we_2")), ours("we_1")],
                "s1",
                "[] [NoSecret { id: we_2 }] [Several { count: 2 }]",
            ),
            (
                vec![off(ours("we_1"))],
                "s1",
                "[Update { id: we_1, add: [], remove: [], enable: true }] [] []",
            ),
            (vec![all], "s1", "[Update { id: we_1, add: [b], remove: [*], enable: false }] [] []"),
            (vec![foreign("we_1", &["a", "b"])], "s9", "[] [] []"),
            (vec![foreign("we_1", &["a", "b"])], "", "[] [NoSecret { id: we_1 }] []"),
            (
                vec![foreign("we_1", &["*"])],
                "s9",
                "[] [] [ForeignSendsMore { id: we_1, types: [*] }]",
            ),
            (
                vec![ours("we_2"), foreign("we_1", &["a", "c"]), off(foreign("we_0", &["*"]))],
                "s2",
                "[] [] [Several { count: 3 }, ForeignSendsMore { id: we_1, types: [c] }]",
            ),
            (vec![foreign("we_1", &["a"])], "s9", "[] [Foreign { id: we_1, missing: [b] }] []"),
            (
                vec![foreign("we_2", &["a"]), foreign("we_1", &["a", "b"])],
                "s9",
                "[] [] [Several { count: 2 }]",
            ),
            (vec![old], "s1", "[] [] [OtherVersion { id: we_1, version: v1 }]"),
            (vec![ours("we_2"), ours("we_1")], "s2 s1", "[] [] [Several { count: 2 }]"),
            (
                vec![elsewhere("we_1")],
                "s1",
                "[Create] [] [Elsewhere { id: we_1, url: https://b.example, retires: true }]",
            ),
        ],
    );
}

#[test]
fn rolled() {
    check(
        Wish::Roll,
        vec![
            (vec![ours("we_1")], "s1", "[Create] [] []"),
            (vec![ours("we_2"), ours("we_1")], "s2 s1", "[] [RolledBefore] []"),
            (
                vec![unmarked(ours("we_2")), ours("we_1")],
                "s1",
                "[] [NewestUnknown { id: we_2 }] []",
            ),
        ],
    );
}

/// Whatever comes, the newest endpoint works and its secret stays.
#[test]
fn retired() {
    let unknown = "[] [NewestUnknown { id: we_2 }] []";
    check(
        Wish::Retire,
        vec![
            (vec![], "", "[] [NothingToRetire] []"),
            (vec![ours("we_1")], "s1", "[] [NothingToRetire] []"),
            (
                vec![ours("we_2"), ours("we_1")],
                "s2 s1",
                "[Delete { id: we_1 }, KeepSecret { fingerprint: s2 }] [] []",
            ),
            // Stored by hand, in another order.
            (
                vec![ours("we_2"), ours("we_1")],
                "s1 s2",
                "[Delete { id: we_1 }, KeepSecret { fingerprint: s2 }] [] []",
            ),
            (vec![ours("we_2"), ours("we_1")], "s2", "[Delete { id: we_1 }] [] []"),
            (vec![ours("we_2")], "s2 s1", "[KeepSecret { fingerprint: s2 }] [] []"),
            (vec![ours("we_2"), ours("we_1")], "s1", unknown),
            // As many secrets as endpoints, and the newest one's not among them.
            (vec![ours("we_2"), ours("we_1")], "s1 s0", unknown),
            (vec![unmarked(ours("we_2")), ours("we_1")], "s1", unknown),
            (vec![unmarked(ours("we_2"))], "s1 s0", unknown),
            (vec![off(ours("we_2")), ours("we_1")], "s2 s1", "[] [NewestOff { id: we_2 }] []"),
            (
                vec![ours("we_2"), endpoint("we_1", None, &["*"])],
                "s2 s1",
                "[] [ForeignSends { id: we_1 }] []",
            ),
            (
                vec![ours("we_2"), elsewhere("we_1"), elsewhere("we_0")],
                "s2 s1",
                "[Delete { id: we_1 }, KeepSecret { fingerprint: s2 }] [] \
                 [Elsewhere { id: we_1, url: https://b.example, retires: true }, \
                 Elsewhere { id: we_0, url: https://b.example, retires: false }]",
            ),
        ],
    );
}
