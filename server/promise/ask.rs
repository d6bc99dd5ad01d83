//! Asks: what a message expects back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Options a choice may have.
pub const MOST_OPTIONS: usize = 20;
/// Characters of an option's name and of its title.
const LONGEST: usize = 200;
/// Octets of a comment or of the reason of a decline.
pub const LONGEST_COMMENT: usize = 16 * 1024;

/// What a message expects back, as it is kept with its promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Which kind of answer.
    pub kind: Kind,
    /// What can be chosen.
    pub options: Vec<ChoiceOption>,
    /// Which answers settle it.
    pub settle: Settle,
    /// The value it is fulfilled with when nobody answers in time.
    pub on_expiry: Option<Value>,
    /// The addresses that are asked: those in `to`.
    pub asked: Vec<String>,
}

/// Which kind of answer is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One of some options.
    Choice,
}

/// Which answers settle an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// The first one.
    Any,
}

/// One thing that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceOption {
    /// What the answer's value says.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Whether a comment goes with it.
    pub comment: Option<Comment>,
}

/// Whether a comment goes with an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comment {
    /// It must.
    Required,
    /// It may.
    Optional,
}

/// Why an ask makes no sense; the pointer is relative to the ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadAsk {
    /// JSON pointer of the field within the ask.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Why an answer does not fit its ask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadAnswer {
    /// JSON pointer of the field within the answer.
    pub pointer: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl Ask {
    /// A choice between options, settled by the first answer.
    ///
    /// # Errors
    /// [`BadAsk`]: no or too many options, names that are not distinct, or an `on_expiry` that is none of them.
    pub fn choice(options: Vec<ChoiceOption>, on_expiry: Option<Value>) -> Result<Self, BadAsk> {
        let bad = |pointer: String, detail: String| Err(BadAsk { pointer, detail });
        if options.is_empty() || options.len() > MOST_OPTIONS {
            return bad("/options".into(), format!("A choice has 1 to {MOST_OPTIONS} options."));
        }
        for (n, option) in options.iter().enumerate() {
            for (field, value) in [("name", &option.name), ("title", &option.title)] {
                let shown = value.chars().any(|c| !c.is_whitespace()) && !value.chars().any(char::is_control);
                if !shown || value.chars().count() > LONGEST {
                    return bad(
                        format!("/options/{n}/{field}"),
                        format!("Must have 1 to {LONGEST} characters, on one line."),
                    );
                }
            }
            if options[..n].iter().any(|other| other.name == option.name) {
                return bad(
                    format!("/options/{n}/name"),
                    format!("Another option is named \"{}\".", option.name),
                );
            }
        }
        let mut ask =
            Self { kind: Kind::Choice, options, settle: Settle::Any, on_expiry: None, asked: Vec::new() };
        if let Some(value) = on_expiry {
            let Some((name, comment)) = read(&value) else {
                return bad("/on_expiry".into(), "Must be the name of an option, or {\"choice\": …}.".into());
            };
            if ask.option(&name).is_none() {
                return bad("/on_expiry".into(), format!("There is no option \"{name}\"."));
            }
            ask.on_expiry = Some(json!({ "choice": name, "comment": comment }));
        }
        Ok(ask)
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&ChoiceOption> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The typed value of an answer, as it is kept and told: `{"choice", "comment"}`.
    ///
    /// # Errors
    /// [`BadAnswer`]: why it does not fit.
    pub fn judge(&self, value: &Value, comment: Option<&str>) -> Result<Value, BadAnswer> {
        let bad = |pointer, detail| Err(BadAnswer { pointer, detail });
        let names = || self.options.iter().map(|option| option.name.as_str()).collect::<Vec<_>>().join(", ");
        let Some((name, inner)) = read(value) else {
            return bad("/value", format!("Must be one of: {}; or {{\"choice\": one of them}}.", names()));
        };
        let comment = comment.or(inner.as_deref()).map(str::trim).filter(|comment| !comment.is_empty());
        let Some(option) = self.option(&name) else {
            return bad("/value", format!("There is no option \"{name}\". The options are: {}.", names()));
        };
        match (option.comment, comment) {
            (Some(Comment::Required), None) => {
                bad("/comment", format!("\"{}\" needs a comment.", option.title))
            }
            (_, Some(comment)) if comment.len() > LONGEST_COMMENT => {
                bad("/comment", format!("At most {LONGEST_COMMENT} octets."))
            }
            _ => Ok(json!({ "choice": name, "comment": comment })),
        }
    }
}

/// `"approve"` or `{"choice": "approve", "comment": …}`.
fn read(value: &Value) -> Option<(String, Option<String>)> {
    match value {
        Value::String(name) => Some((name.clone(), None)),
        Value::Object(fields) => {
            let comment = match fields.get("comment") {
                None | Some(Value::Null) => None,
                Some(Value::String(comment)) => Some(comment.clone()),
                Some(_) => return None,
            };
            let known = fields.keys().all(|key| key == "choice" || key == "comment");
            let name = fields.get("choice")?.as_str()?;
            known.then(|| (name.to_owned(), comment))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, comment: Option<Comment>) -> ChoiceOption {
        ChoiceOption { name: name.into(), title: name.to_uppercase(), comment }
    }

    fn ask() -> Ask {
        Ask::choice(vec![option("approve", None), option("reject", Some(Comment::Required))], None).unwrap()
    }

    #[test]
    fn an_answer_is_one_of_the_options() {
        let typed = json!({ "choice": "approve", "comment": null });
        assert_eq!(ask().judge(&json!("approve"), None), Ok(typed.clone()));
        assert_eq!(ask().judge(&json!({ "choice": "approve" }), Some("  ")), Ok(typed));
        assert_eq!(ask().judge(&json!("Approve"), None).unwrap_err().pointer, "/value");
        assert_eq!(ask().judge(&json!({ "choice": "approve", "x": 1 }), None).unwrap_err().pointer, "/value");
        assert_eq!(ask().judge(&json!(["approve"]), None).unwrap_err().pointer, "/value");
    }

    #[test]
    fn a_required_comment_is_required() {
        assert_eq!(ask().judge(&json!("reject"), None).unwrap_err().pointer, "/comment");
        let typed = ask().judge(&json!({ "choice": "reject", "comment": "too late" }), None);
        assert_eq!(typed, Ok(json!({ "choice": "reject", "comment": "too late" })));
        let long = "x".repeat(LONGEST_COMMENT + 1);
        assert_eq!(ask().judge(&json!("reject"), Some(&long)).unwrap_err().pointer, "/comment");
    }

    #[test]
    fn an_ask_says_what_is_wrong_with_it() {
        let pointer = |options, on_expiry| Ask::choice(options, on_expiry).unwrap_err().pointer;
        assert_eq!(pointer(vec![], None), "/options");
        assert_eq!(
            pointer((0..=MOST_OPTIONS).map(|n| option(&n.to_string(), None)).collect(), None),
            "/options"
        );
        assert_eq!(pointer(vec![option("a", None), option("a", None)], None), "/options/1/name");
        assert_eq!(pointer(vec![option("a\nb", None)], None), "/options/0/name");
        assert_eq!(pointer(vec![option("a", None)], Some(json!("b"))), "/on_expiry");
        let ask = Ask::choice(vec![option("a", None)], Some(json!("a"))).unwrap();
        assert_eq!(ask.on_expiry, Some(json!({ "choice": "a", "comment": null })));
    }
}
