//! Asks: what a message expects back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::form;
pub use crate::store::tally::Settle;

/// Options a choice may have.
pub const MOST_OPTIONS: usize = 20;
/// Characters of an option's name and of its title.
const LONGEST: usize = 200;
/// Octets of a comment or of the reason of a decline.
pub const LONGEST_COMMENT: usize = 16 * 1024;
/// Octets of an answer in text, and of a filled-in form.
pub const LONGEST_ANSWER: usize = 64 * 1024;
/// Reminders of one question.
pub const MOST_REMINDERS: usize = 10;
/// Steps of an escalation, and people of each.
pub const MOST_STEPS: usize = 5;
const MOST_AT_A_STEP: usize = 20;

/// What a message expects back, as it is kept with its promise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Which kind of answer.
    pub kind: Kind,
    /// What can be chosen.
    #[serde(default)]
    pub options: Vec<ChoiceOption>,
    /// The form to be filled in.
    #[serde(default)]
    pub schema: Option<Value>,
    /// Which answers settle it.
    pub settle: Settle,
    /// The value it is fulfilled with when nobody answers in time.
    #[serde(default)]
    pub on_expiry: Option<Value>,
    /// The addresses that are asked: those in `to`.
    #[serde(default)]
    pub asked: Vec<String>,
    /// When those who have not answered are reminded, in milliseconds after the sending.
    #[serde(default)]
    pub reminders: Vec<i64>,
    /// Who else is asked when nobody answers.
    #[serde(default)]
    pub escalate: Vec<Step>,
}

/// More people who are asked after a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Milliseconds after the sending.
    pub after: i64,
    /// Their addresses.
    pub to: Vec<String>,
}

/// Which kind of answer is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Words.
    Text,
    /// One of some options.
    Choice,
    /// What a JSON Schema describes.
    Form,
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
#[error("{}", errors.first().map_or("", |(_, detail)| detail))]
pub struct BadAnswer {
    /// JSON pointers within the answer, each with what is wrong there.
    pub errors: Vec<(String, String)>,
}

impl BadAnswer {
    /// Wrong in one place.
    pub fn at(pointer: &str, detail: impl Into<String>) -> Self {
        Self { errors: vec![(pointer.to_owned(), detail.into())] }
    }
}

fn bad<T>(pointer: impl Into<String>, detail: impl Into<String>) -> Result<T, BadAsk> {
    Err(BadAsk { pointer: pointer.into(), detail: detail.into() })
}

impl Ask {
    /// A choice between options, settled by the first answer.
    ///
    /// # Errors
    /// [`BadAsk`]: no or too many options, names that are not distinct, or an `on_expiry` that is none of them.
    pub fn choice(options: Vec<ChoiceOption>, on_expiry: Option<Value>) -> Result<Self, BadAsk> {
        Self::new(Kind::Choice, options, None, Settle::Any, on_expiry)
    }

    /// A question of any kind.
    ///
    /// # Errors
    /// [`BadAsk`]: which part makes no sense.
    pub fn new(
        kind: Kind,
        options: Vec<ChoiceOption>,
        schema: Option<Value>,
        settle: Settle,
        on_expiry: Option<Value>,
    ) -> Result<Self, BadAsk> {
        match kind {
            Kind::Choice => check_options(&options)?,
            _ if !options.is_empty() => return bad("/options", "Only a choice has options."),
            _ => {}
        }
        match (kind, &schema) {
            (Kind::Form, Some(schema)) => {
                form::check(schema)
                    .map_err(|(at, detail)| BadAsk { pointer: format!("/schema{at}"), detail })?;
            }
            (Kind::Form, None) => return bad("/schema", "A form needs a JSON Schema."),
            (_, Some(_)) => return bad("/schema", "Only a form has a schema."),
            (_, None) => {}
        }
        let mut ask = Self {
            kind,
            options,
            schema,
            settle,
            on_expiry: None,
            asked: Vec::new(),
            reminders: Vec::new(),
            escalate: Vec::new(),
        };
        ask.check_settle()?;
        if let Some(value) = on_expiry {
            let judged = ask.typed(&value, None, false);
            ask.on_expiry = Some(judged.map_err(|bad| {
                let (at, detail) = bad.errors.into_iter().next().unwrap_or_default();
                BadAsk { pointer: at.replacen("/value", "/on_expiry", 1), detail }
            })?);
        }
        Ok(ask)
    }

    /// The same, with reminders and an escalation; times are milliseconds after the sending.
    ///
    /// # Errors
    /// [`BadAsk`]: too many, or not after the sending and in order.
    pub fn chased(mut self, reminders: Vec<i64>, escalate: Vec<Step>) -> Result<Self, BadAsk> {
        if reminders.len() > MOST_REMINDERS {
            return bad("/reminders", format!("At most {MOST_REMINDERS}."));
        }
        let grows =
            |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]) && times.iter().all(|t| *t > 0);
        if !grows(&reminders) {
            return bad("/reminders", "Each later than the one before it, counted from the sending.");
        }
        if escalate.len() > MOST_STEPS {
            return bad("/escalate", format!("At most {MOST_STEPS} steps."));
        }
        if !grows(&escalate.iter().map(|step| step.after).collect::<Vec<_>>()) {
            return bad("/escalate", "Each later than the one before it, counted from the sending.");
        }
        for (n, step) in escalate.iter().enumerate() {
            if step.to.is_empty() || step.to.len() > MOST_AT_A_STEP {
                return bad(format!("/escalate/{n}/to"), format!("1 to {MOST_AT_A_STEP} addresses."));
            }
        }
        (self.reminders, self.escalate) = (reminders, escalate);
        Ok(self)
    }

    fn check_settle(&self) -> Result<(), BadAsk> {
        let enough = |quorum: u32| {
            if (1..=1000).contains(&quorum) {
                Ok(())
            } else {
                bad("/settle/quorum", "A number from 1 to 1000.")
            }
        };
        match &self.settle {
            Settle::Any | Settle::All => Ok(()),
            Settle::Quorum { quorum } => enough(*quorum),
            Settle::Veto { veto, quorum } => {
                if self.option(veto).is_none() {
                    return bad("/settle/veto", format!("There is no option \"{veto}\"."));
                }
                enough(*quorum)
            }
        }
    }

    /// The option of this name.
    pub fn option(&self, name: &str) -> Option<&ChoiceOption> {
        self.options.iter().find(|option| option.name == name)
    }

    /// The typed value of an answer, as it is kept and told: `{"choice", "comment"}`, the text, or the form.
    ///
    /// # Errors
    /// [`BadAnswer`]: why it does not fit.
    pub fn judge(&self, value: &Value, comment: Option<&str>) -> Result<Value, BadAnswer> {
        self.typed(value, comment, true)
    }

    fn typed(&self, value: &Value, comment: Option<&str>, strict: bool) -> Result<Value, BadAnswer> {
        if comment.is_some_and(|comment| comment.len() > LONGEST_COMMENT) {
            return Err(BadAnswer::at("/comment", format!("At most {LONGEST_COMMENT} octets.")));
        }
        match self.kind {
            Kind::Choice => self.choose(value, comment, strict),
            Kind::Text => match value.as_str().map(str::trim) {
                Some(text) if !text.is_empty() && text.len() <= LONGEST_ANSWER && !text.contains('\0') => {
                    Ok(json!(text))
                }
                _ => Err(BadAnswer::at("/value", format!("A text of 1 to {LONGEST_ANSWER} octets."))),
            },
            Kind::Form => {
                if value.to_string().len() > LONGEST_ANSWER {
                    return Err(BadAnswer::at("/value", format!("At most {LONGEST_ANSWER} octets.")));
                }
                let schema = self.schema.as_ref().unwrap_or(&Value::Bool(true));
                let errors = form::errors(schema, value);
                if errors.is_empty() {
                    return Ok(value.clone());
                }
                let errors = errors.into_iter().map(|(at, why)| (format!("/value{at}"), why));
                Err(BadAnswer { errors: errors.collect() })
            }
        }
    }

    fn choose(&self, value: &Value, comment: Option<&str>, strict: bool) -> Result<Value, BadAnswer> {
        let names = || self.options.iter().map(|option| option.name.as_str()).collect::<Vec<_>>().join(", ");
        let Some((name, inner)) = read(value) else {
            let detail = format!("Must be one of: {}; or {{\"choice\": one of them}}.", names());
            return Err(BadAnswer::at("/value", detail));
        };
        let comment = comment.or(inner.as_deref()).map(str::trim).filter(|comment| !comment.is_empty());
        let Some(option) = self.option(&name) else {
            let detail = format!("There is no option \"{name}\". The options are: {}.", names());
            return Err(BadAnswer::at("/value", detail));
        };
        match (option.comment, comment) {
            (Some(Comment::Required), None) if strict => {
                Err(BadAnswer::at("/comment", format!("\"{}\" needs a comment.", option.title)))
            }
            (_, Some(comment)) if comment.len() > LONGEST_COMMENT => {
                Err(BadAnswer::at("/comment", format!("At most {LONGEST_COMMENT} octets.")))
            }
            _ => Ok(json!({ "choice": name, "comment": comment })),
        }
    }
}

fn check_options(options: &[ChoiceOption]) -> Result<(), BadAsk> {
    if options.is_empty() || options.len() > MOST_OPTIONS {
        return bad("/options", format!("A choice has 1 to {MOST_OPTIONS} options."));
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
    Ok(())
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

    fn pointer(judged: &Result<Value, BadAnswer>) -> &str {
        &judged.as_ref().unwrap_err().errors[0].0
    }

    #[test]
    fn an_answer_is_one_of_the_options() {
        let typed = json!({ "choice": "approve", "comment": null });
        assert_eq!(ask().judge(&json!("approve"), None), Ok(typed.clone()));
        assert_eq!(ask().judge(&json!({ "choice": "approve" }), Some("  ")), Ok(typed));
        for wrong in [json!("Approve"), json!({ "choice": "approve", "x": 1 }), json!(["approve"])] {
            assert_eq!(pointer(&ask().judge(&wrong, None)), "/value");
        }
    }

    #[test]
    fn a_required_comment_is_required() {
        assert_eq!(pointer(&ask().judge(&json!("reject"), None)), "/comment");
        let typed = ask().judge(&json!("reject"), Some("too late"));
        assert_eq!(typed, Ok(json!({ "choice": "reject", "comment": "too late" })));
        let long = "x".repeat(LONGEST_COMMENT + 1);
        assert_eq!(pointer(&ask().judge(&json!("reject"), Some(&long))), "/comment");
    }

    #[test]
    fn a_text_is_a_text_and_a_form_is_as_its_schema_says() {
        let text = Ask::new(Kind::Text, vec![], None, Settle::All, Some(json!("nothing"))).unwrap();
        assert_eq!(text.judge(&json!(" tomorrow "), None), Ok(json!("tomorrow")));
        for wrong in [json!(""), json!(1), json!("x".repeat(LONGEST_ANSWER + 1)), json!("a\0b")] {
            assert_eq!(pointer(&text.judge(&wrong, None)), "/value");
        }
        let schema =
            json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
        let form = Ask::new(Kind::Form, vec![], Some(schema), Settle::Any, None).unwrap();
        assert_eq!(form.judge(&json!({ "n": 3 }), Some("so")), Ok(json!({ "n": 3 })));
        assert_eq!(pointer(&form.judge(&json!({ "n": "three" }), None)), "/value/n");
        assert_eq!(pointer(&form.judge(&json!({}), None)), "/value");
    }

    #[test]
    fn an_ask_says_what_is_wrong_with_it() {
        let choice = |options, on_expiry| Ask::choice(options, on_expiry).unwrap_err().pointer;
        assert_eq!(choice(vec![], None), "/options");
        let many = (0..=MOST_OPTIONS).map(|n| option(&n.to_string(), None)).collect();
        assert_eq!(choice(many, None), "/options");
        assert_eq!(choice(vec![option("a", None), option("a", None)], None), "/options/1/name");
        assert_eq!(choice(vec![option("a\nb", None)], None), "/options/0/name");
        assert_eq!(choice(vec![option("a", None)], Some(json!("b"))), "/on_expiry");
        let ask = Ask::choice(vec![option("a", Some(Comment::Required))], Some(json!("a"))).unwrap();
        assert_eq!(ask.on_expiry, Some(json!({ "choice": "a", "comment": null })));
        let new = |kind, options, schema, settle, on_expiry| {
            Ask::new(kind, options, schema, settle, on_expiry).unwrap_err().pointer
        };
        assert_eq!(new(Kind::Text, vec![option("a", None)], None, Settle::Any, None), "/options");
        assert_eq!(new(Kind::Form, vec![], None, Settle::Any, None), "/schema");
        assert_eq!(new(Kind::Text, vec![], Some(json!({})), Settle::Any, None), "/schema");
        assert_eq!(
            new(Kind::Form, vec![], Some(json!({ "type": "array" })), Settle::Any, None),
            "/schema/type"
        );
        let form = json!({ "type": "object", "required": ["n"] });
        assert_eq!(new(Kind::Form, vec![], Some(form), Settle::Any, Some(json!({}))), "/on_expiry");
        let veto = Settle::Veto { veto: "b".into(), quorum: 2 };
        assert_eq!(new(Kind::Choice, vec![option("a", None)], None, veto, None), "/settle/veto");
        let none = Settle::Quorum { quorum: 0 };
        assert_eq!(new(Kind::Choice, vec![option("a", None)], None, none, None), "/settle/quorum");
    }

    #[test]
    fn reminders_and_steps_are_bounded_and_in_order() {
        let ask = || Ask::choice(vec![option("a", None)], None).unwrap();
        let step = |after| Step { after, to: vec!["x@x.test".into()] };
        ask().chased((1..=MOST_REMINDERS as i64).collect(), vec![step(1), step(2)]).unwrap();
        for (reminders, escalate, at) in [
            ((1..=MOST_REMINDERS as i64 + 1).collect(), vec![], "/reminders"),
            (vec![2, 1], vec![], "/reminders"),
            (vec![0], vec![], "/reminders"),
            (vec![], (1..=MOST_STEPS as i64 + 1).map(step).collect(), "/escalate"),
            (vec![], vec![step(2), step(2)], "/escalate"),
            (vec![], vec![Step { after: 1, to: vec![] }], "/escalate/0/to"),
            (vec![], vec![Step { after: 1, to: vec!["x@x.test".into(); 21] }], "/escalate/0/to"),
        ] {
            assert_eq!(ask().chased(reminders, escalate).unwrap_err().pointer, at);
        }
    }
}
