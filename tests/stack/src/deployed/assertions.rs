//! The step `assertions`: what linters miss, over the translated templates.
//!
//! Each assertion comes with a mistake that only it finds. The step makes each mistake in a
//! copy of the template and fails if it goes unnoticed, so that no assertion passes because
//! it looks at nothing.

mod alarms;
mod documentation;
mod example;
mod functions;
mod http;
mod queues;
mod roles;
mod secrets;
mod table;
mod view;

#[cfg(test)]
mod fixture;

use anyhow::ensure;
use serde_json::Value;

use super::translate::Templates;

/// What is wrong, for people; several things are separated by `; `.
type AssertionResult = Result<(), String>;

/// What must hold of a template.
#[derive(Debug, Clone, Copy)]
pub struct Assertion {
    /// The rule, as a sentence.
    pub name: &'static str,
    /// Looks whether it holds.
    pub check: fn(&Value) -> AssertionResult,
    /// A mistake that it alone finds.
    mistake: Mistake,
}

/// Puts a JSON text in a place (a JSON pointer); [`GONE`] takes away what is there.
#[derive(Debug, Clone, Copy)]
struct Mistake {
    place: &'static str,
    value: &'static str,
}

/// No JSON text: nothing is there any more.
const GONE: &str = "";

/// Those of the main template.
pub fn main_assertions() -> Vec<Assertion> {
    [
        queues::ASSERTIONS,
        table::ASSERTIONS,
        roles::ASSERTIONS,
        secrets::ASSERTIONS,
        functions::ASSERTIONS,
        http::ASSERTIONS,
        alarms::ASSERTIONS,
        documentation::ASSERTIONS,
    ]
    .concat()
}

/// Those of the example.
pub fn example_assertions() -> Vec<Assertion> {
    example::ASSERTIONS.to_vec()
}

/// Checks both templates, and that each assertion finds its mistake in them.
///
/// # Errors
/// All that does not hold.
pub fn check(templates: &Templates) -> anyhow::Result<String> {
    let all = [
        ("infra/template.yaml", &templates.main, main_assertions()),
        ("infra/example/template.yaml", &templates.example, example_assertions()),
    ];
    let mut count = 0;
    for (file, template, assertions) in &all {
        let wrong = failing(assertions, template);
        let wrong: Vec<_> = wrong.iter().map(|(name, why)| format!("\n  {name}: {why}")).collect();
        ensure!(wrong.is_empty(), "{file}:{}", wrong.concat());
        for assertion in assertions {
            prove(assertion, assertions, template).map_err(anyhow::Error::msg)?;
        }
        count += assertions.len();
    }
    Ok(format!("{count} hold, and each finds its mistake"))
}

fn failing(assertions: &[Assertion], template: &Value) -> Vec<(&'static str, String)> {
    let check = |assertion: &Assertion| Some((assertion.name, (assertion.check)(template).err()?));
    assertions.iter().filter_map(check).collect()
}

/// Makes the assertion's mistake in a copy: it alone must notice.
fn prove(assertion: &Assertion, all: &[Assertion], template: &Value) -> Result<(), String> {
    let name = assertion.name;
    let mut copy = template.clone();
    make(&mut copy, assertion.mistake).map_err(|why| format!("`{name}`: {why}"))?;
    let found: Vec<_> = failing(all, &copy).into_iter().map(|(name, _)| name).collect();
    if found == [name] {
        Ok(())
    } else {
        Err(format!("the mistake of `{name}` is found by {found:?}"))
    }
}

fn make(template: &mut Value, mistake: Mistake) -> Result<(), String> {
    let (parent, last) = mistake.place.rsplit_once('/').ok_or("a place is a JSON pointer")?;
    let last = last.replace("~1", "/");
    let nowhere = || format!("there is no {}", mistake.place);
    let parent = template.pointer_mut(parent).ok_or_else(nowhere)?;
    if mistake.value == GONE {
        return parent
            .as_object_mut()
            .and_then(|it| it.remove(&last))
            .map(drop)
            .ok_or_else(nowhere);
    }
    let value = serde_json::from_str(mistake.value).map_err(|error| error.to_string())?;
    match parent {
        Value::Array(items) => {
            let item = last.parse().ok().and_then(|place: usize| items.get_mut(place));
            *item.ok_or_else(nowhere)? = value;
        }
        Value::Object(fields) => drop(fields.insert(last, value)),
        _ => return Err(nowhere()),
    }
    Ok(())
}

/// All problems as one verdict.
fn verdict(problems: impl IntoIterator<Item = String>) -> AssertionResult {
    let problems: Vec<_> = problems.into_iter().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Without Python: on a template of the same form, made here.
    #[test]
    fn each_assertion_holds_and_finds_its_mistake() {
        for (template, assertions) in
            [(fixture::main(), main_assertions()), (fixture::example(), example_assertions())]
        {
            assert_eq!(failing(&assertions, &template), [], "the fixture");
            for assertion in &assertions {
                assert_eq!(prove(assertion, &assertions, &template), Ok(()));
            }
        }
    }

    #[test]
    fn no_two_assertions_have_one_name() {
        let all = [main_assertions(), example_assertions()].concat();
        let names: BTreeSet<_> = all.iter().map(|assertion| assertion.name).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn an_assertion_that_overlooks_its_mistake_is_found_out() {
        let blind = Assertion {
            name: "blind",
            check: |_| Ok(()),
            mistake: Mistake { place: "/Resources", value: "{}" },
        };
        assert!(prove(&blind, &[blind], &fixture::main()).is_err());
    }
}
