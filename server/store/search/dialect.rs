//! Documents and queries as FTS5 and as `tsvector` read them. Words hold only letters, digits and marks, so that
//! nothing in them means anything to either.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uuid::Uuid;

use crate::mail::query::{Query, Test};
use crate::mail::words::{Document, Field};

/// Stands for a word that is left out; no word is like it.
const GAP: &str = "_";
/// The weights of [`Field::ALL`].
const WEIGHTS: [char; 4] = ['A', 'B', 'C', 'D'];

/// The columns of FTS5 as a JSON list: the account, then the fields.
pub(super) fn columns(account: Uuid, document: &Document) -> String {
    let texts = document.fields().iter().map(|words| {
        let words: Vec<&str> = words.iter().map(|word| word.as_deref().unwrap_or(GAP)).collect();
        words.join(" ")
    });
    let columns: Vec<String> = std::iter::once(account.simple().to_string()).chain(texts).collect();
    serde_json::json!(columns).to_string()
}

/// The text form of a `tsvector`.
pub(super) fn tsvector(account: Uuid, document: &Document) -> String {
    let mut lexemes: BTreeMap<&str, String> = BTreeMap::new();
    let mut position = 0_u32;
    for (words, weight) in document.fields().iter().zip(WEIGHTS) {
        for word in words {
            position += 1;
            if let Some(word) = word {
                let places = lexemes.entry(word).or_default();
                _ = write!(places, "{}{position}{weight}", if places.is_empty() { ':' } else { ',' });
            }
        }
        // No phrase goes from one field to the next.
        position += 1;
    }
    let mut vector = format!("'@{}'", account.simple());
    for (word, places) in lexemes {
        _ = write!(vector, " '{word}'{places}");
    }
    vector
}

/// A query as FTS5 reads it.
pub(super) fn fts5(account: Uuid, query: &Query) -> String {
    let (mut with, mut without) = (format!("account : \"{}\"", account.simple()), String::new());
    for term in query.terms() {
        let Test::Words { field, words, prefix } = &term.test else { continue };
        let columns = match field {
            None => "{subject sender recipients body}",
            Some(Field::Subject) => "subject",
            Some(Field::Sender) => "sender",
            Some(Field::Recipients) => "recipients",
            Some(Field::Body) => "body",
        };
        let (to, and) = if term.not { (&mut without, " OR ") } else { (&mut with, " AND ") };
        let and = if to.is_empty() { "" } else { and };
        let star = if *prefix { " *" } else { "" };
        _ = write!(to, "{and}({columns} : \"{}\"{star})", words.join(" "));
    }
    if without.is_empty() { with } else { format!("({with}) NOT ({without})") }
}

/// A query as the text form of a `tsquery`.
pub(super) fn tsquery(account: Uuid, query: &Query) -> String {
    let mut text = format!("'@{}'", account.simple());
    for term in query.terms() {
        let Test::Words { field, words, prefix } = &term.test else { continue };
        let weight = Field::ALL.iter().zip(WEIGHTS).find(|(name, _)| Some(**name) == *field);
        let weight = weight.map(|(_, weight)| weight.to_string()).unwrap_or_default();
        text.push_str(if term.not { " & !(" } else { " & (" });
        for (n, word) in words.iter().enumerate() {
            let star = if *prefix && n + 1 == words.len() { "*" } else { "" };
            let mark = if weight.is_empty() && star.is_empty() { "" } else { ":" };
            let next = if n == 0 { "" } else { " <-> " };
            _ = write!(text, "{next}'{word}'{mark}{weight}{star}");
        }
        text.push(')');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_say_the_same() {
        let account = Uuid::nil();
        let query: Query = "from:ana \"b c\"* -subject:d -e is:read".parse().unwrap();
        let id = "0".repeat(32);
        assert_eq!(
            fts5(account, &query),
            format!(
                "(account : \"{id}\" AND (sender : \"ana\") AND ({{subject sender recipients body}} : \"b c\" *)) \
                 NOT ((subject : \"d\") OR ({{subject sender recipients body}} : \"e\"))"
            )
        );
        assert_eq!(
            tsquery(account, &query),
            format!("'@{id}' & ('ana':B) & ('b' <-> 'c':*) & !('d':A) & !('e')")
        );
        let document = Document::new([&["b a"], &["x", "b"], &[], &["b"]]);
        assert_eq!(columns(account, &document), format!(r#"["{id}","b a","x _ b","","b"]"#));
        assert_eq!(tsvector(account, &document), format!("'@{id}' 'a':2A 'b':1A,6B,9D 'x':4B"));
    }
}
