//! `/oauth2/authorize` and `/logout`: who is signed in to the browser gets a code, and who is not,
//! the page for it.

use std::borrow::Cow;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::SignedDuration;

use super::html::error_page;
use crate::calls::Service;
use crate::cognito::CognitoStandin;
use crate::cognito::model::{Browser, Grant};
use crate::cognito::user::User;

/// How long a browser stays signed in to the login.
/// <https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-managed-login.html>
const BROWSER_LIFE: SignedDuration = SignedDuration::from_hours(1);

const COOKIE: &str = "cognito";

/// What an app asks for, of `/oauth2/authorize`.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    client: String,
    redirect_uri: String,
    state: Option<String>,
    nonce: Option<String>,
    challenge: Option<String>,
    scope: String,
    prompt: Option<String>,
    /// All of it, to be carried from page to page.
    pub(super) query: String,
}

/// One parameter of a query or a form.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = reqwest::Url::parse(&format!("http://query.invalid/?{query}")).ok()?;
    let found = pairs.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
    found.map(Cow::into_owned).filter(|value| !value.is_empty())
}

impl Asked {
    /// What is wrong is told on a page: nobody is sent to an address that is not the client's.
    pub(super) fn read(pool: &CognitoStandin, query: Option<&str>) -> Result<Self, Box<Response>> {
        let query = query.unwrap_or_default();
        let text = |name: &str| parameter(query, name);
        let refuse = |why: &str| Box::new(error_page(StatusCode::BAD_REQUEST, why));
        let client = text("client_id").unwrap_or_default();
        let config = pool.config();
        let registered =
            config.client(&client).map_err(|_| refuse("Client does not exist: client_id"))?;
        let redirect_uri = text("redirect_uri").unwrap_or_default();
        if !registered.callback_urls.contains(&redirect_uri) {
            return Err(refuse(
                "An error was encountered with the requested page: redirect_mismatch",
            ));
        }
        let (challenge, method) = (text("code_challenge"), text("code_challenge_method"));
        let state = text("state");
        let back = |error: &str| {
            let address = answer(&redirect_uri, &[("error", error)], state.as_deref());
            Box::new(Redirect::to(&address).into_response())
        };
        if text("response_type").as_deref() != Some("code") {
            return Err(back("unsupported_response_type"));
        }
        if challenge.is_some() != method.is_some() || method.is_some_and(|it| it != "S256") {
            return Err(back("invalid_request"));
        }
        let scope = text("scope").unwrap_or_else(|| "openid email".to_owned());
        let known = ["openid", "email", "phone", "profile"];
        if !scope.split(' ').all(|it| known.contains(&it)) {
            return Err(back("invalid_scope"));
        }
        Ok(Self {
            client,
            redirect_uri,
            state,
            nonce: text("nonce"),
            challenge,
            scope,
            prompt: text("prompt"),
            query: query.to_owned(),
        })
    }

    pub(super) fn client(&self) -> &str {
        &self.client
    }
}

/// A redirect's address, with what is answered.
fn answer(redirect_uri: &str, values: &[(&str, &str)], state: Option<&str>) -> String {
    let Ok(mut url) = reqwest::Url::parse(redirect_uri) else { return redirect_uri.to_owned() };
    url.query_pairs_mut().extend_pairs(values).extend_pairs(state.map(|state| ("state", state)));
    url.into()
}

pub(super) async fn authorize(
    State(pool): State<CognitoStandin>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    pool.calls.log(Service::Cognito, "GET /oauth2/authorize", "");
    let asked = match Asked::read(&pool, query.as_deref()) {
        Ok(asked) => asked,
        Err(refused) => return *refused,
    };
    let again = asked.prompt.as_deref() == Some("login");
    match browser(&pool, &headers).filter(|_| !again) {
        Some(browser) => code(&pool, &asked, browser),
        None => Redirect::to(&format!("/login?{}", asked.query)).into_response(),
    }
}

/// Who is signed in to the browser, while they may be.
fn browser(pool: &CognitoStandin, headers: &HeaderMap) -> Option<Browser> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let cookie = cookies.split("; ").find_map(|it| it.strip_prefix(COOKIE)?.strip_prefix('='))?;
    let found = pool.lock().browsers.get(cookie).cloned()?;
    let lasts = pool.clock.time().duration_since(found.signed_in) < BROWSER_LIFE;
    let user = pool.may_sign_in(&found.username).ok().filter(|user| user.sub == found.sub);
    user.filter(|_| lasts).map(|_| found)
}

/// Back to the app with a code.
fn code(pool: &CognitoStandin, asked: &Asked, browser: Browser) -> Response {
    let grant = Grant {
        browser,
        client: asked.client.clone(),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        nonce: asked.nonce.clone(),
        scope: asked.scope.clone(),
        at: pool.clock.time(),
    };
    let mut state = pool.lock();
    let code = state.uuid();
    state.grants.insert(code.clone(), grant);
    drop(state);
    let address = answer(&asked.redirect_uri, &[("code", &code)], asked.state.as_deref());
    Redirect::to(&address).into_response()
}

/// Somebody has signed in on a page: their browser stays signed in, and goes back to the app.
pub(super) fn signed_in(pool: &CognitoStandin, asked: &Asked, user: &User) -> Response {
    let browser = Browser {
        username: user.username.clone(),
        sub: user.sub.clone(),
        signed_in: pool.clock.time(),
    };
    let cookie = {
        let mut state = pool.lock();
        let cookie = state.opaque();
        state.browsers.insert(cookie.clone(), browser.clone());
        cookie
    };
    with_cookie(code(pool, asked, browser), &cookie, "Max-Age=3600")
}

fn with_cookie(mut response: Response, value: &str, life: &str) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; {life}");
    if let Ok(cookie) = cookie.parse() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// <https://docs.aws.amazon.com/cognito/latest/developerguide/logout-endpoint.html>
pub(super) async fn logout(
    State(pool): State<CognitoStandin>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    pool.calls.log(Service::Cognito, "GET /logout", "");
    let query = query.unwrap_or_default();
    let client = parameter(&query, "client_id").unwrap_or_default();
    let to = parameter(&query, "logout_uri").unwrap_or_default();
    let config = pool.config();
    let allowed = config.client(&client).is_ok_and(|client| client.logout_urls.contains(&to));
    if !allowed {
        return error_page(StatusCode::BAD_REQUEST, "Required parameter: logout_uri");
    }
    if let Some(gone) = browser(&pool, &headers) {
        pool.lock().browsers.retain(|_, browser| browser.sub != gone.sub);
    }
    with_cookie(Redirect::to(&to).into_response(), "", "Max-Age=0")
}
