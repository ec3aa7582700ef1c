//! Logs: JSON lines on standard output, one wide record for each invocation.
//!
//! Identifiers go into fields; bodies, key values, names and addresses go nowhere.
//! Metrics and alarms are made from the fields by CloudWatch's metric filters, so that
//! no function spends a call, or a format of its own, on them.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt};

/// Starts logging as JSON lines on standard output. A filter that cannot be read lets
/// `info` through; none lets more through than `debug`, because at `trace` the AWS SDK
/// writes down whole requests and answers, the values of keys among them. Call it once for
/// each process; a second call changes nothing.
pub fn init(filter: &str) {
    let lines =
        fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let subscriber = Registry::default().with(targets(filter)).with(LevelFilter::DEBUG).with(lines);
    // Fails only when there is one already: in tests, which keep theirs.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Levels by target, and no more: filters on fields bring regular expressions into every
/// function. To the parser, what is blank between two commas would be `error`.
fn targets(filter: &str) -> Targets {
    let parts: Vec<_> = filter.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let targets = parts.join(",").parse();
    targets.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// The most that goes through of what a crate says.
    fn most(targets: &Targets, target: &str) -> Option<Level> {
        let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        levels.into_iter().find(|level| targets.would_enable(target, level))
    }

    #[test]
    fn a_filter_has_levels_by_target() {
        let cases = [
            ("warn", Some(Level::WARN), Some(Level::WARN)),
            ("info, hyper_util=debug,", Some(Level::INFO), Some(Level::DEBUG)),
            ("debug,hyper_util=off", Some(Level::DEBUG), None),
            ("very=loud", Some(Level::INFO), Some(Level::INFO)),
        ];
        for (filter, ours, theirs) in cases {
            let targets = targets(filter);
            assert_eq!(most(&targets, "tollgate_functions"), ours, "{filter}");
            assert_eq!(most(&targets, "hyper_util"), theirs, "{filter}");
        }
    }
}
