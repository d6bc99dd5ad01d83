//! Several nodes on one PostgreSQL database, as processes: whichever a request comes to, the answer is the same.

mod limits;
mod partition;
mod told;
mod work;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::client::Client;
use crate::support::process::Process;
use crate::support::{Database, until, within};

/// What every node here is told; the lease is short, so that nobody has to wait long.
const SETTINGS: [(&str, &str); 4] = [
    ("RESTANTE_MAIL__DOMAIN", "example.org"),
    ("RESTANTE_DELIVERY__LEASE", "2s"),
    ("RESTANTE_DELIVERY__FIRST_RETRY", "1s"),
    ("RESTANTE_LOG__LEVEL", "info"),
];

/// A node that is not started yet.
fn node(database: &Arc<Database>, settings: &[(&str, &str)]) -> Process {
    let all: Vec<_> = SETTINGS.iter().chain(settings).copied().collect();
    Process::on(database.clone(), &all)
}

/// Makes an account and a token for it, beside whatever runs.
fn account(node: &Process, name: &str) -> String {
    let address = format!("{name}@example.org");
    node.run(&["account", "create", &address]);
    node.run(&["token", "create", &address, "--name", "test"])
}

/// Every subject in an account's inbox.
async fn inbox(client: &Client) -> Vec<String> {
    let items = client.every("/v1/messages?mailbox=inbox&limit=200").await;
    items.iter().map(|item| item["subject"].as_str().unwrap().to_owned()).collect()
}

/// People who send one message after the other, each under its own key and until it is accepted.
struct Senders {
    stop: Arc<AtomicBool>,
    accepted: watch::Receiver<Vec<String>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Senders {
    /// One sender through each of these clients.
    fn start(name: &str, through: &[Client], to: &'static [&'static str]) -> Self {
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (told, accepted) = watch::channel(Vec::new());
        let told = Arc::new(told);
        let tasks = through.iter().map(|client| {
            let (client, stop, next, told) = (client.clone(), stop.clone(), next.clone(), told.clone());
            let name = name.to_owned();
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    let to: Vec<_> = to.iter().map(|to| to.replace('#', &n.to_string())).collect();
                    let subject = format!("{name} {n}");
                    let message = json!({ "to": to, "subject": subject, "text": "Some words." });
                    until("an accepted message", || async {
                        let request = client.request(reqwest::Method::POST, "/v1/messages").json(&message);
                        let request = request.header("idempotency-key", &subject);
                        let answer = client.try_send(request).await.ok()?;
                        if answer.status > 500 {
                            assert_ne!(answer.header("retry-after"), "", "{}", answer.text());
                        }
                        assert!(matches!(answer.status, 202 | 409 | 500..), "{}", answer.text());
                        (answer.status == 202).then_some(())
                    })
                    .await;
                    told.send_modify(|all| all.push(subject));
                }
            })
        });
        let tasks = tasks.collect();
        Self { stop, accepted, tasks }
    }

    /// Waits until so many more are accepted.
    async fn more(&mut self, count: usize) {
        let now = self.accepted.borrow().len();
        within("more accepted", self.accepted.wait_for(|all| all.len() >= now + count)).await.unwrap();
    }

    /// What was accepted so far.
    fn so_far(&self) -> Vec<String> {
        self.accepted.borrow().clone()
    }

    /// Ends them; the subjects of everything that was accepted.
    async fn end(self) -> HashSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            within("a sender's end", task).await.unwrap();
        }
        self.accepted.borrow().iter().cloned().collect()
    }
}

/// Waits until all of these are in the inbox.
async fn arrived(client: &Client, subjects: &[String]) {
    until("what was accepted, in the inbox", || async {
        let there: HashSet<String> = inbox(client).await.into_iter().collect();
        subjects.iter().all(|subject| there.contains(subject)).then_some(())
    })
    .await;
}

/// Waits until nothing is owed any more, and checks that everything accepted is in the inbox once.
async fn exactly_once(database: &Database, client: &Client, accepted: &HashSet<String>) {
    until("an empty queue", || async {
        database.look("select id::text from delivery where settled_at is null").is_empty().then_some(())
    })
    .await;
    let there = inbox(client).await;
    assert_eq!(there.len(), accepted.len(), "nothing twice");
    assert_eq!(there.into_iter().collect::<HashSet<_>>(), *accepted, "nothing lost");
}

/// A message to one person.
fn letter(to: &str, subject: &str) -> Value {
    json!({ "to": [to], "subject": subject, "text": "Some words." })
}
