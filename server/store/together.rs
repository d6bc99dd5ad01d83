//! Looking up together: what is asked for while a look-up of the same kind runs is answered by the next one, in one
//! read. Every request begins with such a look-up, and a read costs by the call; nothing is kept, so no answer is older
//! than its question.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Result;

/// Keys of one read.
const MOST: usize = 64;

/// Look-ups of one kind; clones share it.
pub(crate) struct Together<K, V>(Arc<Mutex<Waiting<K, V>>>);

struct Waiting<K, V> {
    keys: Vec<(K, oneshot::Sender<Option<V>>)>,
    running: bool,
}

impl<K, V> Default for Together<K, V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting { keys: Vec::new(), running: false })))
    }
}

impl<K, V> Clone for Together<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Together<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    /// What `look` finds under the key; none if it failed, and the caller should look by itself and see why.
    pub(crate) async fn find<L>(&self, key: K, look: L) -> Option<Option<V>>
    where
        L: AsyncRead<K, V>,
    {
        let (caller, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.lock();
            waiting.keys.push((key, caller));
            !std::mem::replace(&mut waiting.running, true)
        };
        if first {
            tokio::spawn(Round(self.clone()).run(look));
        }
        answer.await.ok()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what is there of these keys, in one call.
pub(crate) trait AsyncRead<K, V>: Send + 'static {
    /// What is there.
    fn read(&self, keys: Vec<K>) -> impl Future<Output = Result<HashMap<K, V>>> + Send;
}

/// Looks up until nobody waits. However it ends, whoever still waits is let go.
struct Round<K, V>(Together<K, V>)
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + 'static;

impl<K, V> Round<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    async fn run(self, look: impl AsyncRead<K, V>) {
        loop {
            let batch = {
                let mut waiting = self.0.lock();
                let count = waiting.keys.len().min(MOST);
                if count == 0 {
                    waiting.running = false;
                    return;
                }
                waiting.keys.drain(..count).collect::<Vec<_>>()
            };
            let mut keys: Vec<K> = Vec::with_capacity(batch.len());
            for (key, _) in &batch {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
            let Ok(found) = look.read(keys).await else { continue };
            for (key, caller) in batch {
                let _ = caller.send(found.get(&key).cloned()); // a caller that went away changes nothing
            }
        }
    }
}

impl<K, V> Drop for Round<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + 'static,
{
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        // Still running: it was cut off, by a panic or by the end of its runtime.
        if std::mem::replace(&mut waiting.running, false) && !waiting.keys.is_empty() {
            waiting.keys.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::store::Error;

    #[derive(Clone)]
    struct Counted {
        reads: Arc<AtomicUsize>,
        gate: Arc<Semaphore>,
        fails: bool,
    }

    impl AsyncRead<u32, u32> for Counted {
        async fn read(&self, keys: Vec<u32>) -> Result<HashMap<u32, u32>> {
            assert!(keys.len() <= MOST);
            self.gate.acquire().await.unwrap().forget();
            self.reads.fetch_add(1, Ordering::SeqCst);
            assert!(!keys.contains(&1000), "as asked for");
            if self.fails {
                return Err(Error::Busy);
            }
            Ok(keys.into_iter().filter(|key| key.is_multiple_of(2)).map(|key| (key, key * 10)).collect())
        }
    }

    fn counted(fails: bool) -> Counted {
        Counted { reads: Arc::default(), gate: Arc::new(Semaphore::new(0)), fails }
    }

    #[tokio::test]
    async fn what_waits_is_read_at_once_and_in_bounded_numbers() {
        let (together, look) = (Together::default(), counted(false));
        let asked = join_all((0..150).map(|key| together.find(key % 100, look.clone())));
        let gate = async {
            tokio::task::yield_now().await;
            look.gate.add_permits(100);
        };
        let (found, ()) = tokio::join!(asked, gate);
        for (n, found) in found.into_iter().enumerate() {
            let key = n as u32 % 100;
            assert_eq!(found, Some(key.is_multiple_of(2).then_some(key * 10)));
        }
        assert!(look.reads.load(Ordering::SeqCst) <= 4);
    }

    #[tokio::test]
    async fn whoever_waits_is_let_go_when_the_read_fails_or_panics() {
        let (together, failing) = (Together::default(), counted(true));
        failing.gate.add_permits(100);
        assert_eq!(together.find(2, failing).await, None);
        let look = counted(false);
        look.gate.add_permits(100);
        assert_eq!(together.find(1000, look.clone()).await, None);
        assert_eq!(together.find(4, look).await, Some(Some(40)));
    }
}
