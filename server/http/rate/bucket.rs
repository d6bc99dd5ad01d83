//! Token buckets: one for each account and each address that is active, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;

use super::quota::Quota;

/// Buckets of one kind that are kept; whoever comes beyond that shares one with the others who did.
pub(super) const BUCKETS: usize = 100_000;
/// The least time between two looks for buckets that may go, in milliseconds.
const SWEEP: i64 = 1000;

/// What a bucket said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether the request may go on.
    pub admitted: bool,
    /// Requests at once, with a full bucket.
    pub limit: u32,
    /// Requests that may still be made now.
    pub remaining: u32,
    /// Milliseconds until the bucket is full again.
    pub reset: i64,
    /// Milliseconds until a request is admitted again; zero when this one was.
    pub wait: i64,
}

/// A level, in requests × the window's milliseconds, so that everything stays whole: a request takes the window
/// away, and each millisecond adds the count.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    level: i64,
    /// When that was, in milliseconds.
    at: i64,
    /// Requests since the last exchange with other nodes.
    since: u32,
    /// Requests that the other nodes have not been told of.
    untold: u32,
}

impl Bucket {
    fn refill(&mut self, quota: Quota, now: i64) {
        // A clock that goes back adds nothing, and one that leaps fills it.
        let passed = now.saturating_sub(self.at).max(0);
        self.at = now;
        let added = passed.saturating_mul(quota.count.into());
        self.level = self.level.saturating_add(added).min(full(quota));
    }
}

fn full(quota: Quota) -> i64 {
    i64::from(quota.count) * i64::from(quota.window)
}

/// The buckets of one kind.
pub(super) struct Buckets<K> {
    quota: Quota,
    most: usize,
    known: HashMap<K, Bucket>,
    /// The one of those who found no place.
    rest: Bucket,
    swept: i64,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    pub(super) fn new(quota: Quota, most: usize) -> Self {
        let rest = Bucket { level: full(quota), at: i64::MIN, since: 0, untold: 0 };
        Self { quota, most, known: HashMap::new(), rest, swept: i64::MIN }
    }

    /// Takes one request. With `others` nodes about, a node admits between two exchanges at most twice its share of
    /// a full bucket, so that all together stay within a factor of two of the limit.
    pub(super) fn take(&mut self, key: &K, others: u32, now: i64) -> Standing {
        let quota = self.quota;
        let bucket = self.bucket(key, now);
        bucket.refill(quota, now);
        let (one, fill) = (i64::from(quota.window), i64::from(quota.count));
        let share = match others {
            0 => u32::MAX,
            others => (quota.count.saturating_mul(2) / (others + 1)).max(1),
        };
        let admitted = bucket.level >= one && bucket.since < share;
        let mut wait = 0;
        if admitted {
            bucket.level -= one;
            bucket.since = bucket.since.saturating_add(1);
            bucket.untold = bucket.untold.saturating_add(1);
        } else {
            wait = ((one - bucket.level).max(0) + fill - 1) / fill;
            if bucket.since >= share {
                wait = wait.max(super::EXCHANGE);
            }
        }
        let left = (bucket.level / one).clamp(0, i64::from(share.saturating_sub(bucket.since)));
        Standing {
            admitted,
            limit: quota.count,
            remaining: u32::try_from(left).unwrap_or(u32::MAX),
            reset: (full(quota) - bucket.level + fill - 1) / fill,
            wait,
        }
    }

    /// Takes away what was admitted elsewhere. The debt it may leave is bounded.
    pub(super) fn took_elsewhere(&mut self, key: &K, count: u32, now: i64) {
        let quota = self.quota;
        let bucket = self.bucket(key, now);
        bucket.refill(quota, now);
        let taken = i64::from(count) * i64::from(quota.window);
        bucket.level = bucket.level.saturating_sub(taken).max(-full(quota));
    }

    /// Begins the next interval between two exchanges; what the others have to be told, the busiest first. What is
    /// too little to matter is gathered until it does.
    pub(super) fn exchange(&mut self, others: u32, most: usize) -> Vec<(K, u32)> {
        let least = (self.quota.count / 100).max(1);
        let mut busy: Vec<(K, u32)> = Vec::new();
        for (key, bucket) in &mut self.known {
            bucket.since = 0;
            if others > 0 && bucket.untold >= least {
                busy.push((key.clone(), bucket.untold));
            }
        }
        self.rest.since = 0;
        busy.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
        busy.truncate(most);
        for (key, _) in &busy {
            if let Some(bucket) = self.known.get_mut(key) {
                bucket.untold = 0;
            }
        }
        busy
    }

    fn bucket(&mut self, key: &K, now: i64) -> &mut Bucket {
        if self.known.len() >= self.most && !self.known.contains_key(key) {
            // A full bucket says no more than none.
            if now.saturating_sub(self.swept).abs() >= SWEEP {
                self.swept = now;
                let quota = self.quota;
                self.known.retain(|_, bucket| {
                    bucket.refill(quota, now);
                    bucket.level < full(quota)
                });
            }
            if self.known.len() >= self.most {
                return &mut self.rest;
            }
        }
        let new = Bucket { level: full(self.quota), at: now, since: 0, untold: 0 };
        self.known.entry(key.clone()).or_insert(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { count: 10, window: 1000 };

    fn admitted(buckets: &mut Buckets<u32>, key: u32, others: u32, tries: u32, now: i64) -> u32 {
        (0..tries).map(|_| u32::from(buckets.take(&key, others, now).admitted)).sum()
    }

    #[test]
    fn a_bucket_gives_its_count_at_once_and_then_evenly() {
        let mut buckets = Buckets::new(QUOTA, 10);
        let first = buckets.take(&1, 0, 0);
        assert_eq!(first, Standing { admitted: true, limit: 10, remaining: 9, reset: 100, wait: 0 });
        assert_eq!(admitted(&mut buckets, 1, 0, 20, 0), 9);
        let refused = buckets.take(&1, 0, 0);
        assert_eq!((refused.admitted, refused.remaining, refused.reset, refused.wait), (false, 0, 1000, 100));
        assert!(!buckets.take(&1, 0, 99).admitted);
        assert!(buckets.take(&1, 0, 100).admitted, "wait is what it says");
        assert_eq!(admitted(&mut buckets, 1, 0, 20, 600), 5);
        assert_eq!(admitted(&mut buckets, 2, 0, 20, 600), 10, "each has its own");
        assert_eq!(admitted(&mut buckets, 1, 0, 20, 1_000_000), 10, "no more than full");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let mut buckets = Buckets::new(QUOTA, 10);
        assert_eq!(admitted(&mut buckets, 1, 0, 5, 10_000_000), 5);
        assert_eq!(admitted(&mut buckets, 1, 0, 20, 0), 5);
        assert_eq!(admitted(&mut buckets, 1, 0, 20, 500), 5, "it fills from there");
        assert_eq!(admitted(&mut buckets, 1, 0, 20, i64::MAX), 10);
    }

    #[test]
    fn memory_is_bounded_and_strangers_share_what_is_left() {
        let mut buckets = Buckets::new(QUOTA, 100);
        for key in 0..1000 {
            buckets.take(&key, 0, 0);
        }
        assert_eq!(buckets.known.len(), 100);
        assert_eq!(admitted(&mut buckets, 5000, 0, 20, 0), 0, "900 others came before");
        assert_eq!(admitted(&mut buckets, 1, 0, 20, 0), 9, "who has a place keeps it");
        // Later those who asked for little are full again, and give their places away.
        assert_eq!(admitted(&mut buckets, 5000, 0, 20, 2000), 10);
        assert!(buckets.known.len() < 100);
    }

    #[test]
    fn three_nodes_stay_within_twice_the_limit_and_settle_at_it() {
        let mut nodes: Vec<_> = (0..3).map(|_| Buckets::new(QUOTA, 10)).collect();
        let (mut all, mut worst) = (0, 0);
        for second in 0..100_i64 {
            let mut now_all = 0;
            // Everybody asks for far more than there is, at all times.
            for ms in (0..1000).step_by(10) {
                for node in &mut nodes {
                    now_all += admitted(node, 1, 2, 3, second * 1000 + ms);
                }
            }
            let told: Vec<_> = nodes.iter_mut().map(|node| node.exchange(2, 10)).collect();
            for (n, node) in nodes.iter_mut().enumerate() {
                for (_, said) in told.iter().enumerate().filter(|(other, _)| *other != n) {
                    said.iter()
                        .for_each(|(key, count)| node.took_elsewhere(key, *count, (second + 1) * 1000));
                }
            }
            all += now_all;
            worst = worst.max(now_all);
        }
        // Alone: ten at once and then ten each second.
        assert!((900..=1100).contains(&all), "{all} in 100 s");
        assert!(worst <= 20, "{worst} in one second");
    }

    #[test]
    fn little_is_not_told_until_it_is_much() {
        let mut buckets = Buckets::new(Quota { count: 1000, window: 1000 }, 10);
        admitted(&mut buckets, 1, 1, 9, 0);
        admitted(&mut buckets, 2, 1, 30, 0);
        admitted(&mut buckets, 3, 1, 20, 0);
        assert_eq!(buckets.exchange(1, 1), [(2, 30)], "the busiest first");
        assert_eq!(buckets.exchange(1, 9), [(3, 20)]);
        admitted(&mut buckets, 1, 1, 1, 0);
        assert_eq!(buckets.exchange(0, 9), []);
        assert_eq!(buckets.exchange(1, 9), [(1, 10)]);
    }
}
