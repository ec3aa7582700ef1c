//! Logs and metrics: JSON lines on standard output, one wide record for each invocation.
//!
//! Identifiers go into fields; bodies, key values, names and addresses go nowhere. The
//! wide record is in CloudWatch's embedded metric format, so that alarms need no calls
//! and no agent. Deliberately not here: which metrics there are; the handlers know.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tracing_subscriber::EnvFilter;

/// The metrics' name space in CloudWatch.
pub const NAMESPACE: &str = "Tollgate";

/// Starts logging as JSON lines on standard output. A filter that cannot be read lets
/// `info` through. Call it once for each process; a second call changes nothing.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .finish();
    // Fails only when there is one already: in tests, which keep theirs.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// What one invocation did: counts and durations as metrics, identifiers as fields.
#[derive(Debug, Clone)]
pub struct Invocation {
    stack: String,
    function: &'static str,
    counts: BTreeMap<&'static str, u64>,
    durations: BTreeMap<&'static str, i64>,
    fields: Map<String, Value>,
}

impl Invocation {
    /// An empty record.
    pub fn new(stack: impl Into<String>, function: &'static str) -> Self {
        Self {
            stack: stack.into(),
            function,
            counts: BTreeMap::new(),
            durations: BTreeMap::new(),
            fields: Map::new(),
        }
    }

    /// Adds to a count.
    pub fn count(&mut self, metric: &'static str, by: u64) {
        *self.counts.entry(metric).or_default() += by;
    }

    /// Notes how long something took; in milliseconds, the longest of several.
    pub fn took(&mut self, metric: &'static str, duration: SignedDuration) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let longest = self.durations.entry(metric).or_default();
        *longest = millis.max(*longest);
    }

    /// Notes an identifier or a few: never a body, a key's value or personal data.
    pub fn field(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// The record as one line of JSON.
    pub fn line(&self, now: Timestamp) -> String {
        let counts = self.counts.keys().map(|name| json!({ "Name": name, "Unit": "Count" }));
        let durations = self.durations.keys();
        let durations = durations.map(|name| json!({ "Name": name, "Unit": "Milliseconds" }));
        let metrics: Vec<_> = counts.chain(durations).collect();
        let mut line = self.fields.clone();
        line.extend(self.counts.iter().map(|(name, count)| ((*name).to_owned(), json!(count))));
        line.extend(self.durations.iter().map(|(name, ms)| ((*name).to_owned(), json!(ms))));
        line.insert("stack".into(), json!(self.stack));
        line.insert("function".into(), json!(self.function));
        let set = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [["stack", "function"]],
            "Metrics": metrics,
        });
        let about = json!({ "Timestamp": now.as_millisecond(), "CloudWatchMetrics": [set] });
        line.insert("_aws".into(), about);
        Value::Object(line).to_string()
    }

    /// Writes the record to standard output, where Lambda hands it to CloudWatch.
    #[expect(clippy::print_stdout, reason = "Lambda's log is standard output")]
    pub fn emit(&self, now: Timestamp) {
        println!("{}", self.line(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_the_metrics_and_the_identifiers() {
        let mut record = Invocation::new("shop", "worker");
        record.count("applied", 1);
        record.count("applied", 2);
        record.took("switch_ms", SignedDuration::from_millis(40));
        record.took("switch_ms", SignedDuration::from_millis(30));
        record.field("events", json!(["stripe/evt_1"]));
        let line = record.line(Timestamp::from_second(1_800_000_000).unwrap());
        assert_eq!(line.lines().count(), 1);
        let line: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_800_000_000_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "Tollgate",
                    "Dimensions": [["stack", "function"]],
                    "Metrics": [
                        { "Name": "applied", "Unit": "Count" },
                        { "Name": "switch_ms", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "stack": "shop",
            "function": "worker",
            "applied": 3,
            "switch_ms": 40,
            "events": ["stripe/evt_1"],
        });
        assert_eq!(line, expected);
    }
}
