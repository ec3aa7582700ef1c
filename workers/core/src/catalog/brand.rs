//! How the website speaks for the seller: the `[brand]` table.

use serde::Deserialize;
use toml::Spanned;

/// How the website speaks for the seller. Everything is optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// What the seller or the API is called.
    pub name: Option<String>,
    /// The logo's file, in the folder of `plans.toml`.
    pub logo: Option<String>,
    /// The colour of links and buttons, in light and in dark.
    pub accent: Accent,
    /// Where customers ask: a page, or `mailto:`.
    pub support: Option<String>,
    /// The terms of service.
    pub terms: Option<String>,
    /// The privacy policy.
    pub privacy: Option<String>,
    /// The API's documentation.
    pub docs: Option<String>,
    /// Where the API is called.
    pub api_url: Option<String>,
    /// A path of the API to try a key with.
    pub try_path: String,
    /// The header that the key is sent in.
    pub header: String,
}

/// A colour for each scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accent {
    /// On a light page.
    pub light: Colour,
    /// On a dark page.
    pub dark: Colour,
}

/// A colour of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: None,
            logo: None,
            accent: Accent { light: Colour([0x1d, 0x4e, 0xd8]), dark: Colour([0x93, 0xb4, 0xff]) },
            support: None,
            terms: None,
            privacy: None,
            docs: None,
            api_url: None,
            try_path: "/".to_owned(),
            // <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html>
            header: "x-api-key".to_owned(),
        }
    }
}

impl Colour {
    /// The page's background in light.
    pub const LIGHT_PAGE: Self = Self([0xff, 0xff, 0xff]);
    /// The page's background in dark.
    pub const DARK_PAGE: Self = Self([0x14, 0x17, 0x1c]);

    /// Reads `#rrggbb`.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|it| it.len() == 6 && it.is_ascii())?;
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
        if !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
            return None;
        }
        Some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// How light it is, from 0 to 1.
    /// <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// How well one is read on the other, from 1 to 21.
    /// <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBrand {
    name: Option<Spanned<String>>,
    logo: Option<Spanned<String>>,
    accent: Option<RawAccent>,
    support: Option<Spanned<String>>,
    terms: Option<Spanned<String>>,
    privacy: Option<Spanned<String>>,
    docs: Option<Spanned<String>>,
    api_url: Option<Spanned<String>>,
    try_path: Option<Spanned<String>>,
    header: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccent {
    light: Spanned<String>,
    dark: Spanned<String>,
}

/// Takes what is wrong: where, what, and what to write instead.
pub(super) type Faults<'a> = dyn FnMut(&Spanned<String>, String, &str) + 'a;

/// The least contrast of text. <https://www.w3.org/TR/WCAG22/#contrast-minimum>
const LEAST_CONTRAST: f64 = 4.5;

/// The longest text that is shown in one line.
const LONGEST_NAME: usize = 60;

/// What a logo's file may end with.
const IMAGES: [&str; 4] = [".svg", ".png", ".webp", ".jpg"];

impl RawBrand {
    /// The brand, with what is left out as it is by default.
    pub(super) fn check(self, faults: &mut Faults<'_>) -> Brand {
        let Brand { accent, try_path, header, .. } = Brand::default();
        let address = "write an address that begins with https://";
        let is_support = |it: &str| is_https(it) || it.strip_prefix("mailto:").is_some_and(is_mail);
        let mut keep = |value: Option<Spanned<String>>, is_right: &dyn Fn(&str) -> bool, mend| {
            let value = value?;
            if !is_right(value.get_ref()) {
                let problem = format!("`{}` cannot be shown", value.get_ref().escape_debug());
                faults(&value, problem, mend);
            }
            Some(value.into_inner())
        };
        let api_url = keep(self.api_url, &|it| is_https(it) || is_loopback(it), address);
        let brand = Brand {
            name: keep(self.name, &is_name, "write one line of at most 60 characters"),
            logo: keep(
                self.logo,
                &is_image,
                "name a file beside plans.toml: .svg, .png, .webp or .jpg",
            ),
            support: keep(
                self.support,
                &is_support,
                "write an address that begins with https:// or mailto:",
            ),
            terms: keep(self.terms, &is_https, address),
            privacy: keep(self.privacy, &is_https, address),
            docs: keep(self.docs, &is_https, address),
            api_url: api_url.map(|it| it.trim_end_matches('/').to_owned()),
            try_path: keep(self.try_path, &is_path, "write a path that begins with /")
                .unwrap_or(try_path),
            header: keep(self.header, &is_header, "write a header's name, such as x-api-key")
                .unwrap_or(header),
            accent: accent.clone(),
        };
        let Some(RawAccent { light, dark }) = self.accent else { return brand };
        let light = colour(&light, ("light", Colour::LIGHT_PAGE), faults).unwrap_or(accent.light);
        let dark = colour(&dark, ("dark", Colour::DARK_PAGE), faults).unwrap_or(accent.dark);
        Brand { accent: Accent { light, dark }, ..brand }
    }
}

/// A colour that is read well on a page.
fn colour(
    value: &Spanned<String>,
    (scheme, page): (&str, Colour),
    faults: &mut Faults<'_>,
) -> Option<Colour> {
    let Some(colour) = Colour::parse(value.get_ref()) else {
        let problem = format!("`{}` is no colour", value.get_ref().escape_debug());
        faults(value, problem, "write it as \"#rrggbb\"");
        return None;
    };
    let contrast = colour.contrast(page);
    if contrast < LEAST_CONTRAST {
        let mend = match scheme {
            "light" => "choose a darker colour: links need a contrast of 4.5:1",
            _ => "choose a lighter colour: links need a contrast of 4.5:1",
        };
        let problem = format!("{colour} is {contrast:.1}:1 on the {scheme} page's {page}");
        faults(value, problem, mend);
    }
    Some(colour)
}

fn is_name(text: &str) -> bool {
    let is_shown = |it: char| !it.is_control() && !('\u{202a}'..='\u{202e}').contains(&it);
    (1..=LONGEST_NAME).contains(&text.chars().count())
        && text.trim() == text
        && text.chars().all(is_shown)
}

/// A plain file name: no folder, nothing hidden.
fn is_image(text: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    text.bytes().all(is_plain)
        && !text.starts_with('.')
        && IMAGES.iter().any(|end| text.len() > end.len() && text.ends_with(end))
}

/// An address that a link may have: nothing of it ends an attribute or begins a script.
fn is_https(text: &str) -> bool {
    text.strip_prefix("https://").is_some_and(is_rest_of_address)
}

/// What runs on this machine needs no certificate.
fn is_loopback(text: &str) -> bool {
    let rest = text.strip_prefix("http://").unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    ["127.0.0.1", "localhost"].contains(&host) && is_rest_of_address(rest)
}

/// Host, and whatever follows it.
fn is_rest_of_address(text: &str) -> bool {
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let is_of_host = |it: u8| it.is_ascii_alphanumeric() || b"-.".contains(&it);
    !host.is_empty() && host.bytes().all(is_of_host) && text.bytes().all(is_of_address)
}

/// <https://www.rfc-editor.org/rfc/rfc3986#section-2>, but for the apostrophe and the user's part.
fn is_of_address(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]!$&()*+,;=%".contains(&byte)
}

fn is_mail(text: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-._+".contains(&it);
    text.split_once('@').is_some_and(|(name, host)| {
        let parts = [name, host];
        parts.iter().all(|it| !it.is_empty() && it.bytes().all(is_plain)) && host.contains('.')
    })
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(is_of_address)
}

fn is_header(text: &str) -> bool {
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
    !text.is_empty() && text.bytes().all(is_plain)
}
