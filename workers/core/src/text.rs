//! Texts of others, where what they do to a terminal or to the lines around them matters.

use std::borrow::Cow;

/// Whether a character moves the cursor, begins a command to the terminal, or changes the
/// direction or the lines of what is around it. Ends of lines and tabs are not among them.
/// <https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>
pub fn acts(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' => true,
        '\u{2028}' | '\u{2029}' => true,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        character => character.is_control(),
    }
}

/// Whether a character has no place in a text of one line.
pub fn breaks_a_line(character: char) -> bool {
    matches!(character, '\n' | '\t') || acts(character)
}

/// A text in which these characters are seen instead: `\u{202e}`.
pub fn visible(text: &str, which: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&which) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match which(character) {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// What somebody wrote, as one line, whatever is in it.
pub fn one_line(text: &str) -> Cow<'_, str> {
    visible(text, breaks_a_line)
}
