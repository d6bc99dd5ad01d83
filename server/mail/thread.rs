//! Which conversation a message belongs to, and how a reply names it (RFC 5322 §3.6.4).

use uuid::Uuid;

use super::id;

/// How many ids of each end of a long References are kept, besides the first.
const KEPT: usize = 50;

/// The key of a message's thread within an account: the first id of References, else In-Reply-To, else its own Message-ID.
///
/// Whichever message of a conversation comes first, the key is the same.
#[must_use]
pub fn key<'a>(message_id: &'a str, in_reply_to: Option<&'a str>, references: &'a [String]) -> &'a str {
    references.first().map(String::as_str).or(in_reply_to).unwrap_or(message_id)
}

/// The id of the thread with that key.
#[must_use]
pub fn id(account: Uuid, key: &str) -> Uuid {
    id::derived("thread", account, key.as_bytes())
}

/// The References of a reply, from what its parent has: the parent's References (or else its In-Reply-To) and its Message-ID.
///
/// Of very long ones the first, which names the thread, and the last 50 are kept.
#[must_use]
pub fn references(message_id: Option<&str>, in_reply_to: Option<&str>, references: &[String]) -> Vec<String> {
    let mut all: Vec<String> = references.to_vec();
    if all.is_empty() {
        all.extend(in_reply_to.map(str::to_owned));
    }
    if let Some(own) = message_id {
        all.retain(|id| id != own);
        all.push(own.to_owned());
    }
    if all.len() > KEPT + 1 {
        all.drain(1..all.len() - KEPT);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<usize>) -> Vec<String> {
        range.map(|n| format!("{n}@x")).collect()
    }

    #[test]
    fn every_message_of_a_conversation_has_the_same_key() {
        let first = "0@x".to_owned();
        assert_eq!(key(&first, None, &[]), "0@x");
        assert_eq!(key("1@x", Some("0@x"), &[]), "0@x");
        let to_first = references(Some("0@x"), None, &[]);
        assert_eq!(key("1@x", Some("0@x"), &to_first), "0@x");
        let to_second = references(Some("1@x"), Some("0@x"), &to_first);
        assert_eq!(to_second, ["0@x", "1@x"]);
        assert_eq!(references(Some("1@x"), Some("0@x"), &[]), ["0@x", "1@x"]);
        assert_eq!(id(Uuid::nil(), "0@x"), id(Uuid::nil(), "0@x"));
        assert_ne!(id(Uuid::nil(), "0@x"), id(Uuid::max(), "0@x"));
    }

    #[test]
    fn long_references_keep_the_first_and_the_last() {
        let long = references(Some("own@x"), None, &ids(0..200));
        assert_eq!(long.len(), 51);
        assert_eq!((long[0].as_str(), long[1].as_str(), long[50].as_str()), ("0@x", "151@x", "own@x"));
        assert_eq!(references(Some("own@x"), None, &ids(0..50)).len(), 51);
    }
}
