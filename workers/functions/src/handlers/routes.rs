//! Which routes there are, and which one a request is for. API Gateway, the local stack and the checks
//! of the template know the same.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;

/// A route of the account API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The account.
    Account,
    /// What happened to it.
    History,
    /// Its keys, without their values.
    Keys,
    /// A key's value.
    KeyValue,
    /// A page of Stripe's on which a plan is bought.
    Plan,
    /// Stripe's billing portal.
    Portal,
    /// A look at the account.
    Refresh,
}

impl Route {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Account,
        Self::History,
        Self::Keys,
        Self::KeyValue,
        Self::Plan,
        Self::Portal,
        Self::Refresh,
    ];

    /// The route key in API Gateway: method and path.
    pub fn key(self) -> &'static str {
        match self {
            Self::Account => "GET /account",
            Self::History => "GET /account/history",
            Self::Keys => "GET /account/keys",
            Self::KeyValue => "GET /account/keys/{slot}/value",
            Self::Plan => "POST /account/plan",
            Self::Portal => "POST /account/portal",
            Self::Refresh => "POST /account/refresh",
        }
    }

    /// The status of what is given: a look is only asked for.
    pub fn status(self) -> u16 {
        if self == Self::Refresh { 202 } else { 200 }
    }

    /// The route of a request. The API may be behind a named stage, whose name the path then
    /// begins with; the route key says neither stage nor host.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
    pub fn of(request: &ApiGatewayV2httpRequest) -> Option<Self> {
        let context = &request.request_context;
        let keys = [request.route_key.as_deref(), context.route_key.as_deref()];
        if let Some(key) = keys.into_iter().flatten().find(|key| *key != CATCH_ALL) {
            return Self::ALL.into_iter().find(|route| route.key() == key);
        }
        Self::at(&asked(request))
    }

    /// The route of a method and a path, `GET /account`.
    pub fn at(asked: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| matches(route.key(), asked))
    }
}

/// A route of the website's public part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublicRoute {
    /// What is sold.
    Plans,
    /// Where a page signs in.
    Config,
    /// The account API's document.
    Document,
}

impl PublicRoute {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plans, Self::Config, Self::Document];

    /// The route key in API Gateway: method and path.
    pub fn key(self) -> &'static str {
        match self {
            Self::Plans => "GET /plans",
            Self::Config => "GET /config",
            Self::Document => "GET /openapi.json",
        }
    }

    /// The route of a request.
    pub fn of(request: &ApiGatewayV2httpRequest) -> Option<Self> {
        let asked = asked(request);
        Self::ALL.into_iter().find(|route| matches(route.key(), &asked))
    }
}

/// A route of the page itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRoute {
    /// The page.
    Page,
    /// What belongs to it: its script, its style sheets, the logo.
    Asset,
}

impl PageRoute {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Page, Self::Asset];

    /// The route key in API Gateway: method and path.
    pub fn key(self) -> &'static str {
        match self {
            Self::Page => "GET /",
            Self::Asset => "GET /assets/{name}",
        }
    }

    /// The route of a request.
    pub fn of(request: &ApiGatewayV2httpRequest) -> Option<Self> {
        let asked = asked(request);
        Self::ALL.into_iter().find(|route| matches(route.key().trim_end_matches('/'), &asked))
    }
}

/// The name of an asset that is asked for: the path's last segment.
pub(super) fn asset(request: &ApiGatewayV2httpRequest) -> &str {
    path(request).rsplit('/').next().unwrap_or_default()
}

/// The route key of an integration that takes whatever no other route does.
const CATCH_ALL: &str = "$default";

/// Method and path.
fn asked(request: &ApiGatewayV2httpRequest) -> String {
    format!("{} {}", request.request_context.http.method, path(request))
}

/// The path behind the stage.
fn path(request: &ApiGatewayV2httpRequest) -> &str {
    let path = request.raw_path.as_deref().unwrap_or_default();
    let stage = request.request_context.stage.as_deref();
    let behind = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    // A stage `plan` is not the beginning of `/plans`.
    let behind = behind.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    behind.unwrap_or(path).trim_end_matches('/')
}

/// Whether a method and a path are those of a route key, whose words in braces stand for any.
fn matches(key: &str, asked: &str) -> bool {
    let (mut wanted, mut given) = (key.split('/'), asked.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// The slot in the path of a key's route: the segment behind `keys`.
pub(super) fn slot(request: &ApiGatewayV2httpRequest) -> Option<&str> {
    let mut segments = path(request).split('/').skip_while(|segment| *segment != "keys");
    segments.nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(method: &str, key: &str, stage: Option<&str>, path: &str) -> ApiGatewayV2httpRequest {
        let mut request = ApiGatewayV2httpRequest::default();
        request.route_key = Some(key.to_owned());
        request.raw_path = Some(path.to_owned());
        request.request_context.stage = stage.map(str::to_owned);
        request.request_context.http.method = method.parse().unwrap();
        request
    }

    #[test]
    fn the_route_is_told_by_its_key_and_without_one_by_the_path_behind_the_stage() {
        let route =
            |key: &str, stage: Option<&str>, path: &str| Route::of(&asks("GET", key, stage, path));
        let (account, value) = (Some(Route::Account), Some(Route::KeyValue));
        assert_eq!(route("GET /account", Some("prod"), "/prod/account"), account);
        assert_eq!(route("$default", Some("prod"), "/prod/account"), account);
        assert_eq!(route("$default", Some("$default"), "/account/"), account);
        assert_eq!(route("$default", None, "/account/keys/default/value"), value);
        let public = |stage, path| PublicRoute::of(&asks("GET", "$default", stage, path));
        assert_eq!(public(Some("plan"), "/plans"), Some(PublicRoute::Plans));
        assert_eq!(public(Some("plans"), "/plans/openapi.json"), Some(PublicRoute::Document));
        for elsewhere in ["/elsewhere", "/account/keys//value", "/account/keys/a/b/value", "/"] {
            assert_eq!(route("$default", None, elsewhere), None, "{elsewhere}");
        }
        assert_eq!(Route::of(&asks("POST", "$default", None, "/account")), None);
    }

    #[test]
    fn a_keys_slot_is_the_segment_behind_the_keys() {
        for (stage, path, told) in [
            (None, "/account/keys/default/value", Some("default")),
            (Some("keys"), "/keys/account/keys/b/value", Some("b")),
            (None, "/account/keys", None),
        ] {
            assert_eq!(slot(&asks("GET", "$default", stage, path)), told, "{path}");
        }
    }
}
