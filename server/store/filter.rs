//! What a list of emails or threads shows: the API's parameters as conditions of a statement.

use uuid::Uuid;

use super::db::Statement;
use crate::mail::query::{Query, Test};

/// What a list shows; every part narrows it.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "the parameters of the list, as in the API")]
pub struct Filter {
    pub mailbox: Option<Uuid>,
    pub seen: Option<bool>,
    pub flagged: Option<bool>,
    pub has_attachment: Option<bool>,
    /// Part of the sender's name or address.
    pub from: Option<String>,
    /// Part of a recipient's name or address.
    pub to: Option<String>,
    /// Part of the subject.
    pub subject: Option<String>,
    pub keyword: Option<String>,
    pub thread: Option<Uuid>,
    /// Received at or after, in milliseconds.
    pub after: Option<i64>,
    /// Received before, in milliseconds.
    pub before: Option<i64>,
    /// What the whole text must match.
    pub query: Option<Query>,
}

/// Appends a filter's conditions on the email of this name in a statement.
macro_rules! narrow {
    ($(#[$doc:meta])* $name:ident, $e:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(&self, mut statement: Statement) -> Statement {
            if let Some(mailbox) = self.mailbox {
                statement = statement.push(concat!(" and ", $e, ".mailbox_id = ")).push_bind(mailbox);
            }
            // Written out, not bound, so that the partial indexes are used.
            let marks = [
                (self.seen, concat!(" and ", $e, ".seen"), concat!(" and not ", $e, ".seen")),
                (self.flagged, concat!(" and ", $e, ".flagged"), concat!(" and not ", $e, ".flagged")),
                (
                    self.has_attachment,
                    concat!(" and ", $e, ".has_attachment"),
                    concat!(" and not ", $e, ".has_attachment"),
                ),
            ];
            for (wanted, yes, no) in marks {
                if let Some(wanted) = wanted {
                    statement = statement.push(if wanted { yes } else { no });
                }
            }
            let parts = [
                (
                    &self.from,
                    concat!(
                        " and lower(coalesce(", $e, ".from_name, '') || ' ' || coalesce(", $e, ".from_address, '')) like "
                    ),
                ),
                (&self.to, concat!(" and lower(", $e, ".recipients) like ")),
                (&self.subject, concat!(" and lower(", $e, ".subject) like ")),
            ];
            for (part, field) in parts {
                if let Some(part) = part {
                    statement = statement.push(field).push_bind(contains(part)).push(" escape '\\'");
                }
            }
            let keyword = concat!(
                "exists (select 1 from email_keyword w where w.account_id = ", $e,
                ".account_id and w.email_id = ", $e, ".id and w.keyword = "
            );
            if let Some(wanted) = &self.keyword {
                statement = statement.push(" and ").push(keyword).push_bind(wanted).push(")");
            }
            if let Some(thread) = self.thread {
                statement = statement.push(concat!(" and ", $e, ".thread_id = ")).push_bind(thread);
            }
            if let Some(after) = self.after {
                statement = statement.push(concat!(" and ", $e, ".received_at >= ")).push_bind(after);
            }
            if let Some(before) = self.before {
                statement = statement.push(concat!(" and ", $e, ".received_at < ")).push_bind(before);
            }
            for term in self.query.iter().flat_map(Query::terms) {
                if matches!(term.test, Test::Words { .. }) {
                    continue;
                }
                statement = statement.push(if term.not { " and not " } else { " and " });
                statement = match &term.test {
                    Test::Words { .. } => statement,
                    Test::Seen(true) => statement.push(concat!($e, ".seen")),
                    Test::Seen(false) => statement.push(concat!("(not ", $e, ".seen)")),
                    Test::Flagged(true) => statement.push(concat!($e, ".flagged")),
                    Test::Flagged(false) => statement.push(concat!("(not ", $e, ".flagged)")),
                    Test::Attachment => statement.push(concat!($e, ".has_attachment")),
                    Test::After(at) => statement.push(concat!("(", $e, ".received_at >= ")).push_bind(*at).push(")"),
                    Test::Before(at) => statement.push(concat!("(", $e, ".received_at < ")).push_bind(*at).push(")"),
                    Test::Label(label) => statement.push(keyword).push_bind(label).push(")"),
                    Test::In(name) => statement
                        .push(concat!(
                            "exists (select 1 from mailbox b where b.account_id = ", $e,
                            ".account_id and b.id = ", $e, ".mailbox_id and (b.role = "
                        ))
                        .push_bind(name.to_lowercase())
                        .push(" or b.name = ")
                        .push_bind(name)
                        .push("))"),
                };
            }
            statement
        }
    };
}

impl Filter {
    narrow! {
        /// Appends the conditions to a statement whose email is `e`; words of the query are not among them.
        narrow, "e"
    }
    narrow! {
        /// The same for an email `n` beside `e`.
        narrow_newer, "n"
    }

    /// The query, if it asks for words.
    pub(crate) fn words(&self) -> Option<&Query> {
        self.query.as_ref().filter(|query| query.has_words())
    }
}

/// A `like` pattern for "contains", lower-cased; what is special in a pattern is taken literally.
fn contains(part: &str) -> String {
    let part = part.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{part}%")
}
