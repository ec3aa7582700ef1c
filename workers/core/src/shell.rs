//! Words for a shell: what is printed to be run may name what strangers wrote.

use std::fmt::Display;

/// A word as any POSIX shell reads it back, whatever is in it.
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_02_02>
pub fn quoted(word: impl Display) -> String {
    let word = word.to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@,=+".contains(&byte);
    let is_plain = !word.is_empty() && word.bytes().all(plain);
    if is_plain { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A text in which the commands that it tells to run are as one types them here: `command` is how
/// this program was called, with the stack that it is about. Those that name theirs stay.
pub fn in_context(text: &str, command: &str) -> String {
    const BARE: &str = "`tollgate ";
    let mut parts = text.split(BARE);
    let mut told = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let bare = if part.starts_with("--") { BARE } else { &format!("`{command} ") };
        told.extend([bare, part]);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_stack_that_they_are_about() {
        let text = "Say `tollgate queue status`; tollgate is `tollgate --stack other doctor`.";
        let told =
            "Say `tollgate --local queue status`; tollgate is `tollgate --stack other doctor`.";
        assert_eq!(in_context(text, "tollgate --local"), told);
        assert_eq!(in_context("none", "tollgate --local"), "none");
    }

    #[test]
    fn a_word_for_the_shell_is_one_word() {
        for (word, shown) in [
            ("cus_1", "cus_1"),
            ("John Doe", "'John Doe'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
