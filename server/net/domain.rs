//! A domain of ours in the DNS: the records that it needs, and whether they are there.

use futures_util::future::join_all;

use super::resolve::{MailHost, NoHosts, Resolver};
use crate::mail::dkim::Key;

/// A record that a zone needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Without a dot at its end.
    pub name: String,
    /// `MX` or `TXT`.
    pub kind: &'static str,
    /// As it stands in a zone file.
    pub value: String,
}

impl Record {
    fn new(name: String, kind: &'static str, value: String) -> Self {
        Self { name, kind, value }
    }

    /// As it stands in a zone file.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}. {} {}", self.name, self.kind, self.value)
    }
}

/// What a domain's zone needs; `host` is the name of this server.
#[must_use]
pub fn records(keys: &[(String, Key)], domain: &str, host: &str) -> Vec<Record> {
    let text = |name: String, text: &str| Record::new(name, "TXT", quoted(text));
    let own = keys.iter().filter(|(of, _)| of == domain);
    [Record::new(domain.to_owned(), "MX", format!("10 {host}.")), text(domain.to_owned(), "v=spf1 mx -all")]
        .into_iter()
        .chain(own.map(|(_, key)| text(key.name(), &key.record())))
        .chain([text(
            format!("_dmarc.{domain}"),
            &format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}"),
        )])
        .collect()
}

/// A text as strings of at most 255 octets each (RFC 1035 §3.3).
fn quoted(text: &str) -> String {
    let parts: Vec<String> =
        text.as_bytes().chunks(250).map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect();
    parts.join(" ")
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// As it should be.
    Good(String),
    /// It works, but some will not like it.
    Doubtful(String),
    /// Mail is lost or refused because of it.
    Bad(String),
}

impl Found {
    /// `good`, `doubtful` or `bad`, and what was found.
    #[must_use]
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            Found::Good(text) => ("good", text),
            Found::Doubtful(text) => ("doubtful", text),
            Found::Bad(text) => ("bad", text),
        }
    }

    /// As a command prints it.
    #[must_use]
    pub fn line(&self) -> String {
        match self {
            Found::Good(text) => format!("ok       {text}"),
            Found::Doubtful(text) => format!("warning  {text}"),
            Found::Bad(text) => format!("problem  {text}"),
        }
    }
}

/// Looks at what the DNS says of a domain of ours, with the keys of all of them; `host` is the name of this server.
pub async fn look(resolver: &Resolver, host: &str, domain: &str, keys: &[(String, Key)]) -> Vec<Found> {
    if !domain.contains('.') {
        let text = format!("{domain} is no name of the Internet: nobody outside reaches it");
        return vec![Found::Doubtful(text)];
    }
    let own: Vec<&Key> = keys.iter().filter(|(of, _)| of == domain).map(|(_, key)| key).collect();
    let policies = format!("_dmarc.{domain}");
    let (hosts, texts, policies, signed) = tokio::join!(
        resolver.mail_hosts(domain),
        resolver.texts(domain),
        resolver.texts(&policies),
        join_all(own.iter().map(async |key| {
            let name = key.name();
            signs(&name, &key.record(), resolver.texts(&name).await)
        })),
    );
    let mut all = vec![takes(host, domain, hosts), sender(domain, texts)];
    if signed.is_empty() {
        let text = format!("{domain} signs nothing; restante domain add {domain} makes a key (DKIM)");
        all.push(Found::Doubtful(text));
    }
    all.extend(signed);
    all.push(policy(domain, policies));
    all
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
        found.told().0
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

    #[test]
    fn a_zone_gets_what_it_needs() {
        let keys = [("x.org".to_owned(), Key::ed25519("x.org", "s", &[7; 32]).unwrap())];
        let lines: Vec<String> = records(&keys, "x.org", "mx.x.org").iter().map(Record::line).collect();
        assert_eq!(lines[..2], ["x.org. MX 10 mx.x.org.", "x.org. TXT \"v=spf1 mx -all\""]);
        assert!(lines[2].starts_with("s._domainkey.x.org. TXT \"v=DKIM1; k=ed25519; p="), "{}", lines[2]);
        assert!(lines[3].starts_with("_dmarc.x.org. TXT \"v=DMARC1; p=quarantine;"));
        assert_eq!(records(&keys, "y.org", "mx.x.org").len(), 3, "another domain's key is not its own");
        assert_eq!(quoted(&"a".repeat(251)), format!("\"{}\" \"a\"", "a".repeat(250)));
    }
}
