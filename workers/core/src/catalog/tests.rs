use super::*;

const GOOD: &str = r#"
revision = 3
default_plan = "free"
stages = ["api1:prod"]

[[plans]]
id = "free"
rank = 0
usage_plan = "up-free"
quota = { limit = 100, period = "MONTH" }

[[plans]]
id = "pro"
rank = 20
usage_plan = "up-pro"
throttle = { rate = 5.0, burst = 10 }
prices = ["price_old"]
lookup_keys = ["pro_monthly"]
products = ["prod_pro"]

[[plans.offers]]
lookup_key = "pro_yearly"
unit_amount = 49000
currency = "usd"
interval = "year"

[policy]
grace_days = 3
"#;

fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the test replaces nothing: {from}");
    CatalogFile::parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

#[test]
fn reads_plans_and_policy() {
    let file = CatalogFile::parse(GOOD).unwrap();
    assert_eq!(file.policy.grace_days, 3);
    assert_eq!(file.catalog.default_plan().unwrap().id.as_str(), "free");
    assert_eq!(file.catalog.plans().len(), 2);
}

/// What the page shows, and what it must not: an address that is a script, a key sent in the clear, a
/// link that nobody can read.
#[test]
fn a_brand_is_shown_as_it_is_written_or_refused_with_its_line() {
    const BRAND: &str = r##"
[brand]
name = "Acme Weather"
logo = "acme.svg"
accent = { light = "#0a5c36", dark = "#7fe0b0" }
support = "mailto:help@acme.example"
terms = "https://acme.example/terms"
privacy = "https://acme.example/privacy?v=2"
docs = "https://docs.acme.example"
api_url = "https://api.acme.example/v1/"
try_path = "/forecast?city=Graz"
header = "x-acme-key"
"##;
    let brand = |text: &str| CatalogFile::parse(&format!("{GOOD}{text}")).map(|it| it.brand);
    assert_eq!(brand("").unwrap(), Brand::default());
    assert_eq!(brand("[brand]").unwrap(), Brand::default());
    let whole = brand(BRAND).unwrap();
    assert_eq!(whole.name.as_deref(), Some("Acme Weather"));
    assert_eq!(whole.api_url.as_deref(), Some("https://api.acme.example/v1"), "paths follow it");
    assert_eq!(whole.accent.dark.to_string(), "#7fe0b0");
    assert!(brand("[brand]\napi_url = \"http://127.0.0.1:8080\"").is_ok(), "on this machine");

    let at = GOOD.lines().count() + 1;
    for (line, from, to, problem) in [
        (2, "Acme Weather", "", "`` cannot be shown"),
        (2, "Acme Weather", r"Acme\u202e", "one line"),
        (3, "acme.svg", "../acme.svg", "beside plans.toml"),
        (3, "acme.svg", "acme.html", ".svg"),
        (4, "#0a5c36", "#9adfc0", "1.5:1 on the light page's #ffffff; choose a darker colour"),
        (4, "#7fe0b0", "#0a5c36", "on the dark page's #14171c; choose a lighter colour"),
        (4, "#0a5c36", "green", "`green` is no colour; write it as \"#rrggbb\""),
        (5, "mailto:help@acme.example", "javascript:alert(1)", "https:// or mailto:"),
        (5, "mailto:help@acme.example", "mailto:a@b.example?body=x", "https:// or mailto:"),
        (6, "https://acme.example/terms", "http://acme.example/terms", "begins with https://"),
        (6, "https://acme", "https://a\\\"onclick=x", "begins with https://"),
        (8, "https://docs", "https://somebody@docs", "begins with https://"),
        (9, "https://api", "http://127.0.0.1.evil", "begins with https://"),
        (10, "/forecast", "//evil.example", "begins with /"),
        (11, "x-acme-key", "x acme", "a header's name"),
        (11, "header = \"x-acme-key\"", "colour = \"red\"", "unknown field `colour`"),
    ] {
        assert!(BRAND.contains(from), "the test replaces nothing: {from}");
        let told = brand(&BRAND.replacen(from, to, 1)).unwrap_err().to_string();
        let line = format!("plans.toml line {}: ", at + line);
        assert!(told.starts_with(&line) && told.contains(problem), "{to}: {told}");
    }
}

#[test]
fn contrast_is_as_the_guidelines_measure_it() {
    let [black, white] = ["#000000", "#ffffff"].map(|it| Colour::parse(it).unwrap());
    assert!((black.contrast(white) - 21.0).abs() < 0.001);
    assert!((white.contrast(white) - 1.0).abs() < 0.001);
    // The lightest grey that can be read on white: <https://webaim.org/articles/contrast/>.
    let grey = Colour::parse("#767676").unwrap();
    assert!((4.5..4.6).contains(&grey.contrast(white)), "{}", grey.contrast(white));
    let Brand { accent, .. } = Brand::default();
    assert!(accent.light.contrast(Colour::LIGHT_PAGE) >= 4.5);
    assert!(accent.dark.contrast(Colour::DARK_PAGE) >= 4.5);
    for odd in ["#12345", "123456", "#12345g", "#+1+2+3", "#ääääää", ""] {
        assert_eq!(Colour::parse(odd), None, "{odd}");
    }
}

#[test]
fn a_draft_may_lack_usage_plans_and_keeps_every_other_rule() {
    let draft = |from: &str, to: &str| CatalogDraft::parse(&GOOD.replacen(from, to, 1));
    let plans = draft(r#"usage_plan = "up-pro""#, "").unwrap().plans;
    assert_eq!(plans[0].usage_plan.as_ref().map(UsagePlanId::as_str), Some("up-free"));
    assert_eq!(plans[1].usage_plan, None);
    assert_eq!(plans[1].lookup_keys, ["pro_yearly", "pro_monthly"]);
    assert_eq!(draft(r#""up-pro""#, r#""""#).unwrap().plans[1].usage_plan, None);
    assert!(draft(r#""up-pro""#, r#""up-free""#).is_err());
    assert!(draft("rank = 20", "rank = 0").is_err());
}

#[test]
fn every_mistake_names_its_line_and_its_mend() {
    for (from, to, line, mend) in [
        (r#"id = "pro""#, r#"id = "free""#, 13, "give each plan its own"),
        ("rank = 20", "rank = 0", 14, "give each plan its own"),
        (r#""up-pro""#, r#""up-free""#, 15, "give each plan its own"),
        (r#"["pro_monthly"]"#, r#"["a", "a"]"#, 18, "name it once"),
        (r#"["pro_monthly"]"#, r#"["pro_yearly"]"#, 18, "name it once"),
        (r#""pro_yearly""#, r#""""#, 22, "1 to 200"),
        ("unit_amount = 49000", "unit_amount = 0", 23, "smallest unit"),
        (r#""usd""#, r#""USD""#, 24, "three lower-case letters"),
        (r#""year""#, "\"year\"\ninterval_count = 4", 26, "three years"),
        (r#""year""#, "\"day\"\ninterval_count = 0", 26, "three years"),
        (r#"["api1:prod"]"#, r#"["api1"]"#, 4, "<rest api id>:<stage>"),
        (r#"usage_plan = "up-pro""#, "", 13, "tollgate plans apply"),
        (r#""up-pro""#, r#""""#, 15, "tollgate plans apply"),
        (r#"id = "pro""#, r#"id = "held""#, 13, "choose another id"),
        (r#"id = "pro""#, r#"id = "p ro""#, 13, "visible ASCII"),
        (r#"["price_old"]"#, r#"[""]"#, 17, "255 bytes without control characters"),
        (r#"["price_old"]"#, r#"["a\tb"]"#, 17, "an identifier has a control character"),
        (r#"default_plan = "free""#, r#"default_plan = "gold""#, 3, "leave default_plan out"),
        (r#"default_plan = "free""#, r#"default_plan = "pro""#, 3, "rank 0"),
        (r#"["api1:prod"]"#, "[]", 4, "at least one"),
        ("rate = 5.0", "rate = 0.0", 16, "above 0"),
        ("burst = 10", "burst = 2147483648", 16, "at most 2147483647"),
        ("limit = 100", "limit = 2147483648", 10, "at most 2147483647"),
        (
            "throttle =",
            "quota = { limit = 0, period = \"DAY\" }\nthrottle =",
            16,
            "leave the quota out",
        ),
        (
            "grace_days = 3",
            "hold_on_dispute = false\nhold_on_inquiry = true",
            29,
            "turn hold_on_dispute on",
        ),
    ] {
        let text = error(from, to);
        assert!(text.starts_with(&format!("plans.toml line {line}: ")), "{text}");
        assert!(text.contains(mend), "{text}");
    }
}

/// In the seller's words, not in Rust's.
#[test]
fn a_value_of_another_kind_is_told_what_it_means() {
    for (from, to, line, told) in [
        (
            "unit_amount = 49000",
            "unit_amount = 29.00",
            23,
            "`unit_amount` is whole cents (the currency's smallest unit), 2900 for 29.00",
        ),
        (
            "unit_amount = 49000\n",
            "",
            21,
            "missing field `unit_amount`; `unit_amount` is whole cents",
        ),
        (
            "limit = 100",
            "limit = \"100\"",
            10,
            "`limit` is how many requests a period has, a whole number",
        ),
        (
            r#""MONTH""#,
            r#""YEAR""#,
            10,
            "unknown variant `YEAR`; `period` is \"DAY\", \"WEEK\" or \"MONTH\"",
        ),
        ("rank = 20", "rank = -1", 14, "`rank` is a whole number: 0 for what costs nothing"),
        ("grace_days = 3", "grace_days = 3.5", 28, "`grace_days` is whole days"),
        ("revision = 3", "revision = \"3\"", 2, "`revision` is a whole number"),
    ] {
        let text = error(from, to);
        assert!(text.starts_with(&format!("plans.toml line {line}: ")), "{text}");
        assert!(text.contains(told), "{text}");
        assert!(!text.contains("u32") && !text.contains("i64"), "{text}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_of_this_file() {
    let text = GOOD
        .replace("stages = [\"api1:prod\"]", "stages = [\"api1\"]")
        .replace("limit = 100", "limit = 1.5")
        .replace("rate = 5.0", "rate = 0.0")
        .replace("usage_plan = \"up-pro\"", "")
        .replace("unit_amount = 49000", "unit_amount = 0")
        .replace("\"usd\"", "\"usd\"\ncolour = 1")
        .replace("grace_days = 3", "grace_dys = 3");
    let error = CatalogFile::parse(&text).unwrap_err().of("shop/other.toml").to_string();
    let lines: Vec<_> = error.lines().filter_map(|it| it.split(": ").next()).collect();
    let expected = [4, 10, 25, 29].map(|line| format!("shop/other.toml line {line}"));
    assert_eq!(lines, expected, "{error}");
    // What can be read of the rest is checked by the rules.
    let text = text.replace("limit = 1.5", "limit = 1").replace("\"usd\"\ncolour = 1", "\"USD\"");
    let error = CatalogFile::parse(&text).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().filter_map(|it| it.split(": ").next()).collect();
    let expected = [4, 13, 16, 23, 24, 28].map(|line| format!("plans.toml line {line}"));
    assert_eq!(lines, expected, "{error}");
}

#[test]
fn a_mistake_in_the_syntax_names_its_line_too() {
    for (from, to, line) in [
        ("rank = 20", "rank = ", "line 14"),
        (r#""MONTH""#, r#""YEAR""#, "line 10"),
        ("grace_days", "grace_dys", "line 28"),
    ] {
        let text = error(from, to);
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_number_of_calls_that_cannot_be_is_refused_with_its_line() {
    for number in ["0", "11", "-1", "5000000000"] {
        let text = error("grace_days = 3", &format!("control_plane_calls_per_second = {number}"));
        assert!(text.contains("line 28") && text.contains("choose 1 to 10"), "{text}");
    }
    let most = GOOD.replacen("grace_days = 3", "control_plane_calls_per_second = 10", 1);
    let policy = CatalogFile::parse(&most).unwrap().policy;
    assert_eq!(policy.control_plane_calls_per_second, 10);
}

#[test]
fn a_price_is_known_by_id_lookup_key_or_product() {
    let catalog = CatalogFile::parse(GOOD).unwrap().catalog;
    let price = |id: &str, key: Option<&str>, product: Option<&str>| Price {
        id: PriceId::parse(id).ok(),
        lookup_key: key.map(str::to_owned),
        product: product.map(|p| ProductId::parse(p).unwrap()),
        quantity: None,
    };
    let plan = |price| catalog.plan_of(&price).map(|plan| plan.id.as_str());
    assert_eq!(plan(price("price_old", None, None)), Some("pro"));
    assert_eq!(plan(price("price_new", Some("pro_monthly"), None)), Some("pro"));
    assert_eq!(plan(price("price_new", None, Some("prod_pro"))), Some("pro"));
    assert_eq!(plan(price("price_new", Some("else"), Some("prod_else"))), None);
}
