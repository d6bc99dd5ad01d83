//! What people type to find mail: words, "phrases", begin* and the usual operators, each of which `-` turns round.
//!
//! ```text
//! from:ana to:bo subject:"status report" invoice* -draft is:unread has:attachment in:inbox label:work after:2026-01-31
//! ```

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate};

use super::words::{Document, Field, words};

/// The longest query, in octets.
pub const LONGEST: usize = 1024;
/// The most terms of a query.
pub const TERMS: usize = 64;

/// A query: every term must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query(Vec<Term>);

/// One term of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// It must not hold.
    pub not: bool,
    /// What is asked.
    pub test: Test,
}

/// What one term asks of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It has these words, one after the other.
    Words {
        /// Where; none: anywhere.
        field: Option<Field>,
        /// At least one.
        words: Vec<String>,
        /// The last word needs only to be begun.
        prefix: bool,
    },
    /// It was seen, or not.
    Seen(bool),
    /// It is starred, or not.
    Flagged(bool),
    /// It has an attachment.
    Attachment,
    /// It was received at or after, in milliseconds.
    After(i64),
    /// It was received before, in milliseconds.
    Before(i64),
    /// It is in the mailbox of this role or name.
    In(String),
    /// It has this keyword.
    Label(String),
}

/// Why a text is not a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuery {
    /// The octet it was noticed at.
    pub at: usize,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.why, self.at + 1)
    }
}

impl std::error::Error for BadQuery {}

impl Query {
    /// Its terms.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// Whether it asks for words, so that an index is needed.
    #[must_use]
    pub fn has_words(&self) -> bool {
        self.0.iter().any(|term| matches!(term.test, Test::Words { .. }))
    }

    /// Whether a message's words are as the query asks; the other terms are not looked at.
    #[must_use]
    pub fn words_match(&self, document: &Document) -> bool {
        self.0.iter().all(|term| match &term.test {
            Test::Words { field, words, prefix } => document.has(*field, words, *prefix) != term.not,
            _ => true,
        })
    }
}

const OPERATORS: &[&str] =
    &["from", "to", "subject", "is", "has", "in", "label", "keyword", "before", "after"];

impl FromStr for Query {
    type Err = BadQuery;

    fn from_str(text: &str) -> Result<Self, BadQuery> {
        if text.len() > LONGEST {
            return Err(bad(LONGEST, format!("a query has at most {LONGEST} octets")));
        }
        let mut terms = Vec::new();
        let mut at = 0;
        while let Some(start) = text[at..].find(|c: char| !c.is_whitespace()).map(|skip| at + skip) {
            let (term, end) = term(text, start)?;
            at = end;
            if let Some(term) = term {
                if terms.len() == TERMS {
                    return Err(bad(start, format!("a query has at most {TERMS} terms")));
                }
                terms.push(term);
            }
        }
        Ok(Self(terms))
    }
}

fn bad(at: usize, why: impl Into<String>) -> BadQuery {
    BadQuery { at, why: why.into() }
}

/// One term and where it ends; none for what has neither letters nor digits.
fn term(text: &str, start: usize) -> Result<(Option<Term>, usize), BadQuery> {
    let dashed = text[start..].strip_prefix('-');
    let not = dashed.is_some_and(|rest| rest.starts_with(|c: char| !c.is_whitespace() && c != '-'));
    let at = start + usize::from(not);
    let operator = text[at..].split_once(':').and_then(|(name, _)| {
        let name = name.to_ascii_lowercase();
        OPERATORS.iter().find(|known| **known == name).copied()
    });
    let at = operator.map_or(at, |name| at + name.len() + 1);
    let (value, prefix, end) = value(text, at)?;
    let found = |field| -> Result<Option<Test>, BadQuery> {
        let words = words(value);
        match (words.is_empty(), operator) {
            (false, _) => Ok(Some(Test::Words { field, words, prefix })),
            (true, Some(name)) => Err(bad(at, format!("{name}: needs a word, as in {name}:ana"))),
            (true, None) if prefix => Err(bad(at, "a * needs the beginning of a word before it")),
            (true, None) => Ok(None),
        }
    };
    let test = match operator {
        None => found(None)?,
        Some("from") => found(Some(Field::Sender))?,
        Some("to") => found(Some(Field::Recipients))?,
        Some("subject") => found(Some(Field::Subject))?,
        Some("before") => Some(Test::Before(time(at, value)?)),
        Some("after") => Some(Test::After(time(at, value)?)),
        Some("in") => Some(Test::In(needed("in", at, value)?.to_owned())),
        Some("label" | "keyword") => Some(Test::Label(needed("label", at, value)?.to_lowercase())),
        Some("has") => match value.to_ascii_lowercase().as_str() {
            "attachment" | "attachments" => Some(Test::Attachment),
            _ => return Err(bad(at, "has: is followed by attachment")),
        },
        Some(_) => match value.to_ascii_lowercase().as_str() {
            "unread" | "unseen" => Some(Test::Seen(false)),
            "read" | "seen" => Some(Test::Seen(true)),
            "starred" | "flagged" => Some(Test::Flagged(true)),
            "unstarred" | "unflagged" => Some(Test::Flagged(false)),
            _ => return Err(bad(at, "is: is followed by unread, read, starred or unstarred")),
        },
    };
    Ok((test.map(|test| Term { not, test }), end))
}

/// The value at `at`, whether a `*` follows it, and where it ends.
fn value(text: &str, at: usize) -> Result<(&str, bool, usize), BadQuery> {
    let rest = &text[at..];
    if let Some(quoted) = rest.strip_prefix('"') {
        let length = quoted.find('"').ok_or_else(|| bad(at, "this quote is not closed"))?;
        let prefix = quoted[length + 1..].starts_with('*');
        return Ok((&quoted[..length], prefix, at + length + 2 + usize::from(prefix)));
    }
    if rest.starts_with(['(', ')']) {
        return Err(bad(at, "brackets have no meaning here; quote what is to be found as it is"));
    }
    let word = rest.split(char::is_whitespace).next().unwrap_or_default();
    let value = word.trim_end_matches('*');
    Ok((value, value.len() < word.len(), at + word.len()))
}

fn needed<'a>(name: &str, at: usize, value: &'a str) -> Result<&'a str, BadQuery> {
    if value.is_empty() || value.contains('\0') {
        return Err(bad(at, format!("{name}: needs a name")));
    }
    Ok(value)
}

/// A day (its beginning, UTC) or a time.
fn time(at: usize, value: &str) -> Result<i64, BadQuery> {
    let day = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let time = day
        .map(|day| day.and_utc().timestamp_millis())
        .or_else(|| DateTime::parse_from_rfc3339(value).ok().map(|time| time.timestamp_millis()));
    time.ok_or_else(|| bad(at, "write a day as 2026-01-31 or a time as 2026-01-31T09:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Query, BadQuery> {
        text.parse()
    }

    fn shown(text: &str) -> Vec<String> {
        let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let one = |term: &Term| {
            let test = match &term.test {
                Test::Words { field, words, prefix } => {
                    let field = field.map_or(String::new(), |field| format!("{field:?}:"));
                    format!("{field}{}{}", words.join(" "), if *prefix { "*" } else { "" })
                }
                other => format!("{other:?}"),
            };
            format!("{}{test}", if term.not { "-" } else { "" })
        };
        query.terms().iter().map(one).collect()
    }

    #[test]
    fn the_usual_operators_are_known() {
        assert_eq!(
            shown(r#"From:Ana@x.org to:bo subject:"Status Report"* inv* -draft -"old news""#),
            ["Sender:ana x org", "Recipients:bo", "Subject:status report*", "inv*", "-draft", "-old news"]
        );
        assert_eq!(
            shown(
                "is:unread -is:starred has:attachment in:Inbox -label:Work after:2026-01-31 before:1970-01-01T01:00:00+01:00"
            ),
            [
                "Seen(false)",
                "-Flagged(true)",
                "Attachment",
                "In(\"Inbox\")",
                "-Label(\"work\")",
                "After(1769817600000)",
                "Before(0)"
            ]
        );
    }

    #[test]
    fn what_is_no_operator_is_text() {
        assert_eq!(
            shown("http://x.org re: a-b AND OR -- & x"),
            ["http x org", "re", "a b", "and", "or", "x"]
        );
        assert_eq!(shown(r#"a"b c" NEAR(a b) it's"#), ["a b", "c", "near a", "b", "it s"]);
        assert_eq!(shown("  \t "), Vec::<String>::new());
        assert!(!parse("is:read").unwrap().has_words() && parse("x").unwrap().has_words());
    }

    #[test]
    fn errors_say_where() {
        for (text, at) in [
            ("a \"b", 2),
            ("from:", 5),
            ("x from:\"\"", 7),
            ("x *", 2),
            ("****", 0),
            ("(a)", 0),
            ("is:blue", 3),
            ("has:cheese", 4),
            ("after:yesterday", 6),
            ("before:2026-13-01", 7),
            ("in:", 3),
            ("-label:", 7),
            (&"x ".repeat(65), 128),
            (&"x".repeat(1025), 1024),
            (&"(".repeat(500), 0),
        ] {
            assert_eq!(parse(text).unwrap_err().at, at, "{text}");
        }
        assert!(parse(&"x ".repeat(64)).is_ok());
        for odd in ["-", "é:x", "\u{301}", "-\u{301}:", "\"\"", "\"\"\"", "from:\u{1F389}", "-:", ":", "ß:ß*"]
        {
            let _ = parse(odd);
        }
    }

    #[test]
    fn words_are_judged_without_an_index() {
        let document = Document::new([&["Invoice 7"], &["Ana"], &["Bo"], &["Please pay."]]);
        for (text, yes) in [
            ("invoice", true),
            ("subject:pay", false),
            ("pay -from:bo", true),
            ("inv* \"please pay\"", true),
            ("-invoice", false),
            ("-x is:unread", true),
        ] {
            assert_eq!(parse(text).unwrap().words_match(&document), yes, "{text}");
        }
    }
}
