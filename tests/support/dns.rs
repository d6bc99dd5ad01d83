//! A DNS server over real UDP with a few records; what it does not have does not exist, and some names it never answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// A record.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Txt(String),
    /// No answer ever comes.
    Silence,
}

/// The server; it goes away with this value.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<HashMap<String, Vec<Record>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Dns {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone: Arc<Mutex<HashMap<String, Vec<Record>>>> = Arc::default();
        let told = zone.clone();
        let task = tokio::spawn(async move {
            let mut query = [0; 4096];
            loop {
                let (length, from) = socket.recv_from(&mut query).await.unwrap();
                let answer = answer(&query[..length], &told.lock().unwrap());
                if let Some(answer) = answer {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, zone, task }
    }

    /// Adds a record.
    pub(crate) fn add(&self, name: &str, record: Record) {
        self.zone.lock().unwrap().entry(name.to_owned()).or_default().push(record);
    }

    /// Adds a text.
    pub(crate) fn txt(&self, name: &str, text: &str) {
        self.add(name, Record::Txt(text.to_owned()));
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The answer to a query (RFC 1035 §4): one question, and what the zone has.
fn answer(query: &[u8], zone: &HashMap<String, Vec<Record>>) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let question = &query[12..at + 5];
    let records = zone.get(&labels.join("."));
    if records.is_some_and(|records| records.iter().any(|record| matches!(record, Record::Silence))) {
        return None;
    }
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for record in records.into_iter().flatten() {
        let data: Vec<u8> = match (record, kind) {
            (Record::Txt(text), 16) => {
                text.as_bytes().chunks(255).flat_map(|part| [&[part.len() as u8], part].concat()).collect()
            }
            _ => continue,
        };
        let mut out = vec![0xc0, 12];
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
        answers.push(out);
    }
    let unknown = u8::from(records.is_none()) * 3;
    let mut out = query[..2].to_vec();
    out.extend([0x85, 0x80 | unknown, 0, 1]);
    out.extend((answers.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0]);
    out.extend_from_slice(question);
    out.extend(answers.concat());
    Some(out)
}
