//! The account API as an OpenAPI document, from the types that it reads and writes.

use tollgate_core::account_api::{AccountView, Chosen, HistoryView, KeysView, PlansView};
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Paths, Ref,
    Required, ResponseBuilder, Type,
};
use utoipa::{IntoParams, ToSchema};

use super::account::{Accepted, KeyValueShown, PortalShown};
use super::answer::Problem;
use super::asked::{AccountAsked, HistoryAsked, PlanAsked, PortalAsked};
use super::page::ConfigView;
use super::routes::{PublicRoute, Route};

const JSON: &str = "application/json";

/// What the sign-in is called in the document.
const SIGN_IN: &str = "id_token";

/// The document.
pub fn document() -> OpenApi {
    let components = ComponentsBuilder::new().security_scheme(SIGN_IN, sign_in());
    let components = with::<PlansView>(components);
    let components = with::<ConfigView>(components);
    let components = with::<AccountView>(components);
    let components = with::<HistoryView>(components);
    let components = with::<KeysView>(components);
    let components = with::<KeyValueShown>(components);
    let components = with::<PlanAsked>(components);
    let components = with::<PortalAsked>(components);
    let components = with::<Chosen>(components);
    let components = with::<PortalShown>(components);
    let components = with::<Accepted>(components);
    let components = with::<Accepted>(components);
    let components = with::<Problem>(components);
    let mut paths = Paths::new();
    for route in Route::ALL {
        let (method, path) = place(route.key());
        paths.add_path_operation(path, vec![method], operation(route));
    }
    for route in PublicRoute::ALL {
        let (method, path) = place(route.key());
        paths.add_path_operation(path, vec![method], public(route));
    }
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("The account API").version("1.0").description(Some(
            "What a customer's account is, what they may buy, and their key. Fields, codes \
                     and routes are only ever added.",
        )))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

/// A type, and those that it is made of.
fn with<T: ToSchema>(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    components.schema_from::<T>().schemas_from_iter(parts)
}

/// Method and path of a route.
fn place(key: &str) -> (HttpMethod, &str) {
    match key.split_once(' ') {
        Some(("GET", path)) => (HttpMethod::Get, path),
        Some(("POST", path)) => (HttpMethod::Post, path),
        _ => unreachable!("no route has another method"),
    }
}

/// What everybody may ask, with or without a sign-in.
fn public(route: PublicRoute) -> OperationBuilder {
    let operation = OperationBuilder::new().response("304", as_it_was());
    match route {
        PublicRoute::Plans => operation
            .operation_id(Some("listPlans"))
            .summary(Some("What is sold"))
            .response("200", json("What is sold", JSON, &PlansView::name())),
        PublicRoute::Config => operation
            .operation_id(Some("getConfig"))
            .summary(Some("Where a page signs in"))
            .response("200", json("Where a page signs in", JSON, &ConfigView::name())),
        PublicRoute::Document => {
            operation.operation_id(Some("getDocument")).summary(Some("This document")).response(
                "200",
                ResponseBuilder::new()
                    .description("This document")
                    .content(JSON, Content::new(Some(ObjectBuilder::new()))),
            )
        }
    }
}

fn sign_in() -> SecurityScheme {
    let told = "The ID token of the signed-in user, from the stack's user pool";
    let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    SecurityScheme::Http(http.description(Some(told)).build())
}

fn operation(route: Route) -> OperationBuilder {
    let (id, summary, given) = match route {
        Route::Account => ("getAccount", "The account", AccountView::name()),
        Route::History => ("getHistory", "What happened, newest first", HistoryView::name()),
        Route::Keys => ("listKeys", "The keys, without their values", KeysView::name()),
        Route::KeyValue => ("getKeyValue", "A key's value", KeyValueShown::name()),
        Route::Plan => {
            ("choosePlan", "The page on which a plan is bought, changed or ended", Chosen::name())
        }
        Route::Portal => ("openPortal", "Stripe's billing portal", PortalShown::name()),
        Route::Refresh => ("refreshAccount", "A look at the account", Accepted::name()),
    };
    let operation = OperationBuilder::new()
        .operation_id(Some(id))
        .summary(Some(summary))
        .security(SecurityRequirement::new::<_, [_; 0], String>(SIGN_IN, []))
        .response(route.status().to_string(), json(summary, JSON, &given))
        .response("default", json("A problem", "application/problem+json", &Problem::name()));
    let query = || Some(ParameterIn::Query);
    let operation = match route {
        Route::Account | Route::Keys => operation.response("304", as_it_was()),
        _ => operation,
    };
    match route {
        Route::Account => operation.parameters(Some(AccountAsked::into_params(query))),
        Route::History => operation.parameters(Some(HistoryAsked::into_params(query))),
        Route::KeyValue => operation.parameter(
            ParameterBuilder::new()
                .name("slot")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("Which key; the account's own is `default`"))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String))),
        ),
        Route::Plan => operation.request_body(Some(
            RequestBodyBuilder::new()
                .required(Some(Required::True))
                .content(JSON, Content::new(Some(schema(&PlanAsked::name()))))
                .build(),
        )),
        Route::Portal => operation.request_body(Some(
            RequestBodyBuilder::new()
                .required(Some(Required::False))
                .content(JSON, Content::new(Some(schema(&PortalAsked::name()))))
                .build(),
        )),
        Route::Keys | Route::Refresh => operation,
    }
}

/// What is had already is not sent again.
fn as_it_was() -> ResponseBuilder {
    ResponseBuilder::new().description("It is as `If-None-Match` says")
}

fn json(description: &str, content_type: &str, name: &str) -> ResponseBuilder {
    let content = Content::new(Some(schema(name)));
    ResponseBuilder::new().description(description).content(content_type, content)
}

fn schema(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What others program against: a change is seen where it is made.
    #[test]
    fn the_document_is_as_it_was_agreed() {
        let json = document().to_pretty_json().expect("it has only string keys");
        insta::assert_snapshot!("openapi", json);
    }
}
