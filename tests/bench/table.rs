//! What was measured: medians over the rounds, and ratios beside the targets.

/// One figure over all rounds.
#[derive(Default)]
struct Figure(Vec<f64>);

impl Figure {
    fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn range(&self) -> (f64, f64) {
        self.0.iter().fold((f64::MAX, f64::MIN), |(low, high), n| (low.min(*n), high.max(*n)))
    }
}

/// Every figure, in the order in which it was first measured.
#[derive(Default)]
pub(crate) struct Table(Vec<(String, Figure)>);

/// Which way a ratio has to go.
#[derive(Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}
use Goal::{AtLeast, AtMost};

impl Table {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        let name = name.into();
        eprintln!("  {name}: {value:.1}");
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, figure)) => figure.0.push(value),
            None => self.0.push((name, Figure(vec![value]))),
        }
    }

    fn median(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, figure)| figure.median())
    }

    pub(crate) fn print(&self) {
        println!("{:<58} {:>10} {:>10} {:>10}", "", "median", "min", "max");
        for (name, figure) in &self.0 {
            let (low, high) = figure.range();
            println!("{name:<58} {:>10.2} {low:>10.2} {high:>10.2}", figure.median());
        }
        println!();
        let moved = self.0.iter().find(|(name, _)| name == "syncs/s").map(|(_, figure)| figure.range());
        if moved.is_some_and(|(low, high)| high > low * 3.0) {
            println!("The sync rate moved more than three times: ratios of what is written prove nothing.");
        }
        for engine in ["sqlite", "postgres"] {
            self.engine(engine);
        }
        let idle = self.median("idle memory MB");
        ratio("H: idle memory / 25 MB", idle, Some(25.0), AtMost(1.0));
        ratio(
            "H: start to first answer / 100 ms",
            self.median("start to first answer ms"),
            Some(100.0),
            AtMost(1.0),
        );
        ratio("H: stripped binary / 30 MB", self.median("binary MB"), Some(30.0), AtMost(1.0));
        ratio(
            "L: memory under load, 1M messages / 150 MB",
            self.median("memory under load MB"),
            Some(150.0),
            AtMost(1.0),
        );
        let limit = self.median("postgres limit, 32 connections /s");
        for who in ["one sender", "many senders"] {
            let of = |nodes: &str| self.median(&format!("{nodes} accept, {who} /s"));
            let (one, two) = (of("one node"), of("two nodes"));
            ratio(&format!("K postgres: accept, {who}, two nodes / one"), two, one, AtLeast(1.0));
            ratio(&format!("K postgres: accept, {who}, two nodes / one row"), two, limit, AtLeast(0.5));
        }
    }

    fn engine(&self, engine: &str) {
        let of = |what: &str| self.median(&format!("{engine} {what}"));
        for (connections, least) in [(32, 3.0), (128, 4.0)] {
            let accept = of(&format!("accept, {connections} connections /s"));
            let smtpd = self.median(&format!("postfix smtpd, {connections} sessions /s"));
            let limit = of(&format!("limit, {connections} connections /s"));
            ratio(
                &format!("A {engine}: accept / Postfix smtpd, {connections}"),
                accept,
                smtpd,
                AtLeast(least),
            );
            ratio(&format!("A {engine}: accept / one row, {connections}"), accept, limit, AtLeast(0.4));
        }
        let filed = self.median("postfix to dovecot lmtp /s");
        ratio(
            &format!("B {engine}: filed / Postfix to Dovecot"),
            of("accepted and filed /s"),
            filed,
            AtLeast(4.0),
        );
        for size in ["1k", "100k", "1M"] {
            for (what, most) in [("page of 50", 1.0), ("one message", 0.5)] {
                let p50 = of(&format!("{what} of {size}, p50 ms"));
                ratio(
                    &format!("C {engine}: {what} of {size}, p50 / {most} ms"),
                    p50,
                    Some(most),
                    AtMost(1.0),
                );
            }
            let rate = of(&format!("page of 50 of {size}, 16 connections /s"));
            ratio(
                &format!("C {engine}: page of 50 of {size} per s / 8,000"),
                rate,
                Some(8000.0),
                AtLeast(1.0),
            );
        }
        for what in ["page of 50", "one message"] {
            let (small, large) = (of(&format!("{what} of 1k, p50 ms")), of(&format!("{what} of 1M, p50 ms")));
            ratio(&format!("C {engine}: {what}, 1M / 1k"), large, small, AtMost(1.2));
        }
        for (name, _) in &self.0 {
            if let Some(query) = name.strip_prefix(&format!("{engine} search ")) {
                let most = if engine == "sqlite" { 5.0 } else { 20.0 };
                let p95 = self.median(name);
                ratio(&format!("D {engine}: {query} / {most} ms"), p95, Some(most), AtMost(1.0));
            }
        }
        for (target, what, memory, time) in
            [("G", "10000 waits", 100.0, 50.0), ("J", "1000 streams", 60.0, 100.0)]
        {
            let used = of(&format!("{what} MB"));
            ratio(&format!("{target} {engine}: {what} / {memory} MB"), used, Some(memory), AtMost(1.0));
            let p99 = of(&format!("{what} woken, p99 ms"));
            ratio(&format!("{target} {engine}: {what} woken, p99 / {time} ms"), p99, Some(time), AtMost(1.0));
        }
        let least = if engine == "sqlite" { 5000.0 } else { 8000.0 };
        ratio(
            &format!("F {engine}: claim + settle per s / {least}"),
            of("claim + settle /s"),
            Some(least),
            AtLeast(1.0),
        );
        ratio(
            &format!("I {engine}: 1,000 recipients / 500 ms"),
            of("1,000 recipients ms"),
            Some(500.0),
            AtMost(1.0),
        );
    }
}

fn ratio(name: &str, is: Option<f64>, of: Option<f64>, goal: Goal) {
    let (Some(is), Some(of)) = (is, of) else { return };
    let ratio = is / of;
    let (reached, words) = match goal {
        AtLeast(least) => (ratio >= least, format!("at least {least}x")),
        AtMost(most) => (ratio <= most, format!("at most {most}x")),
    };
    println!("{name:<58} {ratio:>9.2}x  {words}: {}", if reached { "reached" } else { "missed" });
}
