//! The kernel command line: `key=value` options, then ` -- ` and the program's arguments.
//!
//! Words are separated by blanks. Double quotes hold blanks, and a backslash takes the next character as it is, both
//! anywhere in a word.

use alloc::string::String;
use alloc::vec::Vec;

/// One option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// What is before the first `=`, or the whole word.
    pub key: String,
    /// What is behind it, empty without.
    pub value: String,
}

/// A parsed command line.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct CommandLine {
    /// In the order of the line; a key may come more than once.
    pub settings: Vec<Setting>,
    /// The words after `--`.
    pub arguments: Vec<String>,
}

impl CommandLine {
    /// Parses a line. Nothing is an error: an open quote ends with the line.
    pub fn parse(line: &str) -> Self {
        let mut parsed = Self::default();
        let mut words = split(line).into_iter();
        for word in words.by_ref() {
            if word == "--" {
                break;
            }
            let (key, value) = word.split_once('=').unwrap_or((&word, ""));
            parsed.settings.push(Setting { key: key.into(), value: value.into() });
        }
        parsed.arguments = words.collect();
        parsed
    }

    /// The last value of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.settings.iter().rev().find(|setting| setting.key == key).map(|setting| setting.value.as_str())
    }

    /// Every value of an option that may come more than once.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings.iter().filter(move |setting| setting.key == key).map(|setting| setting.value.as_str())
    }

    /// The options that are none of `known`.
    pub fn unknown<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = &'a str> {
        self.settings.iter().map(|setting| setting.key.as_str()).filter(move |key| !known.contains(key))
    }
}

fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' if !quoted => words.extend(word.take()),
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_arguments_are_told_apart() {
        let line = CommandLine::parse("loglevel=debug mount=xvda:/ mount=xvdb:/data -- --port=80 a=b");
        assert_eq!(line.get("loglevel"), Some("debug"));
        assert_eq!(line.get_all("mount").collect::<Vec<_>>(), ["xvda:/", "xvdb:/data"]);
        assert_eq!(line.arguments, ["--port=80", "a=b"]);
        assert_eq!(line.get("port"), None);
    }

    #[test]
    fn quotes_hold_blanks_and_backslashes_hold_quotes() {
        let line = CommandLine::parse(r#"a="b c"d -- "x y" \"z "" a\ b"#);
        assert_eq!(line.get("a"), Some("b cd"));
        assert_eq!(line.arguments, ["x y", "\"z", "", "a b"]);
    }

    #[test]
    fn the_last_value_wins_and_unknown_ones_are_named() {
        let line = CommandLine::parse("ip=dhcp ip=10.0.0.2/24 colour=red quiet");
        assert_eq!(line.get("ip"), Some("10.0.0.2/24"));
        assert_eq!(line.unknown(&["ip"]).collect::<Vec<_>>(), ["colour", "quiet"]);
    }

    #[test]
    fn odd_lines_do_no_harm() {
        for line in ["", "  ", "\"", "\\", "--", "=", "a=\"", "-- --"] {
            let _ = CommandLine::parse(line);
        }
        assert_eq!(CommandLine::parse("=x").settings[0], Setting { key: String::new(), value: "x".into() });
    }
}
