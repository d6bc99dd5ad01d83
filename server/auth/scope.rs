//! Scopes: what a credential may do.

use std::fmt;
use std::str::FromStr;

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Sends, replies, forwards, uploads, cancels.
    Send,
    /// Reads messages, threads, mailboxes, deliveries, promises and events.
    Read,
    /// Changes flags, moves, deletes; makes and removes mailboxes.
    Write,
    /// Answers questions in the account's name.
    Answer,
    /// Tokens, forwarding, password.
    Manage,
    /// Every account of this server.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Send, Self::Read, Self::Write, Self::Answer, Self::Manage, Self::Admin];

    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "messages:send",
            Self::Read => "messages:read",
            Self::Write => "messages:write",
            Self::Answer => "promises:answer",
            Self::Manage => "account:manage",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no scope.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no scope {0:?}; the scopes are messages:send messages:read messages:write promises:answer account:manage admin"
)]
pub struct UnknownScope(pub String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let shown: String = text.chars().take(40).collect();
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownScope(shown))
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// What an account may do when it signs in.
    #[must_use]
    pub fn of_account(admin: bool) -> Self {
        let all: Self = Scope::ALL.into_iter().collect();
        if admin { all } else { all.without(Scope::Admin) }
    }

    /// What a token may do that was made without naming scopes: all its account may, but a service answers
    /// questions only when that was asked for.
    #[must_use]
    pub fn of_token(admin: bool, service: bool) -> Self {
        let all = Self::of_account(admin);
        if service { all.without(Scope::Answer) } else { all }
    }

    /// Reads what [`Display`](fmt::Display) writes; a scope this version does not know permits nothing.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        text.split_whitespace().filter_map(|scope| scope.parse().ok()).collect()
    }

    /// Whether the set has this one.
    #[must_use]
    pub fn has(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// Whether all of these are also in `other`.
    #[must_use]
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn without(self, scope: Scope) -> Self {
        Self(self.0 & !(1 << scope as u8))
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | 1 << scope as u8))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if n == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_and_read_back() {
        let all = Scopes::of_account(true);
        assert_eq!(Scopes::stored(&all.to_string()), all);
        assert!(!Scopes::of_account(false).has(Scope::Admin));
        assert!(!Scopes::of_token(true, true).has(Scope::Answer));
        assert!(Scopes::of_token(false, true).within(Scopes::of_account(false)));
        assert!(!Scopes::of_account(true).within(Scopes::of_account(false)));
        assert_eq!(Scopes::stored("messages:read messages:fly").to_string(), "messages:read");
        assert!("Admin".parse::<Scope>().is_err());
    }
}
