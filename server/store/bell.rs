//! The bell: tells those who wait that it is worth looking again.
//!
//! Register first, look, then wait: what is rung between the look and the wait is not lost. A slow poll is the
//! net under it. On PostgreSQL the bell is also carried between nodes by `LISTEN/NOTIFY`, sent at most once per
//! few milliseconds and outside the transactions it tells of, because a `notify` inside a transaction makes
//! commits wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Executor as _, PgPool};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::nodes::{self, Nodes};

/// What somebody may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// Something may be due in the queue.
    Queue,
    /// An account's log has grown.
    Account(Uuid),
    /// Some account's log has grown: heard whenever an account is rung.
    Logs,
    /// A promise has been settled, or answered.
    Promise(Uuid),
}

const CHANNEL: &str = "restante_bell";
/// Rings gathered for the other nodes before one is sent.
const GATHER: Duration = Duration::from_millis(5);
/// A NOTIFY payload is under 8,000 bytes; a topic takes 34.
const PER_NOTIFY: usize = 200;
/// Topics that may wait to be told to other nodes; beyond it the poll is what tells them.
const WAITING: usize = 10_000;
/// After so long without a word the connection that listens is asked whether it still is one: a network that drops
/// packets closes nothing.
const SILENCE: Duration = Duration::from_secs(5);
/// How long it may take to answer, and to be made.
const ANSWER: Duration = Duration::from_secs(5);

/// Rings topics; clones share it.
#[derive(Clone, Default)]
pub struct Bell {
    ears: Arc<Mutex<HashMap<Topic, watch::Sender<()>>>>,
    abroad: Option<mpsc::Sender<Topic>>,
}

/// One who listens to a topic.
pub struct Ear {
    bell: Bell,
    topic: Topic,
    heard: Option<watch::Receiver<()>>,
}

impl Bell {
    /// A bell that is also heard on every node of this PostgreSQL database.
    pub(crate) fn across(pool: &PgPool, options: PgConnectOptions, nodes: Nodes) -> Self {
        let (abroad, waiting) = mpsc::channel(WAITING);
        let bell = Self { abroad: Some(abroad), ..Self::default() };
        tokio::spawn(send(pool.clone(), waiting));
        let here = Self { abroad: None, ears: bell.ears.clone() };
        tokio::spawn(receive(pool.clone(), options, here, nodes));
        bell
    }

    /// Registers; only what is rung from now on is heard.
    pub fn listen(&self, topic: Topic) -> Ear {
        let mut ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = ears.entry(topic).or_insert_with(|| watch::channel(()).0).subscribe();
        Ear { bell: self.clone(), topic, heard: Some(heard) }
    }

    /// How many listen to a topic.
    pub fn listeners(&self, topic: Topic) -> usize {
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        ears.get(&topic).map_or(0, watch::Sender::receiver_count)
    }

    /// Rings what a unit has changed, here and on the other nodes.
    pub(crate) fn ring(&self, topics: Vec<Topic>) {
        for topic in topics {
            self.here(topic);
            if let Some(abroad) = &self.abroad {
                // Full: the other nodes' poll finds it.
                let _ = abroad.try_send(topic);
            }
        }
    }

    fn here(&self, topic: Topic) {
        let ears = self.ears.lock().unwrap_or_else(PoisonError::into_inner);
        let also = matches!(topic, Topic::Account(_)).then_some(Topic::Logs);
        for ear in [Some(topic), also].iter().flatten().filter_map(|topic| ears.get(topic)) {
            let _ = ear.send(());
        }
    }

    fn everything(&self) {
        for ear in self.ears.lock().unwrap_or_else(PoisonError::into_inner).values() {
            let _ = ear.send(());
        }
    }
}

impl Ear {
    /// Returns when the topic was rung since the last call (or since it was registered), or after `most`.
    pub async fn wait(&mut self, most: Duration) {
        if let Some(heard) = &mut self.heard {
            let _ = tokio::time::timeout(most, heard.changed()).await;
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut ears = self.bell.ears.lock().unwrap_or_else(PoisonError::into_inner);
        self.heard = None;
        if ears.get(&self.topic).is_some_and(|ear| ear.receiver_count() == 0) {
            ears.remove(&self.topic);
        }
    }
}

impl Topic {
    fn write(self, out: &mut String) {
        let (kind, id) = match self {
            Topic::Queue => ('q', Uuid::nil()),
            Topic::Logs => ('l', Uuid::nil()),
            Topic::Account(id) => ('a', id),
            Topic::Promise(id) => ('p', id),
        };
        out.push(kind);
        out.push_str(&id.simple().to_string());
        out.push(' ');
    }

    fn read(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text.get(1..)?).ok()?;
        match text.as_bytes()[0] {
            b'q' => Some(Topic::Queue),
            b'l' => Some(Topic::Logs),
            b'a' => Some(Topic::Account(id)),
            b'p' => Some(Topic::Promise(id)),
            _ => None,
        }
    }
}

async fn send(pool: PgPool, mut waiting: mpsc::Receiver<Topic>) {
    let mut topics = Vec::new();
    while waiting.recv_many(&mut topics, PER_NOTIFY).await > 0 {
        tokio::time::sleep(GATHER).await;
        while topics.len() < PER_NOTIFY
            && let Ok(more) = waiting.try_recv()
        {
            if !topics.contains(&more) {
                topics.push(more);
            }
        }
        let mut payload = String::new();
        topics.drain(..).for_each(|topic| topic.write(&mut payload));
        let told = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(payload).execute(&pool).await;
        if let Err(error) = told {
            if pool.is_closed() {
                return;
            }
            tracing::warn!(%error, "other nodes were not told; their poll will find it");
        }
    }
}

/// Listens until the pool is closed, again and again where the connection is lost.
async fn receive(pool: PgPool, options: PgConnectOptions, bell: Bell, nodes: Nodes) {
    while !pool.is_closed() {
        // A pool of its own, because one that is lost without a word keeps its place for long.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER);
        let own = own.connect_lazy_with(options.clone().application_name("restante bell"));
        if let Ok(mut listener) = PgListener::connect_with(&own).await
            && listener.listen_all([CHANNEL, nodes::CHANNEL]).await.is_ok()
        {
            // What was rung while nobody listened is not known: everyone looks again.
            bell.everything();
            while !pool.is_closed() {
                match tokio::time::timeout(SILENCE, listener.try_recv()).await {
                    Ok(Ok(Some(note))) if note.channel() == CHANNEL => {
                        note.payload()
                            .split_whitespace()
                            .filter_map(Topic::read)
                            .for_each(|topic| bell.here(topic));
                    }
                    Ok(Ok(Some(note))) => nodes.hear(note.payload()),
                    Ok(_) => break,
                    Err(_) => match tokio::time::timeout(ANSWER, listener.execute("select 1")).await {
                        Ok(Ok(_)) => {}
                        _ => break,
                    },
                }
            }
        }
        if !pool.is_closed() {
            tracing::warn!("other nodes cannot be heard; until they can, a slow poll finds what they write");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_rung_between_the_look_and_the_wait_is_heard() {
        let bell = Bell::default();
        let id = Uuid::from_u128(7);
        let mut ear = bell.listen(Topic::Account(id));
        bell.ring(vec![Topic::Account(id)]);
        let long = Duration::from_secs(3600);
        tokio::time::timeout(Duration::from_secs(5), ear.wait(long)).await.unwrap();
        drop(ear);
        assert!(bell.ears.lock().unwrap().is_empty());
    }

    #[test]
    fn topics_survive_the_wire() {
        let id = Uuid::from_u128(7);
        for topic in [Topic::Queue, Topic::Account(id), Topic::Promise(id)] {
            let mut text = String::new();
            topic.write(&mut text);
            assert_eq!(Topic::read(text.trim()), Some(topic));
        }
        assert_eq!(Topic::read("x"), None);
    }
}
