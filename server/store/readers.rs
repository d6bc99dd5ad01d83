//! The connections that read. sqlx's own pool asks each one whether it is alive before it is lent and after it came
//! back, which makes one read three calls; these are just used, and a read whose connection turns out to be gone is
//! tried again on a new one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection};
use tokio::sync::Semaphore;

use super::{Error, Result};

/// How long a read waits for a connection, and a connection may take to be made.
const PATIENCE: Duration = Duration::from_secs(10);
/// A connection that was not used for so long is not trusted: what lies between may have forgotten it.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// A bounded number of connections, made when they are needed.
pub(crate) struct Readers<C: Connection> {
    options: C::Options,
    places: Semaphore,
    /// The one used last is used next.
    idle: Mutex<Vec<(C, Instant)>>,
}

impl<C: Connection> Readers<C> {
    pub(crate) fn new(options: C::Options, most: usize) -> Self {
        Self { options, places: Semaphore::new(most), idle: Mutex::default() }
    }

    /// Reads on one of the connections. One that failed, or whose read was given up half-way, is not used again.
    pub(crate) async fn read<T>(&self, read: impl AsyncFnOnce(&mut C) -> Result<T>) -> Result<T> {
        let place = tokio::time::timeout(PATIENCE, self.places.acquire()).await;
        let _place = place.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let idle = self.idle().pop().filter(|(_, used)| used.elapsed() < FRESH);
        let mut connection = match idle {
            Some((connection, _)) => connection,
            None => {
                let made = tokio::time::timeout(PATIENCE, self.options.connect()).await;
                made.map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??
            }
        };
        let read = read(&mut connection).await;
        match &read {
            // Others may have died with it: they are not asked one by one.
            Err(Error::Database(error)) if error.as_database_error().is_none() => self.idle().clear(),
            _ if self.places.is_closed() => {}
            _ => self.idle().push((connection, Instant::now())),
        }
        read
    }

    /// Lends no more, and closes those that are idle.
    pub(crate) async fn close(&self) {
        self.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for (connection, _) in idle {
            let _ = connection.close().await; // it is gone either way
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(C, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
