//! One story for each row of the table of decisions. Each is played over HTTP and ends
//! with the invariants.

mod disputes;
mod links;
mod subscriptions;
mod users;
mod webhooks;
