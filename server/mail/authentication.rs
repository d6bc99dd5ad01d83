//! What SPF (RFC 7208), DKIM (RFC 6376) and DMARC (RFC 9989) say of a message that came from outside. The results are
//! called as in RFC 8601 §2.7: `pass`, `fail`, `softfail`, `neutral`, `temperror`, `permerror`, `none`.

use serde::{Deserialize, Serialize};

/// The evidence of one message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Authentication {
    /// Whether the host may send for the domain of the reverse-path.
    pub spf: Spf,
    /// Its signatures, the first ten.
    pub dkim: Vec<Dkim>,
    /// Whether one of both stands for the domain of From.
    pub dmarc: Dmarc,
}

/// SPF.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spf {
    /// The result.
    pub result: String,
    /// The domain of the reverse-path; of the null one, the greeting's.
    pub domain: String,
}

/// One DKIM signature.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dkim {
    /// The result.
    pub result: String,
    /// The domain that signed.
    pub domain: String,
    /// The name of its key.
    pub selector: String,
}

/// DMARC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dmarc {
    /// The result: `pass` when SPF or DKIM passed for the domain of From, `none` when that publishes nothing.
    pub result: String,
    /// The domain of From.
    pub domain: String,
    /// What that domain wants done with what fails: `none`, `quarantine` or `reject`.
    pub policy: Option<String>,
}

impl Authentication {
    /// Nothing could be found out in time.
    #[must_use]
    pub fn unknown(domain: &str) -> Self {
        let result = || "temperror".to_owned();
        Self {
            spf: Spf { result: result(), domain: String::new() },
            dkim: Vec::new(),
            dmarc: Dmarc { result: result(), domain: domain.to_owned(), policy: None },
        }
    }

    /// Whether the domain of From says that this is not from it and should not be read as if it were.
    #[must_use]
    pub fn is_disowned(&self) -> bool {
        let wants = self.dmarc.policy.as_deref();
        self.dmarc.result == "fail" && matches!(wants, Some("quarantine" | "reject"))
    }

    /// Whether From can be believed as far as its domain lets that be known: it passed, or the domain publishes nothing.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        matches!(self.dmarc.result.as_str(), "pass" | "none")
    }
}
