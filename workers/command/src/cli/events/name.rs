//! Events on the command line: `source/id`, and of Stripe's and operators' the id alone.

use serde_json::json;
use tollgate_events::{EventId, EventRef, Source};

/// Reads an event's name.
pub(super) fn event(text: &str) -> Result<EventRef, String> {
    let known = [("evt_", Source::Stripe), ("op_", Source::Operator)];
    let bare = known.into_iter().find(|(prefix, _)| text.starts_with(prefix));
    let (source, id) = match (bare, text.split_once('/')) {
        (Some((_, source)), _) => (Some(source), text),
        (None, Some((source, id))) => (serde_json::from_value(json!(source)).ok(), id),
        (None, None) => (None, text),
    };
    let named = source.zip(EventId::parse(id).ok());
    named.map(|(source, id)| EventRef { source, id }).ok_or_else(|| {
        let mend =
            "write it as evt_…, op_… or source/id (cognito/…, cloudtrail/…, sweep/…, queue/…)";
        format!("`{text}` names no event; {mend}")
    })
}

/// As short as it can be read back.
pub(super) fn short(event: &EventRef) -> String {
    let id = event.id.to_string();
    if self::event(&id).as_ref() == Ok(event) { id } else { event.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_by_source_and_id_or_by_an_id_that_tells_its_source() {
        for (text, written) in [
            ("evt_1", "stripe/evt_1"),
            ("stripe/evt_1", "stripe/evt_1"),
            ("op_1", "operator/op_1"),
            ("cognito/sign_up:sub-1", "cognito/sign_up:sub-1"),
            ("sweep/a/b", "sweep/a/b"),
            ("evt_1/2", "stripe/evt_1/2"),
        ] {
            let read = event(text).unwrap();
            assert_eq!(read.to_string(), written);
            assert_eq!(event(&short(&read)), Ok(read));
        }
        assert_eq!(short(&event("stripe/evt_1").unwrap()), "evt_1");
        assert!(
            ["", "sub_1", "elsewhere/1", "stripe/", "evt_ 1"].iter().all(|it| event(it).is_err())
        );
    }
}
