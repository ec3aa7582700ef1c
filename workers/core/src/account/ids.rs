//! Ids of plans and keys.

use tollgate_events::identifier;

identifier!(
    /// A plan of the catalog: `free`, `basic`, `pro`.
    word PlanId
);
identifier!(
    /// What a plan is sold as: a price's lookup key, or the id of a price that has none.
    opaque OfferId
);
identifier!(
    /// An API Gateway usage plan's id.
    word UsagePlanId
);
identifier!(
    /// An API Gateway API key's id; never the key's value.
    word KeyId
);
