//! The settings: defaults, then a file, then the environment. `config/restante.toml` shows every one of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::delivery::next_hop::Way;
use crate::delivery::relay::TimeOuts;
use crate::http;
use crate::mail::duration;
use crate::net::http::{Client, Reach};
use crate::smtp::{At, Tls};
use crate::store::remote::Location;
use anyhow::Context as _;
use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Every setting with its default and a comment, as the package carries it.
pub const DOCUMENTED: &str = include_str!("../config/restante.toml");

/// Variables with our prefix that are no settings: they belong to the client commands and to the tests.
const NO_SETTINGS: [&str; 4] = ["url", "token", "config", "long"];

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the SQLite file and the larger blobs live.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// The larger messages and attachments.
    pub blobs: Blobs,
    /// The HTTP door.
    pub http: http::Settings,
    /// The SMTP door.
    pub smtp: Smtp,
    /// The mail this system is responsible for.
    pub mail: Mail,
    /// The next hop for outside addresses.
    pub relay: Relay,
    /// Retries.
    pub delivery: Delivery,
    /// Calls to the programs that accounts name.
    pub webhooks: Webhooks,
    /// Logging.
    pub log: Log,
}

/// The database.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://…` or `sqlite:PATH`; none is a SQLite file in `data_dir`.
    pub url: Option<String>,
}

/// The larger messages and attachments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blobs {
    /// `s3://BUCKET/PREFIX`; none is a directory in `data_dir`.
    pub url: Option<String>,
}

/// The SMTP door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Where other mail servers come in.
    pub listen: SocketAddr,
    /// Where mail programs submit after STARTTLS.
    pub submission_listen: Option<SocketAddr>,
    /// Where mail programs submit by TLS from the beginning.
    pub submissions_listen: Option<SocketAddr>,
    /// Where a mail server beside this one hands over mail by LMTP.
    pub lmtp_listen: Option<At>,
    /// The certificate of all of them.
    pub tls: Option<Tls>,
    /// Whether SPF, DKIM and DMARC are checked of what other mail servers bring.
    pub authenticate: bool,
    /// A filter that is shown what other mail servers bring; none: nobody is.
    pub filter_url: Option<Url>,
}

/// The mail this system is responsible for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// The domain of local addresses, Message-IDs and reply addresses; lower-case.
    #[serde(deserialize_with = "domain")]
    pub domain: String,
}

/// The next hop for outside addresses.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relay {
    /// `smtp://host:port`, `smtps://user:password@host`, `mx` or `capture`; none: outside mail is refused.
    pub url: Option<String>,
    /// Next hops of their own for some domains.
    pub domains: BTreeMap<String, String>,
    /// A file with certificates (PEM) of authorities that are trusted beside the well-known ones.
    pub ca_file: Option<PathBuf>,
    /// Name servers for `mx`; none are the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Connections to one next hop at once.
    pub connections: usize,
    /// How long connecting, the greeting, TLS and AUTH may take, each.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub connect_within: Duration,
    /// How long the replies to MAIL, RCPT and DATA may take, each.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub reply_within: Duration,
    /// How long the content and the reply to its final dot may take, beside a second for each 16 KiB.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub content_within: Duration,
}

/// Retries of deliveries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// The wait after the first failed attempt.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub first_retry: Duration,
    /// The longest wait between two attempts.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub max_retry: Duration,
    /// How long a message is tried.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub give_up_after: Duration,
    /// How long a node that gave no sign of life keeps its work.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub lease: Duration,
    /// How long a message is tried before its sender is told that it takes long.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub delay_notice_after: Duration,
    /// How long nothing is sent to an address that was refused as unknown.
    #[serde(serialize_with = "span_out", deserialize_with = "span_in")]
    pub suppress_for: Duration,
}

/// Calls to the programs that accounts name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Whether they may be on this machine and in private networks.
    pub private_targets: bool,
}

impl Webhooks {
    /// Which addresses may be called.
    #[must_use]
    pub fn reach(self) -> Reach {
        if self.private_targets { Reach::Anywhere } else { Reach::Public }
    }
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A level, or the directives of `tracing_subscriber::EnvFilter`.
    pub level: String,
    /// For whom the lines are written.
    pub format: LogFormat,
}

/// For whom the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            database: Database::default(),
            blobs: Blobs::default(),
            http: http::Settings::default(),
            smtp: Smtp::default(),
            mail: Mail::default(),
            relay: Relay::default(),
            delivery: Delivery::default(),
            webhooks: Webhooks::default(),
            log: Log::default(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 2525)),
            submission_listen: None,
            submissions_listen: None,
            lmtp_listen: None,
            tls: None,
            authenticate: true,
            filter_url: None,
        }
    }
}

impl Default for Relay {
    fn default() -> Self {
        let time_outs = TimeOuts::default();
        Self {
            url: None,
            domains: BTreeMap::new(),
            ca_file: None,
            name_servers: Vec::new(),
            connections: 20,
            connect_within: time_outs.connect,
            reply_within: time_outs.command,
            content_within: time_outs.content,
        }
    }
}

impl Default for Mail {
    fn default() -> Self {
        Self { domain: "localhost".into() }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_secs(60),
            max_retry: Duration::from_secs(4 * 3600),
            give_up_after: Duration::from_secs(5 * 86_400),
            lease: Duration::from_secs(30),
            delay_notice_after: Duration::from_secs(4 * 3600),
            suppress_for: Duration::from_secs(30 * 86_400),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text }
    }
}

// Their addresses may carry passwords.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.url.is_some() { "Database { url: … }" } else { "Database { url: None }" })
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.url.is_some() { "Relay { url: … }" } else { "Relay { url: None }" })
    }
}

impl Config {
    /// Reads the defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// A file that cannot be read, a setting that is unknown or has no sense; names the key and where it stands.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            anyhow::ensure!(file.is_file(), "the settings file {} is not there", file.display());
            figment = figment.merge(Toml::file_exact(file));
        }
        let environment = Env::prefixed("RESTANTE_").ignore(&NO_SETTINGS).split("__").lowercase(true);
        let config: Self = figment.merge(environment).extract().map_err(|error| {
            // One line each, because a wrong file is often wrong in several places.
            anyhow::anyhow!(error.into_iter().map(|e| e.to_string()).collect::<Vec<_>>().join("\n"))
        })?;
        config.checked()
    }

    /// The next hop that `relay.url` names, if it is set.
    ///
    /// # Errors
    /// It cannot be used; says what it has to look like.
    pub fn next_hop(&self) -> anyhow::Result<Option<Way>> {
        Ok(self.relay.url.as_deref().map(str::parse).transpose()?)
    }

    /// Whether this is a sandbox, which sends nothing: `relay.url = "capture"`.
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        matches!(self.next_hop(), Ok(Some(Way::Capture)))
    }

    /// The next hops that `relay.domains` names, by domain.
    ///
    /// # Errors
    /// One cannot be used; says which.
    pub fn domains(&self) -> anyhow::Result<BTreeMap<String, Way>> {
        let read = |(name, url): (&String, &String)| {
            let hop = url.parse().with_context(|| format!("relay.domains: {name}"))?;
            let domain = format!("postmaster@{name}").parse::<crate::mail::address::Address>();
            let domain = domain.with_context(|| format!("relay.domains: {name:?} is no domain"))?;
            Ok((domain.domain().to_owned(), hop))
        };
        self.relay.domains.iter().map(read).collect()
    }

    /// The object store that `blobs.url` names, if it is set; how it is reached says the environment (`AWS_…`).
    ///
    /// # Errors
    /// It is no such address.
    pub fn object_store(&self) -> anyhow::Result<Option<Location>> {
        let environment =
            || std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Ok(self.blobs.url.as_deref().map(|url| Location::new(url, environment())).transpose()?)
    }

    fn checked(self) -> anyhow::Result<Self> {
        let Delivery { first_retry, max_retry, give_up_after, lease, .. } = self.delivery;
        anyhow::ensure!(!first_retry.is_zero(), "delivery.first_retry must be longer than nothing");
        anyhow::ensure!(
            first_retry <= max_retry,
            "delivery.max_retry must not be shorter than delivery.first_retry"
        );
        anyhow::ensure!(
            max_retry <= give_up_after,
            "delivery.give_up_after must not be shorter than delivery.max_retry"
        );
        let submission = self.smtp.submission_listen.or(self.smtp.submissions_listen);
        anyhow::ensure!(
            submission.is_none() || self.smtp.tls.is_some(),
            "smtp.submission_listen and smtp.submissions_listen need smtp.tls: tokens are taken over TLS only"
        );
        if let Some(url) = &self.smtp.filter_url {
            Client::new(Reach::Anywhere, &[]).check(url).context("smtp.filter_url")?;
        }
        anyhow::ensure!(
            (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&lease),
            "delivery.lease must be from 1s to 1h"
        );
        let (way, domains) = (self.next_hop()?, self.domains()?);
        anyhow::ensure!(
            domains.is_empty() || way.is_some_and(|way| way != Way::Capture),
            "relay.domains needs a relay.url that sends: without one all mail for outside is refused or captured"
        );
        anyhow::ensure!(
            !domains.values().any(|way| *way == Way::Capture),
            "relay.domains: only relay.url can be capture"
        );
        let Relay { connections, connect_within, reply_within, content_within, .. } = &self.relay;
        anyhow::ensure!((1..=256).contains(connections), "relay.connections is from 1 to 256");
        for (name, span) in
            [("connect", connect_within), ("reply", reply_within), ("content", content_within)]
        {
            anyhow::ensure!(!span.is_zero(), "relay.{name}_within must be longer than nothing");
        }
        self.object_store()?;
        if let Some(url) = &self.http.public_url {
            anyhow::ensure!(
                matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none(),
                "http.public_url must be http:// or https:// with a host and nothing after it"
            );
        }
        Ok(self)
    }
}

fn domain<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let domain = String::deserialize(from)?.to_lowercase();
    match format!("postmaster@{domain}").parse::<crate::mail::address::Address>() {
        Ok(address) => Ok(address.domain().to_owned()),
        Err(_) => Err(serde::de::Error::custom(format!("{domain:?} is no domain"))),
    }
}

fn span_in<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    duration::human(&text)
        .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no duration; write 30s, 1m, 4h or 5d")))
}

fn span_out<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&duration::show(*span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let defaults = Figment::from(Serialized::defaults(Config::default()));
        let read = defaults.merge(Toml::string(text)).extract::<Config>().map_err(|e| e.to_string())?;
        read.checked().map_err(|e| e.to_string())
    }

    #[test]
    fn the_documented_file_is_the_defaults_and_names_every_setting() {
        let documented: Config = Figment::from(Toml::string(DOCUMENTED)).extract().unwrap();
        assert_eq!(documented, Config::default());
        // With the commented ones taken in it still reads, so their names are right.
        let all: String = DOCUMENTED
            .lines()
            .map(|line| {
                line.strip_prefix("# ").filter(|l| l.contains(" = \"") && !l.contains(',')).unwrap_or(line)
            })
            .fold(String::new(), |all, line| all + line + "\n");
        let all = Figment::from(Toml::string(&all)).extract::<Config>().unwrap();
        assert!(all.database.url.is_some() && all.blobs.url.is_some());
        assert!(all.http.public_url.is_some() && all.relay.url.is_some());
        let serde_json::Value::Object(groups) = serde_json::to_value(Config::default()).unwrap() else {
            panic!("settings are a table")
        };
        for (name, group) in groups {
            assert!(DOCUMENTED.contains(&name), "{name}");
            for key in group.as_object().into_iter().flat_map(|g| g.keys()) {
                assert!(DOCUMENTED.contains(&format!("{key} = ")), "{name}.{key}");
            }
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        for (text, says) in [
            ("[http]\nlisten_on = \"x\"", "listen_on"),
            ("colour = 1", "colour"),
            ("[delivery]\nfirst_retry = \"soon\"", "first_retry"),
            ("[delivery]\nfirst_retry = \"5h\"", "delivery.max_retry"),
            ("[delivery]\nlease = \"500ms\"", "delivery.lease"),
            ("[http]\nrate_limit = \"many\"", "rate_limit"),
            ("[mail]\ndomain = \"a b\"", "domain"),
            ("[http]\nlisten = \"everywhere\"", "listen"),
            ("[relay]\nurl = \"http://x\"", "relay.url"),
            ("[relay]\nconnections = 0", "relay.connections"),
            ("[relay.domains]\n\"x.test\" = \"http://x\"", "x.test"),
            ("[relay.domains]\n\"x y\" = \"smtp://x\"", "no domain"),
            ("[blobs]\nurl = \"/var/blobs\"", "blobs.url"),
            ("[http]\npublic_url = \"https://x/y\"", "http.public_url"),
            ("[http]\ntrusted_proxies = [\"10.0.0.0/99\"]", "trusted_proxies"),
            ("[smtp]\nsubmission_listen = \"127.0.0.1:587\"", "smtp.tls"),
            ("[smtp]\nfilter_url = \"ftp://x/y\"", "smtp.filter_url"),
            ("[smtp]\nlmtp_listen = \"unix:lmtp\"", "unix:/path"),
            ("[log]\nformat = \"xml\"", "format"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        let config = read("[http]\ntrusted_proxies = \"10.0.0.0/8, ::1\"").unwrap();
        assert_eq!(config.http.trusted_proxies.len(), 2);
    }

    #[test]
    fn passwords_are_not_shown() {
        let config =
            read("[relay]\nurl = \"smtps://u:secret@h\"\n[database]\nurl = \"postgres://u:secret@h\"")
                .unwrap();
        assert!(!format!("{config:?}").contains("secret"));
    }
}
