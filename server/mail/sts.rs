//! MTA-STS policies (RFC 8461): whether a domain asks for encryption, and which mail hosts are its own.

/// What a policy asks for (RFC 8461 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Mail only goes to these hosts, over TLS with a valid certificate.
    Enforce,
    /// Failures would be reported; mail goes all the same.
    Testing,
    /// No policy any more.
    None,
}

/// A domain's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What it asks for.
    pub mode: Mode,
    /// Mail hosts, lower-case; `*.x.org` stands for one label more.
    hosts: Vec<String>,
    /// How long it may be kept, in seconds.
    pub max_age: u64,
}

/// Hosts of a policy that are read.
const HOSTS: usize = 100;
/// The longest that a policy is kept: RFC 8461 §3.2 has a year.
const YEAR: u64 = 31_557_600;

impl Policy {
    /// Reads a policy's text (RFC 8461 §3.2); none where it is not one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (mut version, mut mode, mut max_age, mut hosts) = (None, None, None, Vec::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) = line.split_once(':')?;
            let value = value.trim();
            match key.trim() {
                "version" if version.is_none() => version = Some(value == "STSv1"),
                "mode" if mode.is_none() => {
                    mode = Some(match value {
                        "enforce" => Mode::Enforce,
                        "testing" => Mode::Testing,
                        "none" => Mode::None,
                        _ => return None,
                    });
                }
                "max_age" if max_age.is_none() => max_age = Some(value.parse::<u64>().ok()?.min(YEAR)),
                "mx" if hosts.len() < HOSTS => {
                    hosts.push(value.trim_end_matches('.').to_ascii_lowercase());
                }
                // What is not known is left for later versions.
                _ => {}
            }
        }
        let (mode, max_age) = (mode?, max_age?);
        (version == Some(true) && (mode == Mode::None || !hosts.is_empty())).then_some(Self {
            mode,
            hosts,
            max_age,
        })
    }

    /// Whether a mail host is one of the domain's (RFC 8461 §4.1).
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(rest) => host.split_once('.').is_some_and(|(label, of)| !label.is_empty() && of == rest),
            None => pattern == host,
        })
    }
}

/// The id in a `_mta-sts` record (RFC 8461 §3.1); none where it is none of that kind.
#[must_use]
pub fn id(record: &str) -> Option<String> {
    let mut fields = record.split(';').map(str::trim);
    if fields.next() != Some("v=STSv1") {
        return None;
    }
    let id = fields.find_map(|field| field.strip_prefix("id=")).map(str::trim)?;
    let fits = !id.is_empty() && id.len() <= 32 && id.chars().all(|c| c.is_ascii_alphanumeric());
    fits.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_and_name_hosts() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: Mail.x.org\r\nmx: *.y.org\r\nfuture: 1\r\nmax_age: 604800\r\n";
        let policy = Policy::read(text).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, 604_800));
        for (host, named) in [
            ("mail.x.org", true),
            ("x.org", false),
            ("a.mail.x.org", false),
            ("mx.y.org", true),
            ("y.org", false),
            ("a.b.y.org", false),
            (".y.org", false),
        ] {
            assert_eq!(policy.names(host), named, "{host}");
        }
        assert_eq!(Policy::read("version: STSv1\nmode: none\nmax_age: 99999999999\n").unwrap().max_age, YEAR);
        for bad in [
            "",
            "<html>",
            "mode: enforce\nmx: a\nmax_age: 1\n",
            "version: STSv2\nmode: enforce\nmx: a\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmax_age: 1\n",
            "version: STSv1\nmode: strict\nmx: a\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1\n",
        ] {
            assert_eq!(Policy::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn records_have_an_id() {
        assert_eq!(id("v=STSv1; id=20160831085700Z;").as_deref(), Some("20160831085700Z"));
        for bad in ["v=spf1 -all", "v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a-b", "id=1; v=STSv1"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
