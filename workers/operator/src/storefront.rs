//! From `plans.toml` to what must change in API Gateway, in Stripe and in the file, so
//! that it is enforced and sold as it says.
//!
//! [`diff`] is total and free of IO. What carries the stack's mark is changed, what does
//! not is only compared: when it would have to change, that is an [`Obstacle`], and
//! nothing at all is to be applied. Nothing is ever deleted.
//!
//! **Order:** usage plans, products, prices, the portal, which offers them; each change can be repeated. A price's
//! successor takes its lookup key, and those who pay the old price keep their plan by its
//! product: so the product must be in the file, and deployed, before (see
//! [`Later`](Note::Later)).

mod compare;
mod endpoint;
mod model;
mod portal;
#[cfg(test)]
mod tests;

pub use compare::diff;
pub use endpoint::{
    Endpoint, EndpointChange, EndpointDiff, EndpointNote, EndpointObstacle, Wanted, Wish,
    diff_endpoints,
};
pub use model::{
    Change, Diff, Note, ObservedPlan, ObservedPrice, ObservedProduct, ObservedStorefront, Obstacle,
    PriceTerms, StorefrontOwner, UsageSettings,
};
pub use portal::{MOST_PRODUCTS, ObservedPortal, PortalSettings, Sold};

/// The tag of a usage plan, and the metadata key of Stripe's objects, that say whose
/// they are. <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging.html>
pub const TAG_STACK: &str = "tollgate:stack";
/// The tag that says which plan a usage plan enforces.
pub const TAG_PLAN: &str = "tollgate:plan";
/// The metadata key of products, prices, webhook endpoints and the portal's configurations: which stack
/// made them.
pub const METADATA_STACK: &str = "tollgate_stack";
/// The metadata key of products and prices: which plan they sell.
pub const METADATA_PLAN: &str = "tollgate_plan";
/// The metadata key of webhook endpoints: the fingerprint of their signing secret.
pub const METADATA_SECRET: &str = "tollgate_secret";
