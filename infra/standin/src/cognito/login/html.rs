//! What the login's pages are made of.

use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::cognito::error::CognitoError;

pub(super) fn field(name: &str, label: &str, kind: &str, complete: &str, value: &str) -> String {
    format!(
        "<p><label>{label}<br><input name={name} type={kind} autocomplete={complete} required \
         value=\"{}\"></label></p>",
        escape(value)
    )
}

pub(super) fn alert(refused: Option<&CognitoError>) -> String {
    let text = refused.map(|error| escape(&error.message));
    text.map_or(String::new(), |text| format!("<p role=alert>{text}</p>"))
}

pub(super) fn error_page(status: StatusCode, why: &str) -> Response {
    let mut response = page("Error", &format!("<p role=alert>{}</p>", escape(why)));
    *response.status_mut() = status;
    response
}

pub(super) fn page(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title}</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:24rem;margin:3rem auto;padding:0 1rem}}\
         input,button{{font:inherit;padding:.4rem;box-sizing:border-box}}input{{width:100%}}\
         [role=alert]{{color:#a00}}.mail{{background:#ffd;color:#000;padding:.5rem}}</style>\
         <h1>{title}</h1>{body}<p><small>A stand-in for Cognito's managed login.</small></p></html>"
    );
    ([(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
