//! Logs: JSON lines on standard output, one wide record for each invocation.
//!
//! Identifiers go into fields; bodies, key values, names and addresses go nowhere.
//! Metrics and alarms are made from the fields by CloudWatch's metric filters, so that
//! no function spends a call, or a format of its own, on them.

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// Starts logging as JSON lines on standard output. A filter that cannot be read lets
/// `info` through; none lets more through than `debug`, because at `trace` the AWS SDK
/// writes down whole requests and answers, the values of keys among them. Call it once for
/// each process; a second call changes nothing.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines =
        fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let subscriber = Registry::default().with(filter).with(LevelFilter::DEBUG).with(lines);
    // Fails only when there is one already: in tests, which keep theirs.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
