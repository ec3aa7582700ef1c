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

#[cfg(test)]
mod tests {
    use super::*;

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
