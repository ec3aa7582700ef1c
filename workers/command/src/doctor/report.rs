//! The findings, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tollgate_operator::doctor::{CheckFinding, CheckVerdict, Findings};

/// One line for each check, grouped by system; problems and their mends below it. `paint`
/// colours a mark.
pub fn text(findings: &Findings, paint: impl Fn(CheckVerdict, &str) -> String) -> String {
    let width = findings.findings.iter().map(|it| it.check.len()).max().unwrap_or_default();
    let (mut text, mut system) = (String::new(), None);
    for finding in &findings.findings {
        if system.replace(finding.system) != Some(finding.system) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{}", finding.system.name());
        }
        let verdict = finding.verdict();
        let (mark, check) = (paint(verdict, mark(verdict)), finding.check);
        let _ = writeln!(text, "  {mark} {check:width$}  {}", finding.looked_at);
        problems(&mut text, finding, &paint);
    }
    let _ = writeln!(text, "\n{}", summary(findings));
    text
}

fn problems(
    text: &mut String,
    finding: &CheckFinding,
    paint: &impl Fn(CheckVerdict, &str) -> String,
) {
    for problem in &finding.problems {
        let mark = paint(problem.verdict, mark(problem.verdict));
        let _ = writeln!(text, "      {mark} {}", problem.found);
        let _ = writeln!(text, "        → {}", problem.mend);
    }
}

fn mark(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Ok => "✓",
        CheckVerdict::Warning => "!",
        CheckVerdict::CouldNotLook => "?",
        CheckVerdict::Failure => "✗",
    }
}

fn summary(findings: &Findings) -> String {
    let count = |verdict| findings.count(verdict);
    let plural = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    format!(
        "{}: {} ok, {}, {}, {} not looked at",
        plural(findings.findings.len(), "check"),
        count(CheckVerdict::Ok),
        plural(count(CheckVerdict::Warning), "warning"),
        plural(count(CheckVerdict::Failure), "failure"),
        count(CheckVerdict::CouldNotLook),
    )
}

/// Everything as one object; its fields are listed in `docs/doctor.md`.
pub fn json(stack: &str, findings: &Findings) -> Value {
    let check = |finding: &CheckFinding| {
        json!({
            "check": finding.check,
            "system": finding.system,
            "looked_at": finding.looked_at,
            "verdict": finding.verdict(),
            "problems": finding.problems,
        })
    };
    json!({
        "stack": stack,
        "verdict": findings.verdict(),
        "counts": {
            "ok": findings.count(CheckVerdict::Ok),
            "warning": findings.count(CheckVerdict::Warning),
            "failure": findings.count(CheckVerdict::Failure),
            "could-not-look": findings.count(CheckVerdict::CouldNotLook),
        },
        "checks": findings.findings.iter().map(check).collect::<Vec<_>>(),
    })
}
