//! `restante doctor`: looks at what has to be right for mail to go out and come in, and says what to do where it is not.

use std::net::IpAddr;

use anyhow::Context as _;

use crate::app::App;
use crate::config::Config;
use crate::delivery::next_hop::Way;
use crate::net::address::is_public;
use crate::net::resolve::{MailHost, NoHosts, Resolver};

use super::say;

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// As it should be.
    Good(String),
    /// It works, but some will not like it.
    Doubtful(String),
    /// Mail is lost or refused because of it.
    Bad(String),
}

impl Found {
    fn line(&self) -> String {
        match self {
            Found::Good(text) => format!("ok       {text}"),
            Found::Doubtful(text) => format!("warning  {text}"),
            Found::Bad(text) => format!("problem  {text}"),
        }
    }
}

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
        if !domain.contains('.') {
            all.push(Found::Doubtful(format!(
                "{domain} is no name of the Internet: nobody outside reaches it"
            )));
            continue;
        }
        all.push(takes(&host, domain, resolver.mail_hosts(domain).await));
        let texts = resolver.texts(domain).await;
        all.push(sender(domain, texts));
        let mut signed = false;
        for (_, key) in keys.iter().filter(|(of, _)| of == domain) {
            signed = true;
            all.push(signs(&key.name(), &key.record(), resolver.texts(&key.name()).await));
        }
        if !signed {
            let text = format!("{domain} signs nothing; restante domain add {domain} makes a key (DKIM)");
            all.push(Found::Doubtful(text));
        }
        all.push(policy(domain, resolver.texts(&format!("_dmarc.{domain}")).await));
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

/// Whether a domain's mail comes here.
fn takes(host: &str, domain: &str, hosts: Result<Vec<MailHost>, NoHosts>) -> Found {
    match hosts {
        Ok(hosts) if hosts.iter().any(|one| one.name == host) => {
            Found::Good(format!("mail for {domain} comes to {host} (MX)"))
        }
        Ok(hosts) => {
            let names: Vec<&str> = hosts.iter().map(|one| one.name.as_str()).collect();
            let names = names.join(", ");
            Found::Doubtful(format!("mail for {domain} comes to {names} (MX), not to {host}"))
        }
        Err(NoHosts::Temporary(error)) => {
            Found::Doubtful(format!("{domain}'s MX cannot be looked up: {error}"))
        }
        Err(error) => Found::Bad(format!("no mail for {domain} comes here: {error}; set MX 10 {host}.")),
    }
}

/// Whether SPF (RFC 7208) lets us send for a domain.
fn sender(domain: &str, texts: Result<Vec<String>, String>) -> Found {
    let texts = match texts {
        Ok(texts) => texts,
        Err(error) => return Found::Doubtful(format!("{domain}'s SPF cannot be looked up: {error}")),
    };
    let is = |text: &&String| text.as_str() == "v=spf1" || text.starts_with("v=spf1 ");
    let records: Vec<&String> = texts.iter().filter(is).collect();
    match records.as_slice() {
        [] => Found::Bad(format!("{domain} does not say who sends for it (SPF); set TXT \"v=spf1 mx -all\"")),
        [one] if one.contains("+all") || one.ends_with(" all") => {
            Found::Bad(format!("{domain}'s SPF lets everybody send for it: {one}"))
        }
        [one] => Found::Good(format!("{domain} says who sends for it (SPF): {one}")),
        _ => Found::Bad(format!(
            "{domain} has several SPF records, which is an error (RFC 7208 §3.2); keep one"
        )),
    }
}

/// Whether a key's record is the one that belongs to it (RFC 6376 §3.6.1).
fn signs(name: &str, wanted: &str, texts: Result<Vec<String>, String>) -> Found {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let key = |text: &str| {
        plain(text)
            .split(';')
            .find_map(|field| field.strip_prefix("p=").map(str::to_owned))
            .unwrap_or_default()
    };
    match texts {
        Err(error) => Found::Doubtful(format!("{name} (DKIM) cannot be looked up: {error}")),
        Ok(texts) if texts.is_empty() => {
            Found::Bad(format!("{name} (DKIM) is missing: set TXT \"{wanted}\", or mail is signed in vain"))
        }
        Ok(texts) if texts.iter().any(|text| key(text) == key(wanted)) => {
            Found::Good(format!("{name} (DKIM) is the key that mail is signed with"))
        }
        Ok(_) => Found::Bad(format!("{name} (DKIM) is another key: set TXT \"{wanted}\"")),
    }
}

/// What a domain asks others to do with mail that is not its own (RFC 7489).
fn policy(domain: &str, texts: Result<Vec<String>, String>) -> Found {
    let records = match texts {
        Ok(texts) => texts.into_iter().filter(|text| text.starts_with("v=DMARC1")).collect::<Vec<_>>(),
        Err(error) => return Found::Doubtful(format!("{domain}'s DMARC cannot be looked up: {error}")),
    };
    let asks = |text: &str, policy: &str| {
        text.split(';').any(|field| field.split_whitespace().collect::<String>() == format!("p={policy}"))
    };
    match records.as_slice() {
        [] => Found::Bad(format!(
            "{domain} has no DMARC policy, which large receivers ask for; set TXT \"v=DMARC1; p=quarantine\" at \
             _dmarc.{domain}"
        )),
        [one] if asks(one, "none") => {
            Found::Doubtful(format!("{domain}'s DMARC only watches (p=none): {one}"))
        }
        [one] if asks(one, "quarantine") || asks(one, "reject") => {
            Found::Good(format!("{domain} has a DMARC policy: {one}"))
        }
        [one] => Found::Bad(format!("{domain}'s DMARC record has no valid p=: {one}")),
        _ => Found::Bad(format!("{domain} has several DMARC records, which count as none; keep one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(found: &Found) -> &'static str {
        match found {
            Found::Good(_) => "good",
            Found::Doubtful(_) => "doubtful",
            Found::Bad(_) => "bad",
        }
    }

    #[test]
    fn records_are_judged() {
        let texts = |texts: &[&str]| Ok(texts.iter().map(ToString::to_string).collect());
        for (records, expected) in [
            (&["v=spf1 mx -all", "unrelated"][..], "good"),
            (&["unrelated"], "bad"),
            (&["v=spf1 +all"], "bad"),
            (&["v=spf1 mx -all", "v=spf1 -all"], "bad"),
            (&["v=spf10 mx"], "bad"),
        ] {
            assert_eq!(kind(&sender("x.org", texts(records))), expected, "{records:?}");
        }
        for (records, expected) in [
            (&["v=DMARC1; p=reject; rua=mailto:a@x.org"][..], "good"),
            (&["v=DMARC1;p = quarantine"], "good"),
            (&["v=DMARC1; p=none"], "doubtful"),
            (&["v=DMARC1; sp=reject"], "bad"),
            (&[], "bad"),
            (&["v=DMARC1; p=none", "v=DMARC1; p=none"], "bad"),
        ] {
            assert_eq!(kind(&policy("x.org", texts(records))), expected, "{records:?}");
        }
        let wanted = "v=DKIM1; k=ed25519; p=AAAA";
        for (records, expected) in [
            (&["v=DKIM1; k=ed25519; p=AA AA"][..], "good"),
            (&["v=DKIM1; k=ed25519; p=BBBB"], "bad"),
            (&[], "bad"),
        ] {
            assert_eq!(kind(&signs("s._domainkey.x.org", wanted, texts(records))), expected, "{records:?}");
        }
        let unknown: Result<Vec<String>, String> = Err("no answer".into());
        assert_eq!(kind(&policy("x.org", unknown.clone())), "doubtful");
        assert_eq!(kind(&sender("x.org", unknown)), "doubtful");
        let host = MailHost { name: "mx.x.org".into(), preference: 10, addresses: vec![] };
        assert_eq!(kind(&takes("mx.x.org", "x.org", Ok(vec![host.clone()]))), "good");
        assert_eq!(kind(&takes("other.org", "x.org", Ok(vec![host]))), "doubtful");
        assert_eq!(kind(&takes("mx.x.org", "x.org", Err(NoHosts::NoDomain))), "bad");
    }
}
