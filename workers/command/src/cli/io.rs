//! What the command reads and writes: streams that tests replace.

use std::io::{BufRead, Result, Write};

/// The streams of a process.
pub struct Io<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Questions, progress, errors.
    pub err: &'a mut dyn Write,
    /// Answers, and values that are piped in.
    pub input: &'a mut dyn BufRead,
    /// Whether a person can be asked: input and errors are a terminal.
    pub interactive: bool,
    /// Whether colours may be used.
    pub colour: bool,
    /// How many columns the output has; `None` when it is no terminal, and lines may be long.
    pub columns: Option<u16>,
    /// Whether somebody has pressed Ctrl-C: long work then stops at the next safe place.
    pub interrupted: &'a dyn Fn() -> bool,
    /// Reads a line from the terminal without showing it.
    pub hidden: fn() -> Result<String>,
}

/// A colour of the terminal's own palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// What fails or goes.
    Red,
    /// What is well or comes.
    Green,
    /// What changes or is doubtful.
    Yellow,
}

impl Colour {
    /// What begins each colour on a terminal, and what ends them all.
    pub(super) const CODES: [&str; 4] = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];

    fn code(self) -> &'static str {
        let [red, green, yellow, _] = Self::CODES;
        match self {
            Self::Red => red,
            Self::Green => green,
            Self::Yellow => yellow,
        }
    }
}

impl Io<'_> {
    /// A text in a colour, if colours may be used.
    pub fn paint(&self, colour: Colour, text: &str) -> String {
        let [.., end] = Colour::CODES;
        if self.colour { format!("{}{text}{end}", colour.code()) } else { text.to_owned() }
    }

    /// Asks a person; anything but `y` or `yes` is a no, and so is the end of the input.
    ///
    /// # Errors
    /// A stream is broken.
    pub fn confirm(&mut self, question: &str) -> Result<bool> {
        write!(self.err, "{question} [y/N] ")?;
        self.err.flush()?;
        let mut answer = String::new();
        self.input.read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Reads a value that nobody should see: without echo from a terminal, else the whole
    /// input; without white space around it.
    ///
    /// # Errors
    /// A stream is broken, or the input is not UTF-8.
    pub fn secret(&mut self, prompt: &str) -> Result<String> {
        let mut value = String::new();
        if self.interactive {
            write!(self.err, "{prompt} (it is not shown): ")?;
            self.err.flush()?;
            value = (self.hidden)()?;
        } else {
            self.input.read_to_string(&mut value)?;
        }
        Ok(value.trim().to_owned())
    }
}
