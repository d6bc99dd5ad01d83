//! SPF, DKIM and DMARC of what other mail servers bring, looked up in DNS within a deadline: when that does not answer, the
//! message is taken all the same, and nothing is known of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::ResolverOpts;
use mail_auth::dkim::DkimError;
use mail_auth::dmarc::Policy;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{AuthenticatedMessage, DkimResult, DmarcResult, Error, MessageAuthenticator, SpfResult};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::mail::authentication::{Authentication, Dkim, Dmarc, Spf};
use crate::net::resolve::asking;

/// How long a message may wait for its checks.
const DEADLINE: Duration = Duration::from_secs(10);
/// KiB of messages that are checked at a time.
const MEMORY: u32 = 64 << 10;
/// Signatures of one message that are looked at.
const SIGNATURES: usize = 10;

/// From where a message comes.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The host.
    pub(super) remote: IpAddr,
    /// What it calls itself.
    pub(super) name: String,
    /// The reverse-path; empty for the null one.
    pub(super) mail_from: String,
}

/// Whoever looks things up.
pub struct Checks {
    authenticator: MessageAuthenticator,
    memory: Semaphore,
    deadline: Duration,
}

/// Why nothing can be looked up.
#[derive(Debug, thiserror::Error)]
#[error("no DNS: {0}")]
pub struct NoDns(String);

impl Checks {
    /// Asks these name servers; without any, those of the system.
    ///
    /// # Errors
    /// [`NoDns`]: there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, NoDns> {
        Self::within(servers, DEADLINE)
    }

    /// The same, and waits no longer than this for what concerns one message.
    ///
    /// # Errors
    /// [`NoDns`].
    pub fn within(servers: &[SocketAddr], deadline: Duration) -> Result<Self, NoDns> {
        let authenticator = if servers.is_empty() {
            MessageAuthenticator::new_system_conf()
        } else {
            MessageAuthenticator::new(asking(servers), ResolverOpts::default())
        };
        let authenticator = authenticator.map_err(|error| NoDns(error.to_string()))?;
        Ok(Self { authenticator, memory: Semaphore::new(MEMORY as usize), deadline })
    }

    /// Room for a message of so many octets; none when that does not come in time.
    pub(super) async fn room(&self, octets: u64) -> Option<SemaphorePermit<'_>> {
        let wanted = u32::try_from(octets >> 10).unwrap_or(MEMORY).saturating_add(1).min(MEMORY);
        timeout(self.deadline, self.memory.acquire_many(wanted)).await.ok()?.ok()
    }

    /// What there is to know of a message, whose From is of `domain`.
    pub(super) async fn check(
        self: &std::sync::Arc<Self>,
        raw: Vec<u8>,
        origin: Origin,
        host: String,
        domain: String,
    ) -> Authentication {
        let (this, handle, known) = (self.clone(), Handle::current(), domain.clone());
        // Hashing takes time, and what a stranger wrote is parsed: neither is done where others wait.
        let checked = tokio::task::spawn_blocking(move || {
            handle.block_on(timeout(this.deadline, this.look_up(&raw, &origin, &host, &domain)))
        });
        match checked.await {
            Ok(Ok(authentication)) => authentication,
            Ok(Err(_)) => {
                tracing::info!(domain = %known, "DNS did not answer in time for SPF, DKIM and DMARC");
                Authentication::unknown(&known)
            }
            Err(error) => {
                tracing::error!(%error, "a message could not be checked");
                Authentication::unknown(&known)
            }
        }
    }

    async fn look_up(&self, raw: &[u8], origin: &Origin, host: &str, domain: &str) -> Authentication {
        let Origin { remote, name, mail_from } = origin;
        let from_domain = mail_from.rsplit_once('@').map_or(name.as_str(), |(_, domain)| domain);
        let parameters = if mail_from.is_empty() {
            SpfParameters::verify_ehlo(*remote, name, host)
        } else {
            SpfParameters::verify_mail_from(*remote, name, host, mail_from)
        };
        let spf = self.authenticator.verify_spf(parameters).await;
        let Some(mut message) = AuthenticatedMessage::parse(raw) else {
            return Authentication::unknown(domain);
        };
        message.dkim_headers.truncate(SIGNATURES);
        let dkim = self.authenticator.verify_dkim(&message).await;
        let dmarc = DmarcParameters::new(&message, &dkim, from_domain, &spf);
        let dmarc = self.authenticator.verify_dmarc(dmarc).await;
        // Of two authors nobody knows which one is shown.
        let one = message.froms().len() == 1;
        Authentication {
            spf: Spf { result: spf_name(spf.result()).to_owned(), domain: from_domain.to_owned() },
            dkim: dkim
                .iter()
                .filter_map(|output| {
                    let signature = output.signature()?;
                    Some(Dkim {
                        result: dkim_name(output.result()).to_owned(),
                        domain: signature.d.to_string(),
                        selector: signature.s.to_string(),
                    })
                })
                .collect(),
            dmarc: Dmarc {
                result: if one { dmarc_name(&dmarc.result()) } else { "permerror" }.to_owned(),
                domain: domain.to_owned(),
                policy: match dmarc.policy() {
                    _ if dmarc.dmarc_record().is_none() => None,
                    Policy::None => Some("none".to_owned()),
                    Policy::Quarantine => Some("quarantine".to_owned()),
                    Policy::Reject => Some("reject".to_owned()),
                    Policy::Unspecified => None,
                },
            },
        }
    }
}

/// Whether a host is one of other people's, who speak for themselves: mail from this machine or its network comes by way of
/// a server of ours, of which SPF knows nothing.
pub(super) fn is_outside(remote: IpAddr) -> bool {
    match remote.to_canonical() {
        IpAddr::V4(ip) => !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()),
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified())
        }
    }
}

fn spf_name(result: SpfResult) -> &'static str {
    match result {
        SpfResult::Pass => "pass",
        SpfResult::Fail => "fail",
        SpfResult::SoftFail => "softfail",
        SpfResult::Neutral => "neutral",
        SpfResult::TempError => "temperror",
        SpfResult::PermError => "permerror",
        SpfResult::None => "none",
    }
}

fn dkim_name(result: &DkimResult) -> &'static str {
    match result {
        DkimResult::Pass => "pass",
        // Another text under a good signature is a signature that failed (RFC 6376 §6.1.3).
        DkimResult::Neutral(Error::Dkim(DkimError::FailedBodyHashMatch)) => "fail",
        DkimResult::Neutral(_) => "neutral",
        DkimResult::Fail(_) => "fail",
        DkimResult::PermError(_) => "permerror",
        DkimResult::TempError(_) => "temperror",
        DkimResult::None => "none",
    }
}

fn dmarc_name(result: &DmarcResult) -> &'static str {
    match result {
        DmarcResult::Pass => "pass",
        DmarcResult::Fail(_) => "fail",
        DmarcResult::TempError(_) => "temperror",
        DmarcResult::PermError(_) => "permerror",
        DmarcResult::None => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_network_is_not_outside() {
        for (ip, outside) in [
            ("192.0.2.1", true),
            ("2001:db8::1", true),
            ("127.0.0.1", false),
            ("::ffff:10.1.2.3", false),
            ("172.16.0.1", false),
            ("fd00::1", false),
            ("fe80::1", false),
        ] {
            assert_eq!(is_outside(ip.parse().unwrap()), outside, "{ip}");
        }
    }
}
