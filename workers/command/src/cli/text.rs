//! Texts of others on their way to a person: on a terminal, and in a line for the shell.
//!
//! Ids, names, addresses and errors are written by sellers, customers and services. What of them
//! would act on a terminal is shown by its code instead, in whatever the command writes for
//! people. JSON is for programs, and has escapes of its own.

use std::borrow::Cow;
use std::io::{Result, Write};

use tollgate_core::shell::in_context;
use tollgate_core::text;

use super::io::Colour;

/// Writes everything [`visible`], but for the colours of the command's own; and the commands
/// that it tells to run [as one types them](in_context) for this stack.
pub(super) struct Visible<'a> {
    pub(super) to: &'a mut dyn Write,
    /// How the command was called.
    pub(super) command: &'a str,
}

impl Write for Visible<'_> {
    /// What is formatted comes in whole texts: no character is cut in two.
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let text = in_context(&String::from_utf8_lossy(bytes), self.command);
        let mut rest: &str = &text;
        while !rest.is_empty() {
            let colour = Colour::CODES.into_iter().find(|code| rest.starts_with(code));
            let end = match colour {
                Some(code) => code.len(),
                None => rest
                    .char_indices()
                    .skip(1)
                    .find(|(_, it)| *it == '\x1b')
                    .map_or(rest.len(), |(at, _)| at),
            };
            let (now, later) = rest.split_at(end);
            let now = if colour.is_some() { Cow::Borrowed(now) } else { visible(now) };
            self.to.write_all(now.as_bytes())?;
            rest = later;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        self.to.flush()
    }
}

/// A text in which what would act on a terminal is seen: `\u{202e}`. Lines and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    text::visible(text, text::acts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write!(Visible { to: &mut out, command: "tollgate --local" }, "{text}").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_would_act_on_a_terminal_is_seen() {
        for (text, shown) in [
            ("John Doe, Zoë Ü\n\tپرو", "John Doe, Zoë Ü\n\tپرو"),
            ("pro\u{202e}eerf", r"pro\u{202e}eerf"),
            ("\u{2066}a\u{2069}\u{200f}\u{61c}", r"\u{2066}a\u{2069}\u{200f}\u{61c}"),
            ("a\rb\u{8}\u{7f}\u{85}\u{9b}2J", r"a\u{d}b\u{8}\u{7f}\u{85}\u{9b}2J"),
            ("a\u{2028}b\u{2029}", r"a\u{2028}b\u{2029}"),
            ("\x1b]0;title\x07\x1b[2J\x1b", r"\u{1b}]0;title\u{7}\u{1b}[2J\u{1b}"),
        ] {
            assert_eq!(visible(text), shown);
            assert_eq!(written(text), shown);
            assert_eq!(visible(shown), shown, "what is shown is not escaped again");
        }
    }

    #[test]
    fn commands_are_for_the_stack_that_the_command_is_about() {
        assert_eq!(written("See `tollgate queue status`."), "See `tollgate --local queue status`.");
    }

    #[test]
    fn colours_of_our_own_stay() {
        assert_eq!(
            written("\x1b[31merror:\x1b[0m a\x1b[5mb"),
            "\x1b[31merror:\x1b[0m a\\u{1b}[5mb"
        );
    }
}
