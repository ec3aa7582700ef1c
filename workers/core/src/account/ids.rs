//! Ids of plans and keys.

use tollgate_events::identifier;

identifier!(
    /// A plan of the catalog: `free`, `basic`, `pro`.
    word PlanId
);
identifier!(
    /// An API Gateway usage plan's id.
    word UsagePlanId
);
identifier!(
    /// An API Gateway API key's id; never the key's value.
    word KeyId
);
