//! What is to happen to a question while nobody answers: as plans, which the worker's timer submits.

use crate::mail::clock;
use crate::store::promise::Whole;

/// What a timer of a promise is for; this is what its delivery names as its recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The deadline has come.
    Deadline,
    /// Those who have not answered are reminded.
    Remind,
    /// The people of this step are asked as well.
    Escalate(usize),
    /// This answer can no longer be taken back.
    Answer(uuid::Uuid),
}

impl Timer {
    /// As a delivery names it.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Timer::Deadline => "deadline".into(),
            Timer::Remind => "remind".into(),
            Timer::Escalate(step) => format!("escalate:{step}"),
            Timer::Answer(id) => format!("answer:{id}"),
        }
    }

    /// Reads what [`Timer::name`] gives; anything else is a deadline.
    #[must_use]
    pub fn read(name: &str) -> Self {
        match name.split_once(':') {
            None if name == "remind" => Timer::Remind,
            Some(("escalate", step)) => step.parse().map_or(Timer::Deadline, Timer::Escalate),
            Some(("answer", id)) => id.parse().map_or(Timer::Deadline, Timer::Answer),
            _ => Timer::Deadline,
        }
    }
}

/// A message to be sent about a question that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whom it goes to.
    pub to: Vec<String>,
    /// What stands before the subject of the question.
    pub prefix: &'static str,
    /// What stands before the text of the question.
    pub text: String,
}

fn until(deadline: Option<i64>) -> String {
    match deadline {
        Some(at) => format!(" It is open until {}.", clock::at(at).format("%a, %d %b %Y %H:%M UTC")),
        None => String::new(),
    }
}

/// Reminds those who have not answered; nothing if everybody has.
#[must_use]
pub fn reminder(question: &Whole) -> Option<Plan> {
    let waiting = question.respondents.iter().filter(|person| person.state == "waiting");
    let held = |id| question.answers.iter().any(|a| a.by_account == id && a.held_until.is_some());
    let to: Vec<String> = waiting.filter(|p| !held(p.person_id)).map(|p| p.address.clone()).collect();
    let text = format!("This question still waits for your answer.{}", until(question.row.deadline));
    (!to.is_empty()).then_some(Plan { to, prefix: "Reminder", text })
}

/// Asks more people; nothing if all of them are asked already.
#[must_use]
pub fn escalation(question: &Whole, to: &[String]) -> Option<Plan> {
    let asked: Vec<String> =
        question.respondents.iter().map(|person| person.address.to_lowercase()).collect();
    let to: Vec<String> = to.iter().filter(|to| !asked.contains(&to.to_lowercase())).cloned().collect();
    let first: Vec<&str> = question.respondents.iter().take(5).map(|p| p.address.as_str()).collect();
    let text = format!(
        "This question was put to {} and is not settled, so it is now put to you as well.{}",
        if first.is_empty() { "others".to_owned() } else { first.join(", ") },
        until(question.row.deadline)
    );
    (!to.is_empty()).then_some(Plan { to, prefix: "Escalated", text })
}

/// Asks somebody in the place of another.
#[must_use]
pub fn delegation(question: &Whole, by: &str, to: &str, comment: Option<&str>) -> Plan {
    let said = comment.map(|comment| format!("\n\n{by} says: {comment}")).unwrap_or_default();
    let text = format!("{by} was asked this and passes it on to you.{}{said}", until(question.row.deadline));
    Plan { to: vec![to.to_owned()], prefix: "Passed on", text }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn timers_are_read_as_they_are_named() {
        let id = Uuid::from_u128(7);
        for timer in [Timer::Deadline, Timer::Remind, Timer::Escalate(3), Timer::Answer(id)] {
            assert_eq!(Timer::read(&timer.name()), timer);
        }
        assert_eq!(Timer::read(""), Timer::Deadline);
    }
}
