//! The account page: one HTML document with what is sold, and the files that belong to it.
//!
//! *Guarantees.* Nothing is loaded but from here, and no script runs but the page's own: the policy
//! says so. The browser talks to this API and to the login alone. Whatever the seller has written is
//! escaped where it stands. A file's name has its digest in it, so it may be kept for ever; the document
//! itself is asked for anew each time, and not sent again where it is the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::HeaderValue;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;
use tollgate_core::account_api::{Mode, OfferView, PlanView, PlansView, PriceView};
use tollgate_core::catalog::{Accent, Period};
use utoipa::ToSchema;

use super::answer::Tagged;
use crate::config::{Logo, SiteConfig};

/// The script, as it is and packed.
const SCRIPT: Source = Source {
    name: "app.js",
    kind: "text/javascript; charset=utf-8",
    plain: include_bytes!("../../page/app.js"),
    packed: Some(include_bytes!(concat!(env!("OUT_DIR"), "/app.js.gz"))),
};
/// The style sheet.
const STYLE: Source = Source {
    name: "app.css",
    kind: "text/css; charset=utf-8",
    plain: include_bytes!("../../page/app.css"),
    packed: Some(include_bytes!(concat!(env!("OUT_DIR"), "/app.css.gz"))),
};

/// The browser's sign for the page.
const ICON: Source = Source {
    name: "icon.svg",
    kind: "image/svg+xml",
    plain: include_bytes!("../../page/icon.svg"),
    packed: None,
};

struct Source<'a> {
    name: &'a str,
    kind: &'static str,
    plain: &'a [u8],
    packed: Option<&'a [u8]>,
}

/// A file of the page's.
#[derive(Debug, Clone)]
struct Asset {
    kind: &'static str,
    plain: Vec<u8>,
    packed: Option<Vec<u8>>,
}

/// Where a page signs in, and how.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ConfigView {
    /// Who issues the tokens: the user pool. Its OpenID configuration stands below it.
    #[schema(required)]
    issuer: Option<String>,
    /// The app client of the page; nothing, where the stack has none.
    #[schema(required)]
    client_id: Option<String>,
    /// The origin of the managed login.
    #[schema(required)]
    login: Option<String>,
    /// What to ask for.
    scopes: [&'static str; 2],
    /// Tollgate's version.
    version: &'static str,
}

impl ConfigView {
    pub(super) fn of(config: &SiteConfig) -> Self {
        Self {
            issuer: config.issuer.clone(),
            client_id: config.client_id.clone(),
            login: config.login.clone(),
            scopes: ["openid", "email"],
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    html: Tagged,
    policy: HeaderValue,
    assets: BTreeMap<String, Asset>,
}

impl Page {
    pub(super) fn new(plans: &PlansView, config: &ConfigView, site: &SiteConfig) -> Self {
        let mut assets = BTreeMap::new();
        let script = add(&mut assets, &SCRIPT);
        let style = add(&mut assets, &STYLE);
        let colours = colours(&site.catalog.brand.accent);
        let colours = Source {
            name: "brand.css",
            kind: "text/css; charset=utf-8",
            plain: colours.as_bytes(),
            packed: None,
        };
        let colours = add(&mut assets, &colours);
        let icon = add(&mut assets, &ICON);
        let logo = site.logo.as_ref().map(|Logo { name, kind, bytes }| {
            add(&mut assets, &Source { name, kind, plain: bytes, packed: None })
        });
        let shop = json!({
            "seller": plans.seller, "mode": plans.mode, "plans": plans.plans, "config": config,
        });
        let files = Files { script, styles: [style, colours], icon, logo };
        let html = html(plans, &shop.to_string(), &files);
        let login = site.login.as_deref().unwrap_or_default();
        let policy = policy(login).parse().expect("an origin has no character that a header lacks");
        Self { html: Tagged::text(html, "text/html; charset=utf-8"), policy, assets }
    }

    /// The document.
    pub(super) fn html(&self, request: &ApiGatewayV2httpRequest) -> ApiGatewayV2httpResponse {
        let mut response = self.html.answer(request);
        let headers = &mut response.headers;
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
        headers.insert("content-security-policy", self.policy.clone());
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    /// A file, packed for whoever can unpack it.
    pub(super) fn asset(
        &self,
        name: &str,
        request: &ApiGatewayV2httpRequest,
    ) -> Option<ApiGatewayV2httpResponse> {
        let asset = self.assets.get(name)?;
        let accepted = request.headers.get("accept-encoding").and_then(|it| it.to_str().ok());
        let unpacks = accepted.is_some_and(|it| it.split(',').any(|it| it.trim() == "gzip"));
        let packed = asset.packed.as_ref().filter(|_| unpacks);
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = 200;
        let headers = &mut response.headers;
        headers.insert("content-type", HeaderValue::from_static(asset.kind));
        headers.insert("cache-control", HeaderValue::from_static(FOR_EVER));
        headers.insert("vary", HeaderValue::from_static("accept-encoding"));
        // An SVG is a document too: opened by itself, it may do nothing.
        headers.insert("content-security-policy", HeaderValue::from_static(SANDBOX));
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if packed.is_some() {
            headers.insert("content-encoding", HeaderValue::from_static("gzip"));
        }
        response.is_base64_encoded = true;
        response.body = Some(Body::Binary(packed.unwrap_or(&asset.plain).clone()));
        Some(response)
    }
}

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const SANDBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// What goes with everything.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("strict-transport-security", "max-age=31536000"),
];

/// What the page may load, and whom it may talk to.
/// <https://www.w3.org/TR/CSP3/>
fn policy(login: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {login}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'"
    )
}

/// Keeps a file under a name with its digest; its address.
fn add(assets: &mut BTreeMap<String, Asset>, source: &Source<'_>) -> String {
    let (stem, end) = source.name.rsplit_once('.').unwrap_or((source.name, ""));
    let whole = digest(&SHA256, source.plain);
    let name = format!("{stem}.{}.{end}", URL_SAFE_NO_PAD.encode(&whole.as_ref()[..12]));
    let packed = source.packed.map(<[u8]>::to_vec);
    assets.insert(name.clone(), Asset { kind: source.kind, plain: source.plain.to_vec(), packed });
    format!("/assets/{name}")
}

fn colours(Accent { light, dark }: &Accent) -> String {
    format!(
        ":root{{--accent:{light}}}\n\
         @media (prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}\n"
    )
}

/// The addresses of the page's files.
struct Files {
    script: String,
    styles: [String; 2],
    icon: String,
    logo: Option<String>,
}

/// The document: what is sold is in it, and can be read without a script.
fn html(plans: &PlansView, shop: &str, files: &Files) -> String {
    let seller = &plans.seller;
    let name = escape(seller.name.as_deref().unwrap_or("API"));
    let styles: String =
        files.styles.iter().map(|it| format!("<link rel=stylesheet href=\"{it}\">")).collect();
    let logo = files.logo.as_ref().map(|it| format!("<img src=\"{it}\" alt=\"\">"));
    let test = match plans.mode {
        Mode::Test => "<aside class=test>Test mode: no payment is real.</aside>",
        Mode::Live => "",
    };
    let cards: String = plans.plans.iter().map(card).collect();
    let links = [
        ("Support", &seller.support),
        ("Documentation", &seller.docs),
        ("Terms", &seller.terms),
        ("Privacy", &seller.privacy),
    ];
    let links = links.iter().filter_map(|(label, url)| Some((label, url.as_deref()?)));
    let links: String =
        links.map(|(label, url)| format!("<a href=\"{}\">{label}</a>", escape(url))).collect();
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{name}</title>\
         <meta name=tollgate-shop content=\"{}\"><link rel=icon href=\"{}\">{styles}\
         <script type=module src=\"{}\"></script></head><body>{test}\
         <header><a class=name href=\"/\">{}{name}</a><div id=corner></div></header>\
         <div class=said id=said role=status></div>\
         <main id=main><section aria-labelledby=plans><h1 id=plans>Plans</h1>\
         <ul class=cards>{cards}</ul>\
         <noscript><p>To sign in, this page needs JavaScript.</p></noscript></section></main>\
         <footer>{links}<span>Payments by Stripe</span></footer></body></html>",
        escape(shop),
        files.icon,
        files.script,
        logo.unwrap_or_default(),
    )
}

/// A plan with what it allows and costs, and the way to it.
fn card(plan: &PlanView) -> String {
    let mut card = format!("<li class=card><h2>{}</h2>", escape(&plan.name));
    if let Some(quota) = plan.quota {
        let period = match quota.period {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        };
        let _ = write!(card, "<p>{} requests a {period}</p>", grouped(quota.limit));
    }
    if let Some(throttle) = plan.throttle {
        let _ = write!(card, "<p class=small>{} a second</p>", throttle.rate);
    }
    for OfferView { id, price } in &plan.offers {
        if let Some(price) = price {
            let _ = write!(card, "<p class=price>{}</p>", escape(&money(price)));
        }
        let offer = escape(id.as_str());
        let name = escape(&plan.name);
        let _ = write!(card, "<p><a class=button href=\"/?offer={offer}\">Choose {name}</a></p>");
    }
    if plan.default && plan.offers.is_empty() {
        card += "<p><a class=button href=\"/?start\">Get a free key</a></p>";
    }
    card + "</li>"
}

/// `29.00 USD a month`. How many digits a currency has, Stripe says.
/// <https://docs.stripe.com/currencies#zero-decimal>
fn money(price: &PriceView) -> String {
    const NONE: [&str; 16] = [
        "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
        "xaf", "xof", "xpf",
    ];
    let PriceView { amount, currency, interval, interval_count } = price;
    let amount = match currency.as_str() {
        it if NONE.contains(&it) => amount.to_string(),
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => format!("{}.{:03}", amount / 1000, amount % 1000),
        _ => format!("{}.{:02}", amount / 100, amount % 100),
    };
    let interval = interval.as_str();
    let period = match interval_count {
        1 => interval.to_owned(),
        count => format!("{count} {interval}s"),
    };
    format!("{amount} {} a {period}", currency.to_uppercase())
}

/// `1,000`.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A text, wherever it stands in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_core::catalog::Interval;

    #[test]
    fn money_has_the_currencys_digits() {
        for (amount, currency, interval_count, told) in [
            (2900, "usd", 1, "29.00 USD a month"),
            (5, "eur", 3, "0.05 EUR a 3 months"),
            (2900, "jpy", 1, "2900 JPY a month"),
            (2900, "kwd", 1, "2.900 KWD a month"),
        ] {
            let (currency, interval) = (currency.to_owned(), Interval::Month);
            assert_eq!(money(&PriceView { amount, currency, interval, interval_count }), told);
        }
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
