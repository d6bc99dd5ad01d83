//! Passwords: argon2id with its default parameters, off the async threads and at most two at once, so that a
//! crowd signing in slows nobody who sends mail.

use std::sync::Arc;
use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Fewest characters (NIST SP 800-63B).
pub const SHORTEST: usize = 8;
/// Most octets that are hashed.
pub const LONGEST: usize = 1024;
/// Computations at once.
const AT_ONCE: usize = 2;
/// Callers that may wait for their turn: three seconds' worth.
const WAITING: usize = 200;

/// Why a password could not be looked at, or will not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many are signing in: ask again.
    #[error("too many are signing in at once")]
    Busy,
    /// Fewer than [`SHORTEST`] characters, or more than [`LONGEST`] octets.
    #[error("a password has 8 to 1024 characters")]
    Length,
    /// The stored form cannot be read, or there is no memory for the computation.
    #[error("the password cannot be computed: {0}")]
    Failed(String),
}

/// The computations of one process; clones share their places.
#[derive(Clone)]
pub struct Passwords {
    work: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { work: Arc::new(Semaphore::new(AT_ONCE)), queue: Arc::new(Semaphore::new(WAITING)) }
    }
}

impl Passwords {
    /// The form that is stored (PHC).
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Busy`].
    pub async fn hash(&self, password: String) -> Result<String, Error> {
        if password.chars().count() < SHORTEST || password.len() > LONGEST {
            return Err(Error::Length);
        }
        self.run(move || hash(&password)).await?
    }

    /// Whether this is the password. Without a stored form the work is done all the same, so that the time
    /// does not tell whether an account exists.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        if password.len() > LONGEST {
            return Ok(false);
        }
        self.run(move || {
            static NOBODYS: OnceLock<Option<String>> = OnceLock::new();
            let nobody = NOBODYS.get_or_init(|| hash("nobody has this password").ok());
            let phc = stored.as_ref().or(nobody.as_ref()).ok_or_else(|| Error::Failed("no memory".into()))?;
            let parsed = PasswordHash::new(phc).map_err(|e| Error::Failed(e.to_string()))?;
            let right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
            Ok(right && stored.is_some())
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let waiting = self.queue.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let place = self.work.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        // Both are given back when the work ends, even if nobody waits for it any more.
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop((place, waiting));
            done
        })
        .await
        .map_err(|error| Error::Failed(error.to_string()))
    }
}

fn hash(password: &str) -> Result<String, Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|e| Error::Failed(e.to_string()))?;
    let hashed = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hashed.map(|phc| phc.to_string()).map_err(|e| Error::Failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_again_and_nobody_has_none() {
        let passwords = Passwords::default();
        let stored = passwords.hash(" long enough\u{e9} ".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        assert!(passwords.verify(" long enough\u{e9} ".into(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("long enough\u{e9}".into(), Some(stored.clone())).await.unwrap());
        assert!(!passwords.verify("x".repeat(1_000_000), Some(stored)).await.unwrap());
        assert!(!passwords.verify("nobody has this password".into(), None).await.unwrap());
        assert!(matches!(passwords.hash("seven77".into()).await, Err(Error::Length)));
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away_and_the_places_come_back() {
        let passwords = Passwords::default();
        let crowd = passwords.queue.clone().try_acquire_many_owned(WAITING as u32).unwrap();
        assert!(matches!(passwords.verify("x".into(), None).await, Err(Error::Busy)));
        drop(crowd);
        assert!(!passwords.verify("x".into(), None).await.unwrap());
        assert_eq!(passwords.queue.available_permits(), WAITING);
        assert_eq!(passwords.work.available_permits(), AT_ONCE);
    }
}
