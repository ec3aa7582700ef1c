//! Help on a narrow terminal: broken between words, and examples left to be copied whole.

/// A help text of which no line of prose is longer than the terminal. What follows in a broken
/// line stands where its text began.
pub(super) fn wrapped(help: &str, columns: Option<u16>) -> String {
    let Some(columns) = columns else { return help.to_owned() };
    let (mut out, mut example) = (String::new(), false);
    for line in help.lines() {
        example |= line.starts_with("Example");
        match example {
            true => out.push_str(line),
            false => wrap(line, columns.into(), &mut out),
        }
        out.push('\n');
    }
    out
}

fn wrap(line: &str, columns: usize, out: &mut String) {
    let text = line.trim_start();
    let indent = line.len() - text.len();
    // An option and what it means stand side by side, with a gap between.
    let gap = text.find("  ").map(|at| indent + at);
    let hang = gap.map_or(indent, |at| at + line[at..].len() - line[at..].trim_start().len());
    let hang = if hang < columns / 2 { hang } else { indent };
    let mut at = 0;
    for (n, word) in line.split(' ').enumerate() {
        let width = word.chars().count();
        if n > 0 && !word.is_empty() && at > hang && at + 1 + width > columns {
            out.push_str(&format!("\n{:hang$}{word}", ""));
            at = hang + width;
        } else {
            let space = if n > 0 { " " } else { "" };
            out.push_str(&format!("{space}{word}"));
            at += space.len() + width;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_broken_between_words_and_examples_are_not() {
        let help = "\
Does this and that.

  -a, --all  Everything that there is
      --of <WHAT>
          What is to be done about it

Examples:
  tollgate --stack shop do all of it";
        let narrow = "\
Does this and that.

  -a, --all  Everything that
             there is
      --of <WHAT>
          What is to be done
          about it

Examples:
  tollgate --stack shop do all of it
";
        assert_eq!(wrapped(help, Some(28)), narrow);
        assert_eq!(wrapped(help, None), help);
    }
}
