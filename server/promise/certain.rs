//! Replies in words: which answer they give, where that is certain.

use serde_json::{Value, json};

use super::ask::{Ask, Kind};

/// Below this, it is not sure enough which of the words are the reply's own.
const SURE: f32 = 0.75;

/// An answer read out of a reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Certain {
    /// The value.
    pub value: Value,
    /// What was said with it.
    pub comment: Option<String>,
}

/// Reads the answer out of a reply's own words; nothing where there is any doubt. `confidence` is how sure it is that
/// these are its own words.
#[must_use]
pub fn answer(ask: &Ask, reply: &str, confidence: f32) -> Option<Certain> {
    let reply = reply.trim();
    if reply.is_empty() || confidence < SURE {
        return None;
    }
    let certain = match ask.kind {
        Kind::Text => Certain { value: json!(reply), comment: None },
        Kind::Choice => choice(ask, reply)?,
        // Fields are not read out of prose.
        Kind::Form => return None,
    };
    // What the question's own rules refuse (a comment that must be given) is asked for again.
    ask.judge(&certain.value, certain.comment.as_deref()).ok()?;
    Some(certain)
}

/// The option that a reply begins with, if it names no other.
fn choice(ask: &Ask, reply: &str) -> Option<Certain> {
    let lower = reply.to_lowercase();
    if lower.len() != reply.len() {
        // A letter whose small form has another length: places in the one are not places in the other.
        return whole(ask, reply);
    }
    let names = ask
        .options
        .iter()
        .flat_map(|option| [&option.name, &option.title].map(|name| (option, name.trim().to_lowercase())));
    let begins = names.filter(|(_, name)| !name.is_empty() && begins(&lower, name));
    let (option, name) = begins.max_by_key(|(_, name)| name.len())?;
    let rest = &reply[name.len()..];
    // "Approve?" asks, it does not answer.
    if rest.trim_start().starts_with('?') {
        return None;
    }
    let others = ask.options.iter().filter(|other| other.name != option.name);
    let rest_lower = &lower[name.len()..];
    let mut others = others.flat_map(|other| [&other.name, &other.title]);
    if others.any(|other| contains(rest_lower, &other.trim().to_lowercase())) {
        return None;
    }
    let comment =
        rest.trim_start_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '(' | '"' | '“')).trim();
    let comment = (!comment.is_empty()).then(|| comment.to_owned());
    Some(Certain { value: json!(option.name), comment })
}

fn whole(ask: &Ask, reply: &str) -> Option<Certain> {
    let said = reply.trim_end_matches(['.', '!']).to_lowercase();
    let mut fits =
        ask.options.iter().filter(|o| o.name.to_lowercase() == said || o.title.to_lowercase() == said);
    let option = fits.next()?;
    fits.next().is_none().then(|| Certain { value: json!(option.name), comment: None })
}

/// Whether a text begins with a name that ends there.
fn begins(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| {
        !rest.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '\'' | '’'))
    })
}

/// Whether a text names something, as words of their own.
fn contains(text: &str, name: &str) -> bool {
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            !text[..at].ends_with(char::is_alphanumeric)
                && !text[at + name.len()..].starts_with(char::is_alphanumeric)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise::ask::{ChoiceOption, Comment};

    fn ask() -> Ask {
        let option = |name: &str, title: &str, comment| ChoiceOption {
            name: name.into(),
            title: title.into(),
            comment,
        };
        let options = vec![
            option("approve", "Approve", None),
            option("later", "Approve later", None),
            option("reject", "Reject", Some(Comment::Required)),
        ];
        Ask::choice(options, None).unwrap()
    }

    fn read(reply: &str) -> Option<(String, Option<String>)> {
        let certain = answer(&ask(), reply, 1.0)?;
        Some((certain.value.as_str().unwrap().to_owned(), certain.comment))
    }

    #[test]
    fn what_is_certain_is_an_answer() {
        for (reply, name, comment) in [
            ("approve", "approve", None),
            ("  Approve.\n", "approve", None),
            ("APPROVE!", "approve", None),
            ("approve, but after lunch", "approve", Some("but after lunch")),
            ("Approve\n\nThanks,\nBo", "approve", Some("Thanks,\nBo")),
            ("Approve later – Friday", "later", Some("Friday")),
            ("later", "later", None),
            ("Reject: the tests are red", "reject", Some("the tests are red")),
        ] {
            assert_eq!(read(reply), Some((name.to_owned(), comment.map(str::to_owned))), "{reply}");
        }
    }

    #[test]
    fn what_is_in_doubt_is_none() {
        for reply in [
            "",
            "I approve",
            "do not approve",
            "approved",
            "approve-ish",
            "Approve?",
            "Approve ?",
            "approve or reject",
            "Approve. No, reject!",
            "reject",
            "approve it later",
            "yes",
            "what does approve mean?",
            "ok, approve",
        ] {
            assert_eq!(read(reply), None, "{reply}");
        }
        assert_eq!(answer(&ask(), "approve", 0.6), None);
    }

    #[test]
    fn a_text_is_the_reply_itself_and_a_form_is_never_read() {
        let text = Ask::new(Kind::Text, vec![], None, super::super::ask::Settle::Any, None).unwrap();
        assert_eq!(
            answer(&text, " On Tuesday. ", 1.0),
            Some(Certain { value: json!("On Tuesday."), comment: None })
        );
        let schema = Some(json!({ "type": "object" }));
        let form = Ask::new(Kind::Form, vec![], schema, super::super::ask::Settle::Any, None).unwrap();
        assert_eq!(answer(&form, "{}", 1.0), None);
    }

    proptest::proptest! {
        #[test]
        fn no_reply_is_too_strange(reply in "\\PC{0,60}|(approve|İ|later|[ ,.!?]){0,6}") {
            if let Some(certain) = answer(&ask(), &reply, 1.0) {
                proptest::prop_assert!(ask().option(certain.value.as_str().unwrap()).is_some());
            }
        }
    }
}
