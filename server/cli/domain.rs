//! `restante domain …`: domains of ours, the keys their mail is signed with, and the DNS records they need.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use crate::app::App;
use crate::config::Config;
use crate::mail::address::Address;
use crate::mail::dkim;
use crate::net;
use crate::store::audit::Entry;
use crate::store::dkim::{Algorithm, SELECTOR};
use crate::store::{Error, Store};

use super::say;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes a domain ours, with a key to sign its mail, and prints the DNS records it needs.
    Add {
        /// Such as example.org.
        domain: String,
        /// Signs with this RSA key as well: PKCS #8 in PEM, at least 2048 bits.
        #[arg(long, value_name = "FILE")]
        rsa_key: Option<PathBuf>,
        /// The selector of the RSA key.
        #[arg(long, default_value = "restante-rsa")]
        rsa_selector: String,
    },
    /// Prints the DNS records that our domains need.
    Records {
        /// Only of this one.
        domain: Option<String>,
    },
    /// Lists our domains.
    List,
    /// Signs a domain's mail no more with the key of a selector.
    ForgetKey {
        /// The domain.
        domain: String,
        /// The selector.
        selector: String,
    },
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let host = config.mail.domain.clone();
    let context = App::new(config).context().await?;
    let (store, now) = (&context.store, context.clock.now_ms());
    let audited = |action, target: &str| Entry::at_the_command_line(context.ids.id(now), now, action, target);
    match command {
        Command::Add { domain, rsa_key, rsa_selector } => {
            let domain = name(&domain)?;
            if !store.local_domains().await?.contains(&domain) {
                let entry = audited("domain.added", &domain);
                store.audited(&entry).add_domain(domain.clone(), now).await?;
            }
            let seed = context.ids.secret().to_vec();
            match store.keep_dkim_key(&domain, SELECTOR, Algorithm::Ed25519, seed, now).await {
                // It has one.
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(file) = rsa_key {
                anyhow::ensure!(
                    name(&format!("{rsa_selector}.example")).is_ok() && !rsa_selector.contains('.'),
                    "--rsa-selector is one label of a domain name"
                );
                let pem = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
                let secret = dkim::pkcs8(&pem)?;
                dkim::Key::rsa(&domain, &rsa_selector, &secret)?;
                store.keep_dkim_key(&domain, &rsa_selector, Algorithm::Rsa, secret, now).await.map_err(
                    |error| match error {
                        Error::Conflict => anyhow::anyhow!("there is a key of the selector {rsa_selector}"),
                        error => error.into(),
                    },
                )?;
            }
            records(&context.store.dkim_keys().await?, &domain, &host);
        }
        Command::Records { domain } => {
            let only = domain.as_deref().map(name).transpose()?;
            let keys = store.dkim_keys().await?;
            for domain in ours(store).await? {
                if only.as_ref().is_none_or(|only| *only == domain) {
                    records(&keys, &domain, &host);
                }
            }
        }
        Command::List => ours(store).await?.iter().for_each(|domain| say(domain)),
        Command::ForgetKey { domain, selector } => {
            let domain = name(&domain)?;
            let entry = audited("key.forgotten", &format!("{domain} {selector}"));
            let store = store.audited(&entry);
            store.forget_dkim_key(&domain, &selector).await.context("there is no such key")?;
        }
    }
    context.store.close().await;
    Ok(())
}

/// Our domains, by name.
async fn ours(store: &Store) -> anyhow::Result<Vec<String>> {
    let mut names: Vec<String> = store.local_domains().await?.iter().cloned().collect();
    names.sort();
    Ok(names)
}

fn name(domain: &str) -> anyhow::Result<String> {
    let address = format!("postmaster@{domain}").parse::<Address>();
    let address = address.with_context(|| format!("{domain:?} is no domain"))?;
    Ok(address.domain().to_owned())
}

/// Prints what a zone needs; `host` is the name of this server.
fn records(keys: &[(String, dkim::Key)], domain: &str, host: &str) {
    net::domain::records(keys, domain, host).iter().for_each(|record| say(&record.line()));
}
