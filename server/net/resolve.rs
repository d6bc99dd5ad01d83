//! The resolver: who takes mail for a domain (RFC 5321 §5.1), in the order in which they are to be tried.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

/// Hosts of one domain that are looked at, and addresses of one host.
const HOSTS: usize = 16;
const ADDRESSES: usize = 8;
/// Records of other kinds that are looked at.
const RECORDS: usize = 32;
/// How long one question may take, with its repetitions.
const TIME_OUT: Duration = Duration::from_secs(15);

/// A host that takes mail for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHost {
    /// Its name, lower-case, without a dot at its end.
    pub name: String,
    /// Lower ones are tried first.
    pub preference: u16,
    /// IPv6 and IPv4.
    pub addresses: Vec<IpAddr>,
}

/// Why there is nobody to give mail to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHosts {
    /// RFC 7505: the domain says that it takes none.
    #[error("the domain says that it takes no mail (null MX)")]
    Null,
    /// NXDOMAIN.
    #[error("there is no such domain")]
    NoDomain,
    /// It has neither a mail host nor an address.
    #[error("the domain has no mail host and no address")]
    NoAddress,
    /// Nothing is known now.
    #[error("the domain's mail hosts cannot be looked up: {0}")]
    Temporary(String),
}

/// Looks names up.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

/// Why no resolver could be made.
#[derive(Debug, thiserror::Error)]
#[error("the name servers of this system cannot be read: {0}")]
pub struct BadResolver(String);

impl Resolver {
    /// Asks these name servers; without any, those of the system.
    ///
    /// # Errors
    /// The system names none that can be used.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, BadResolver> {
        let bad = |error: NetError| BadResolver(error.to_string());
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(bad)?
        } else {
            TokioResolver::builder_with_config(asking(servers), TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts) = (Duration::from_secs(4), 2);
        Ok(Self(builder.build().map_err(bad)?))
    }

    /// The hosts that take mail for a domain, best first; a host without an address is left out, and a domain without
    /// mail hosts is its own (RFC 5321 §5.1).
    ///
    /// # Errors
    /// [`NoHosts`].
    pub async fn mail_hosts(&self, domain: &str) -> Result<Vec<MailHost>, NoHosts> {
        let name = absolute(domain);
        let mut hosts: Vec<(u16, String)> = match self.asked(self.0.mx_lookup(name)).await {
            Ok(lookup) => lookup
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::MX(mx) => Some((mx.preference, relative(&mx.exchange.to_string()))),
                    _ => None,
                })
                .collect(),
            Err(None) => return Err(NoHosts::NoDomain),
            Err(Some(No::Records)) => Vec::new(),
            Err(Some(No::Answer(text))) => return Err(NoHosts::Temporary(text)),
        };
        if matches!(hosts.as_slice(), [(_, only)] if only.is_empty()) {
            return Err(NoHosts::Null);
        }
        hosts.retain(|(_, name)| !name.is_empty());
        if hosts.is_empty() {
            hosts.push((0, relative(domain)));
        }
        hosts.sort();
        hosts.truncate(HOSTS);
        let (mut found, mut trouble) = (Vec::new(), None);
        let asked = hosts.into_iter().map(async |(preference, name)| {
            let addresses = self.addresses(&name).await;
            (preference, name, addresses)
        });
        for (preference, name, addresses) in join_all(asked).await {
            match addresses {
                Ok(addresses) if addresses.is_empty() => {}
                Ok(addresses) => found.push(MailHost { name, preference, addresses }),
                Err(text) => trouble = Some(text),
            }
        }
        match (found.is_empty(), trouble) {
            (false, _) => Ok(found),
            (true, Some(text)) => Err(NoHosts::Temporary(text)),
            (true, None) => Err(NoHosts::NoAddress),
        }
    }

    /// The TXT records of a name, each with its strings joined; none when it has none.
    ///
    /// # Errors
    /// Nobody answers, or with an error: why.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let text = |record: &RData| match record {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        self.records(self.0.txt_lookup(absolute(name)), text).await
    }

    /// The names of an address (PTR), lower-case; none when it has none.
    ///
    /// # Errors
    /// Nobody answers, or with an error: why.
    pub async fn names(&self, address: IpAddr) -> Result<Vec<String>, String> {
        let name = |record: &RData| match record {
            RData::PTR(name) => Some(relative(&name.to_string())),
            _ => None,
        };
        self.records(self.0.reverse_lookup(address), name).await
    }

    /// Whether a mail host has TLSA records (RFC 7672), and so says that it speaks TLS. They are not proved by DNSSEC,
    /// so nobody is recognised by them.
    pub async fn has_tlsa(&self, host: &str, port: u16) -> bool {
        let name = absolute(&format!("_{port}._tcp.{host}"));
        let any = |record: &RData| matches!(record, RData::TLSA(_)).then_some(());
        self.records(self.0.tlsa_lookup(name), any).await.is_ok_and(|records| !records.is_empty())
    }

    /// What the records of one kind say.
    async fn records<T>(
        &self,
        question: impl Future<Output = Result<Lookup, NetError>>,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Vec<T>, String> {
        match self.asked(question).await {
            Ok(found) => {
                Ok(found.answers().iter().filter_map(|record| read(&record.data)).take(RECORDS).collect())
            }
            Err(None | Some(No::Records)) => Ok(Vec::new()),
            Err(Some(No::Answer(text))) => Err(text),
        }
    }

    /// The addresses of a host; none when it has none.
    ///
    /// # Errors
    /// Nobody answers, or with an error: why.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        match self.asked(self.0.lookup_ip(absolute(name))).await {
            Ok(found) => Ok(found.iter().take(ADDRESSES).collect()),
            Err(None | Some(No::Records)) => Ok(Vec::new()),
            Err(Some(No::Answer(text))) => Err(text),
        }
    }

    /// The answer; or none for a name that does not exist, or why there is none.
    async fn asked<T>(&self, question: impl Future<Output = Result<T, NetError>>) -> Result<T, Option<No>> {
        match tokio::time::timeout(TIME_OUT, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_nx_domain() => Err(None),
            Ok(Err(error)) if error.is_no_records_found() => Err(Some(No::Records)),
            Ok(Err(error)) => Err(Some(No::Answer(error.to_string()))),
            Err(_) => Err(Some(No::Answer(format!("no answer within {TIME_OUT:?}")))),
        }
    }
}

/// Why a name that may exist gave nothing.
enum No {
    /// It has no records of the kind.
    Records,
    /// Nobody answered, or with an error.
    Answer(String),
}

/// Asks these name servers, over UDP and TCP.
#[must_use]
pub fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |at: &SocketAddr| {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        connections.iter_mut().for_each(|connection| connection.port = at.port());
        NameServerConfig::new(at.ip(), true, connections)
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

/// With the dot that keeps search lists away.
fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

fn relative(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
