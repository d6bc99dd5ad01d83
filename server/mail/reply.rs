//! What is new in a reply: the text without what it quotes.

/// A text without its quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct Stripped {
    /// What the sender wrote.
    pub text: String,
    /// How sure that is, 0.0 to 1.0.
    pub confidence: f32,
}

/// Takes quotes, their introductions and signatures out of a plain text body.
#[must_use]
pub fn strip(text: &str) -> Stripped {
    Stripped { text: text.to_owned(), confidence: 0.0 }
}
