//! How a question can be answered, as a block of a mail: a link for each option, or just a reply.

use crate::mail::clock;
use crate::mail::html;
use crate::promise::ask::{Ask, Kind};

/// The question of a mail, and the secret link of whom it goes to.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) ask: Ask,
    /// The page that answers it.
    pub(super) link: String,
    /// Milliseconds.
    pub(super) deadline: Option<i64>,
}

impl Asking {
    /// Each option's title and link.
    fn options(&self) -> Vec<(&str, String)> {
        let query = |name: &str| url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        let link = |name: &str| format!("{}?choice={}", self.link, query(name));
        self.ask.options.iter().map(|option| (option.title.as_str(), link(&option.name))).collect()
    }

    fn hint(&self) -> &'static str {
        match self.ask.kind {
            Kind::Choice => {
                "Or just reply, and begin with the option you choose; what you write after it goes along."
            }
            Kind::Text => "Just reply to this mail: what you write is the answer. Or answer here:",
            Kind::Form => "Fill it in here:",
        }
    }

    fn until(&self) -> String {
        match self.deadline {
            Some(at) => {
                format!("It can be answered until {}.", clock::at(at).format("%a, %d %b %Y %H:%M UTC"))
            }
            None => String::new(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if self.ask.kind == Kind::Choice {
            for (title, link) in self.options() {
                text.push_str(&format!("{title}:\n    {link}\n"));
            }
            text.push_str(&format!("\n{}\n", self.hint()));
        } else {
            text.push_str(&format!("{}\n    {}\n", self.hint(), self.link));
        }
        text + &self.until()
    }

    pub(super) fn html(&self) -> String {
        let style = "display: inline-block; padding: 8px 16px; margin: 4px 8px 4px 0; border: 1px solid #2a5db0; \
                     border-radius: 6px; color: #2a5db0; text-decoration: none";
        let button = |title: &str, link: &str| {
            format!("<a href=\"{}\" style=\"{style}\">{}</a>", html::escape(link), html::escape(title))
        };
        let hint = format!("<p style=\"color: #777; font-size: small\">{} {}</p>", self.hint(), self.until());
        if self.ask.kind == Kind::Choice {
            let buttons: String = self.options().iter().map(|(title, link)| button(title, link)).collect();
            format!("<p>{buttons}</p>\n{hint}\n")
        } else {
            format!("{hint}\n<p>{}</p>\n", button("Answer", &self.link))
        }
    }
}
