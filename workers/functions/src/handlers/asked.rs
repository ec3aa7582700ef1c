//! What a request asks for: its query and its body. What is not understood is refused, not
//! passed over: it must not be sold as something else.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tollgate_core::account_api::{Flow, ProblemCode, Wanted};

use utoipa::{IntoParams, ToSchema};

use super::answer::Problem;

/// The query of the account.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountAsked {
    /// The Checkout session that the browser comes back from.
    #[param(nullable = false)]
    pub(super) checkout: Option<String>,
}

/// The query of the history.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryAsked {
    /// Only what is older than this version.
    #[param(nullable = false)]
    pub(super) before: Option<u64>,
    /// How many at most.
    #[param(nullable = false, minimum = 1, maximum = 100, default = 20)]
    pub(super) limit: Option<u32>,
}

/// The body of a choice: an offer, or a plan for its first one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanAsked {
    /// The offer that is wanted.
    #[schema(nullable = false)]
    offer: Option<String>,
    /// Instead of an offer: the plan whose first offer is wanted.
    #[schema(nullable = false)]
    plan: Option<String>,
    /// Where the browser goes afterwards, on an origin that the seller allows.
    #[schema(nullable = false)]
    pub(super) return_url: Option<String>,
}

/// The body of a visit to the portal, which may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PortalAsked {
    /// The one thing that it is for.
    #[schema(nullable = false)]
    pub(super) flow: Option<Flow>,
    /// Where the browser goes afterwards, on an origin that the seller allows.
    #[schema(nullable = false)]
    pub(super) return_url: Option<String>,
}

impl PlanAsked {
    /// What is wanted: one of the two.
    pub(super) fn wanted(self) -> Result<Wanted, Problem> {
        match (self.offer, self.plan) {
            (Some(offer), None) => Ok(Wanted::Offer(offer)),
            (None, Some(plan)) => Ok(Wanted::Plan(plan)),
            _ => Err(invalid("send either an `offer` or a `plan`")),
        }
    }
}

/// A query without anything that the route does not know.
pub(super) fn query<T: DeserializeOwned>(request: &ApiGatewayV2httpRequest) -> Result<T, Problem> {
    let query = request.raw_query_string.as_deref().unwrap_or_default();
    serde_urlencoded::from_str(query).map_err(|error| invalid(&format!("the query: {error}")))
}

/// A body of JSON, whatever type it says that it is of.
pub(super) fn body<T: DeserializeOwned>(request: &ApiGatewayV2httpRequest) -> Result<T, Problem> {
    let body = request.body.as_deref().unwrap_or_default();
    // API Gateway encodes what does not say that it is text or JSON.
    let body = match request.is_base64_encoded {
        true => STANDARD.decode(body).unwrap_or_default(),
        false => body.as_bytes().to_vec(),
    };
    serde_json::from_slice(&body).map_err(|error| {
        let why = if error.is_data() { error.to_string() } else { "it is no JSON".to_owned() };
        invalid(&format!("the body: {why}"))
    })
}

/// The same, where none, and `null`, is as good as an empty one.
pub(super) fn optional_body<T: DeserializeOwned + Default>(
    request: &ApiGatewayV2httpRequest,
) -> Result<T, Problem> {
    if request.body.as_deref().unwrap_or_default().is_empty() {
        return Ok(T::default());
    }
    body::<Option<T>>(request).map(Option::unwrap_or_default)
}

fn invalid(why: &str) -> Problem {
    Problem::new(ProblemCode::Invalid, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(body: &str, encoded: bool) -> Result<Wanted, String> {
        let mut request = ApiGatewayV2httpRequest::default();
        request.body = Some(body.to_owned());
        request.is_base64_encoded = encoded;
        let asked = super::body::<PlanAsked>(&request).and_then(PlanAsked::wanted);
        asked.map_err(|problem| problem.detail)
    }

    #[test]
    fn a_choice_is_read_from_a_body_of_any_content_type() {
        assert_eq!(wanted(r#"{"plan":"pro"}"#, false), Ok(Wanted::Plan("pro".into())));
        assert_eq!(wanted("eyJwbGFuIjoicHJvIn0=", true), Ok(Wanted::Plan("pro".into())));
        let yearly = Ok(Wanted::Offer("pro_yearly".into()));
        assert_eq!(wanted(r#"{"offer":"pro_yearly"}"#, false), yearly);
        for (body, encoded) in [("plan=pro", false), ("no base64", true), ("", false)] {
            assert_eq!(wanted(body, encoded), Err("the body: it is no JSON".into()), "{body}");
        }
    }

    /// A yearly plan is not sold as a monthly one.
    #[test]
    fn what_is_not_understood_is_not_sold_as_something_else() {
        let refused = wanted(r#"{"plan":"pro","interval":"year"}"#, false).unwrap_err();
        assert!(refused.contains("unknown field `interval`"), "{refused}");
        for unclear in [r#"{"plan":"pro","offer":"pro_yearly"}"#, "{}"] {
            let refused = wanted(unclear, false).unwrap_err();
            assert_eq!(refused, "send either an `offer` or a `plan`");
        }
    }

    #[test]
    fn a_query_has_nothing_that_the_route_does_not_know() {
        let asked = |query: &str| {
            let mut request = ApiGatewayV2httpRequest::default();
            request.raw_query_string = Some(query.to_owned());
            let asked = super::query::<HistoryAsked>(&request);
            asked.map(|it| (it.before, it.limit)).map_err(|problem| problem.detail)
        };
        assert_eq!(asked(""), Ok((None, None)));
        assert_eq!(asked("before=7&limit=2"), Ok((Some(7), Some(2))));
        for wrong in ["limit=-1", "limit=all", "page=2", "before=1&before=2"] {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }
}
