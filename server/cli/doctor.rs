//! `restante doctor`: looks at what has to be right for mail to go out and come in, and says what to do where it is not.

use std::net::IpAddr;

use anyhow::Context as _;

use crate::app::App;
use crate::config::Config;
use crate::delivery::next_hop::Way;
use crate::net::address::is_public;
use crate::net::domain::{self, Found};
use crate::net::resolve::Resolver;

use super::say;

/// Looks at everything; an error when there is a problem.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let (host, way) = (config.mail.domain.clone(), config.next_hop()?);
    let servers = config.relay.name_servers.clone();
    let context = App::new(config).context().await?;
    let domains = context.store.local_domains().await?;
    let keys: Vec<_> = context.store.dkim_keys().await?;
    let paused = context.store.paused().await?.is_some();
    context.store.close().await;
    let mut all = vec![Found::Good("the database is reachable and up to date".into())];
    if paused {
        all.push(Found::Doubtful("sending is paused; restante queue resume ends it".into()));
    }
    all.push(match way {
        None => Found::Doubtful("relay.url is not set: mail to the outside is refused".into()),
        Some(Way::Capture) => Found::Doubtful("this is a sandbox: nothing is sent".into()),
        Some(Way::Mx(_)) => Found::Good("mail goes to each domain's own mail hosts".into()),
        Some(Way::Hop(hop)) => match tokio::net::lookup_host((hop.host.as_str(), hop.port)).await {
            Ok(_) => Found::Good(format!("mail goes to {hop}")),
            Err(error) => Found::Bad(format!("the relay {hop} cannot be looked up: {error}")),
        },
    });
    let resolver = Resolver::new(&servers).context("no name servers")?;
    let own = resolver.addresses(&host).await;
    all.extend(self::host(&resolver, &host, &own).await);
    let mut names: Vec<&String> = domains.iter().collect();
    names.sort();
    for domain in names {
        all.extend(domain::look(&resolver, &host, domain, &keys).await);
    }
    all.iter().for_each(|found| say(&found.line()));
    let bad = all.iter().filter(|found| matches!(found, Found::Bad(_))).count();
    anyhow::ensure!(bad == 0, "{bad} of {} have to be put right", all.len());
    Ok(())
}

/// This server's own name: its addresses, and the names that these have (RFC 1912 §2.1).
async fn host(resolver: &Resolver, host: &str, own: &Result<Vec<IpAddr>, String>) -> Vec<Found> {
    let addresses = match own {
        Err(error) => return vec![Found::Bad(format!("{host} cannot be looked up: {error}"))],
        Ok(addresses) if addresses.is_empty() => {
            let text =
                format!("mail.domain is {host}, which has no address: other servers doubt who greets so");
            return vec![Found::Doubtful(text)];
        }
        Ok(addresses) => addresses,
    };
    let mut found = Vec::new();
    for address in addresses {
        if !is_public(*address) {
            found.push(Found::Doubtful(format!("{host} is {address}, which nobody outside reaches")));
            continue;
        }
        found.push(match resolver.names(*address).await {
            Ok(names) if names.iter().any(|name| name == host) => {
                Found::Good(format!("{address} is {host}, and the other way round (PTR)"))
            }
            Ok(names) if names.is_empty() => Found::Bad(format!(
                "{address} has no name (PTR); have your provider set it to {host}, many refuse mail without"
            )),
            Ok(names) => Found::Doubtful(format!(
                "{address} is called {} (PTR), but greets as {host}; make them one",
                names.join(", ")
            )),
            Err(error) => Found::Doubtful(format!("the name of {address} cannot be looked up: {error}")),
        });
    }
    found
}
