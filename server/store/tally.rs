//! Which answers settle a question, as arithmetic: nothing here knows of a database.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Which answers settle a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// The first one.
    Any,
    /// One of everybody who is asked.
    All,
    /// One certain choice at once, else so many equal ones.
    #[serde(untagged)]
    Veto {
        /// The choice that settles at once.
        veto: String,
        /// How many of another.
        quorum: u32,
    },
    /// So many; of a choice, so many equal ones.
    #[serde(untagged)]
    Quorum {
        /// How many.
        quorum: u32,
    },
}

/// What of a kept question decides when it is settled.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Rule {
    #[serde(default)]
    kind: String,
    #[serde(default = "any")]
    settle: Settle,
    #[serde(default)]
    pub(crate) on_expiry: Option<Json>,
}

fn any() -> Settle {
    Settle::Any
}

impl Default for Rule {
    fn default() -> Self {
        Self { kind: String::new(), settle: Settle::Any, on_expiry: None }
    }
}

/// Where a question stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Who answered, and what, in the order of the answers; nobody twice.
    pub(crate) answers: Vec<(String, Json)>,
    /// People who may still answer.
    pub(crate) waiting: i64,
    /// People who declined.
    pub(crate) declined: i64,
}

/// What follows from where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It is still open.
    Open,
    /// It is answered, with this value.
    Fulfilled(Json),
    /// It can no longer be answered.
    Rejected {
        /// `declined` or `undeliverable`.
        code: &'static str,
        /// In words, where the code alone would mislead.
        detail: Option<String>,
    },
}

impl Rule {
    /// Reads it out of a question as it is kept.
    pub(crate) fn of(ask: Option<&str>) -> Self {
        ask.and_then(|ask| serde_json::from_str(ask).ok()).unwrap_or_default()
    }

    /// Judges where a question stands.
    pub(crate) fn judge(&self, tally: &Tally) -> Verdict {
        match &self.settle {
            Settle::Any => match tally.answers.first() {
                Some((_, value)) => Verdict::Fulfilled(value.clone()),
                None if tally.waiting == 0 => rejected(tally, None),
                None => Verdict::Open,
            },
            Settle::All if tally.waiting > 0 => Verdict::Open,
            Settle::All if tally.answers.is_empty() => rejected(tally, None),
            Settle::All => Verdict::Fulfilled(everybody(&tally.answers)),
            Settle::Quorum { quorum } => self.quorum(tally, *quorum),
            Settle::Veto { veto, quorum } => {
                let against = tally.answers.iter().find(|(_, value)| choice(value) == Some(veto));
                match against {
                    Some((_, value)) => Verdict::Fulfilled(value.clone()),
                    None => self.quorum(tally, *quorum),
                }
            }
        }
    }

    fn quorum(&self, tally: &Tally, quorum: u32) -> Verdict {
        let needed = usize::try_from(quorum.max(1)).unwrap_or(usize::MAX);
        let waiting = usize::try_from(tally.waiting).unwrap_or(0);
        if self.kind != "choice" {
            return if tally.answers.len() >= needed {
                Verdict::Fulfilled(everybody(&tally.answers[..needed]))
            } else if tally.answers.len() + waiting < needed {
                rejected(tally, Some(format!("{needed} answers can no longer come together.")))
            } else {
                Verdict::Open
            };
        }
        let equal =
            |name: &str| tally.answers.iter().filter(|(_, value)| choice(value) == Some(name)).count();
        let mut most = 0;
        for (_, value) in &tally.answers {
            let Some(name) = choice(value) else { continue };
            let count = equal(name);
            if count >= needed {
                return Verdict::Fulfilled(json!({ "choice": name, "comment": null }));
            }
            most = most.max(count);
        }
        if most + waiting < needed {
            return rejected(tally, Some(format!("{needed} equal choices can no longer come together.")));
        }
        Verdict::Open
    }
}

fn choice(value: &Json) -> Option<&str> {
    value.get("choice").and_then(Json::as_str)
}

/// Everybody's answers, as the value of a question that needs several.
fn everybody(answers: &[(String, Json)]) -> Json {
    answers.iter().map(|(by, value)| json!({ "by": by, "value": value })).collect()
}

fn rejected(tally: &Tally, detail: Option<String>) -> Verdict {
    // Those who answered and did not agree have as good as declined.
    let nobody = tally.declined == 0 && tally.answers.is_empty();
    Verdict::Rejected { code: if nobody { "undeliverable" } else { "declined" }, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(settle: &Json, kind: &str) -> Rule {
        Rule::of(Some(&json!({ "kind": kind, "settle": settle }).to_string()))
    }

    fn tally(choices: &[&str], waiting: i64, declined: i64) -> Tally {
        let answer =
            |(n, name): (usize, &&str)| (format!("p{n}"), json!({ "choice": name, "comment": null }));
        Tally { answers: choices.iter().enumerate().map(answer).collect(), waiting, declined }
    }

    fn fulfilled(name: &str) -> Verdict {
        Verdict::Fulfilled(json!({ "choice": name, "comment": null }))
    }

    fn code(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Open => "open",
            Verdict::Fulfilled(_) => "fulfilled",
            Verdict::Rejected { code, .. } => code,
        }
    }

    #[test]
    fn each_rule_settles_when_it_is_met_or_can_no_longer_be() {
        let quorum = json!({ "quorum": 2 });
        let veto = json!({ "veto": "no", "quorum": 2 });
        for (settle, tally, expected) in [
            (json!("any"), tally(&[], 1, 1), "open"),
            (json!("any"), tally(&["yes"], 3, 0), "fulfilled"),
            (json!("any"), tally(&[], 0, 1), "declined"),
            (json!("any"), tally(&[], 0, 0), "undeliverable"),
            (json!("all"), tally(&["yes"], 1, 0), "open"),
            (json!("all"), tally(&["yes", "no"], 0, 1), "fulfilled"),
            (json!("all"), tally(&[], 0, 1), "declined"),
            (quorum.clone(), tally(&["yes", "no"], 1, 0), "open"),
            (quorum.clone(), tally(&["yes", "no", "yes"], 0, 0), "fulfilled"),
            (quorum.clone(), tally(&["yes", "no"], 0, 0), "declined"),
            (quorum.clone(), tally(&["yes"], 0, 0), "declined"),
            (quorum, tally(&[], 1, 0), "undeliverable"),
            (veto.clone(), tally(&["yes"], 1, 0), "open"),
            (veto.clone(), tally(&["yes", "no"], 1, 0), "fulfilled"),
            (veto, tally(&["yes", "yes"], 1, 0), "fulfilled"),
        ] {
            assert_eq!(code(&rule(&settle, "choice").judge(&tally)), expected, "{settle} {tally:?}");
        }
    }

    #[test]
    fn the_value_says_what_was_agreed() {
        let two = tally(&["yes", "no", "yes"], 0, 0);
        assert_eq!(rule(&json!({ "quorum": 2 }), "choice").judge(&two), fulfilled("yes"));
        assert_eq!(rule(&json!({ "veto": "no", "quorum": 2 }), "choice").judge(&two), fulfilled("no"));
        let text =
            Tally { answers: vec![("a".into(), json!("x")), ("b".into(), json!("y"))], ..Tally::default() };
        assert_eq!(
            rule(&json!({ "quorum": 2 }), "text").judge(&text),
            Verdict::Fulfilled(json!([{ "by": "a", "value": "x" }, { "by": "b", "value": "y" }]))
        );
        assert_eq!(rule(&json!("all"), "text").judge(&Tally { waiting: 1, ..text }), Verdict::Open);
        assert_eq!(Rule::of(Some("{\"kind\":\"choice\"}")).judge(&tally(&["x"], 0, 0)), fulfilled("x"));
    }

    #[test]
    fn a_rule_is_written_as_the_api_has_it() {
        for (rule, text) in [
            (Settle::Any, json!("any")),
            (Settle::All, json!("all")),
            (Settle::Quorum { quorum: 2 }, json!({ "quorum": 2 })),
            (Settle::Veto { veto: "no".into(), quorum: 2 }, json!({ "veto": "no", "quorum": 2 })),
        ] {
            assert_eq!(json!(rule), text);
            assert_eq!(serde_json::from_value::<Settle>(text).unwrap(), rule);
        }
    }
}
