//! Where Stripe's pages may send the browser back to.

use super::Refusal;

/// A page, and the origins of the others that may be asked for: nobody is sent anywhere else, or a
/// link to us would lead wherever its author likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returning {
    page: String,
    origins: Vec<String>,
}

/// That page, and others of its origin.
impl<T: Into<String>> From<T> for Returning {
    fn from(page: T) -> Self {
        Self::new(page, [])
    }
}

impl Returning {
    /// That page, unless another is asked for, of its origin or one of these (`https://app.example.com`).
    pub fn new(page: impl Into<String>, origins: impl IntoIterator<Item = String>) -> Self {
        let page = page.into();
        let own = origin(&page).to_owned();
        Self { page, origins: origins.into_iter().chain([own]).collect() }
    }

    /// Where a request returns to.
    ///
    /// # Errors
    /// [`Refusal::ReturnNotAllowed`].
    pub(super) fn to<'a>(&'a self, asked: Option<&'a str>) -> Result<&'a str, Refusal> {
        let Some(asked) = asked else { return Ok(&self.page) };
        let plain = asked.len() <= LONGEST && asked.bytes().all(|byte| byte.is_ascii_graphic());
        let allowed = plain && self.origins.iter().any(|origin| is_of(asked, origin));
        if allowed { Ok(asked) } else { Err(Refusal::ReturnNotAllowed) }
    }
}

/// Longer than any page's address; Stripe takes 5,000 characters.
const LONGEST: usize = 2_000;

/// Whether an address is of an origin: what follows can be no part of a host, a port or a user.
fn is_of(address: &str, origin: &str) -> bool {
    let rest = address.strip_prefix(origin).filter(|_| !origin.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// The scheme and the authority of an address.
fn origin(address: &str) -> &str {
    let begins = address.find("://").map_or(0, |at| at + "://".len());
    let ends = address[begins..].find(['/', '?', '#']).map_or(address.len(), |at| begins + at);
    &address[..ends]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_origin() {
        let staging = "https://staging.shop.example:8443".to_owned();
        let returning = Returning::new("https://shop.example/account?a=b", [staging]);
        assert_eq!(returning.to(None), Ok("https://shop.example/account?a=b"));
        for fine in [
            "https://shop.example",
            "https://shop.example/",
            "https://shop.example?next=https://evil.example",
            "https://shop.example#plan",
            "https://staging.shop.example:8443/a/b",
        ] {
            assert_eq!(returning.to(Some(fine)), Ok(fine));
        }
        for evil in [
            "",
            "/account",
            "//evil.example",
            "http://shop.example/",
            "https://shop.example.evil.example/",
            "https://shop.example@evil.example/",
            "https://shop.example:secret@evil.example/",
            "https://shop.example:8443/",
            "https://staging.shop.example/",
            "https://shop.example\\@evil.example/",
            "https://shop.example\t.evil.example/",
            "https://shop.example/\r\nx",
            "https://SHOP.example/",
            "https://evil.example/https://shop.example",
            "javascript:alert(1)//https://shop.example",
            "https://shop.example/\u{202e}",
        ] {
            assert_eq!(returning.to(Some(evil)), Err(Refusal::ReturnNotAllowed), "{evil}");
        }
        let long = format!("https://shop.example/{}", "a".repeat(LONGEST));
        assert_eq!(returning.to(Some(&long)), Err(Refusal::ReturnNotAllowed));
    }
}
