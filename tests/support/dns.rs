//! A name server over real UDP: it answers what it is told, and NXDOMAIN for everything else.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// What a name has.
#[derive(Debug, Clone, Default)]
struct Zone {
    mx: Vec<(u16, String)>,
    addresses: Vec<IpAddr>,
    texts: Vec<String>,
    names: Vec<String>,
    tlsa: bool,
    /// The server fails when asked.
    broken: bool,
    /// No answer ever comes.
    silent: bool,
}

/// The server; it stops with this value.
pub(crate) struct Dns {
    pub(crate) addr: SocketAddr,
    zones: Arc<Mutex<HashMap<String, Zone>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Dns {
    /// Listens on a port of its own.
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let zones: Arc<Mutex<HashMap<String, Zone>>> = Arc::default();
        let known = zones.clone();
        let task = tokio::spawn(async move {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = answer(&question[..length], &known.lock().unwrap()) {
                    let _ = socket.try_send_to(&answer, from);
                }
            }
        });
        Self { addr, zones, task }
    }

    fn zone(&self, name: &str, change: impl FnOnce(&mut Zone)) {
        change(self.zones.lock().unwrap().entry(name.to_owned()).or_default());
    }

    /// A domain's mail host; `.` is the null one.
    pub(crate) fn mx(&self, domain: &str, preference: u16, host: &str) {
        self.zone(domain, |zone| zone.mx.push((preference, host.to_owned())));
    }

    /// A host's address.
    pub(crate) fn address(&self, host: &str, address: &str) {
        self.zone(host, |zone| zone.addresses.push(address.parse().unwrap()));
    }

    /// The name of an address (PTR).
    pub(crate) fn name(&self, address: std::net::Ipv4Addr, name: &str) {
        let [a, b, c, d] = address.octets();
        self.zone(&format!("{d}.{c}.{b}.{a}.in-addr.arpa"), |zone| zone.names.push(name.to_owned()));
    }

    /// A text.
    pub(crate) fn txt(&self, name: &str, text: &str) {
        self.zone(name, |zone| zone.texts.push(text.to_owned()));
    }

    /// Asked for this name, the server never answers.
    pub(crate) fn silent(&self, name: &str) {
        self.zone(name, |zone| zone.silent = true);
    }

    /// A host's TLSA record: any, for what counts is that there is one.
    pub(crate) fn tlsa(&self, name: &str) {
        self.zone(name, |zone| zone.tlsa = true);
    }

    /// Asked for this name, the server fails.
    pub(crate) fn broken(&self, name: &str) {
        self.zone(name, |zone| zone.broken = true);
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn written(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in name.trim_end_matches('.').split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

/// The reply to one question (RFC 1035 §4).
fn answer(question: &[u8], zones: &HashMap<String, Zone>) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
    let end = at + 4;
    let zone = zones.get(&labels.join("."));
    let mut records: Vec<(u16, Vec<u8>)> = Vec::new();
    let code = match zone {
        None => 3,
        Some(zone) if zone.silent => return None,
        Some(zone) if zone.broken => 2,
        Some(zone) => {
            match kind {
                15 => records.extend(zone.mx.iter().map(|(preference, host)| {
                    (15, [&preference.to_be_bytes()[..], &written(host)].concat())
                })),
                12 => records.extend(zone.names.iter().map(|name| (12, written(name)))),
                16 => records.extend(zone.texts.iter().map(|text| {
                    let strings = text.as_bytes().chunks(200);
                    (16, strings.flat_map(|part| [&[part.len() as u8], part].concat()).collect())
                })),
                52 if zone.tlsa => records.push((52, [&[3, 1, 1][..], &[7; 32]].concat())),
                _ => records.extend(zone.addresses.iter().filter_map(|address| match (kind, address) {
                    (1, IpAddr::V4(v4)) => Some((1, v4.octets().to_vec())),
                    (28, IpAddr::V6(v6)) => Some((28, v6.octets().to_vec())),
                    _ => None,
                })),
            }
            0
        }
    };
    let mut out = question[..2].to_vec();
    out.extend([0x81, 0x80 | code, 0, 1]);
    out.extend((records.len() as u16).to_be_bytes());
    out.extend([0; 4]);
    out.extend_from_slice(question.get(12..end)?);
    for (kind, data) in records {
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend(data);
    }
    Some(out)
}
