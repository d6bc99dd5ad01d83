//! `restante token …`

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::app::App;
use crate::auth::{Scope, Scopes, token};
use crate::config::Config;
use crate::mail::address::Address;
use crate::mail::duration;
use crate::store::audit::Entry;
use crate::store::token::NewToken;

use super::say;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes a token and prints it, alone and this once.
    Create(Create),
}

#[derive(Args)]
pub(super) struct Create {
    /// Whose token it is.
    address: Address,
    /// What it is for.
    #[arg(long)]
    name: String,
    /// What it may do, such as messages:send; may be given several times. All its account may when absent.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<Scope>,
    /// Ends by itself after this long, such as 90d.
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let Command::Create(create) = command;
    let lasts = match &create.expires_in {
        Some(text) => {
            Some(duration::human(text).with_context(|| format!("{text:?} is no duration such as 90d"))?)
        }
        None => None,
    };
    anyhow::ensure!(
        !create.name.trim().is_empty() && !create.name.chars().any(char::is_control),
        "--name is one line"
    );
    let context = App::new(config).context().await?;
    let account = context.store.account_by_address(&create.address.key()).await?;
    let account = account.with_context(|| format!("there is no account {}", create.address))?;
    let scopes: Scopes = if create.scopes.is_empty() {
        Scopes::of_token(account.admin, account.kind == "service")
    } else {
        create.scopes.into_iter().collect()
    };
    anyhow::ensure!(
        scopes.within(Scopes::of_account(account.admin)),
        "{} is no administrator",
        create.address
    );
    let (now, secret) = (context.clock.now_ms(), context.ids.token());
    let lasts = lasts.map(|lasts| i64::try_from(lasts.as_millis())).transpose()?;
    let new = NewToken {
        account_id: account.id,
        id: context.ids.id(now),
        name: create.name,
        digest: token::digest(&secret),
        scopes: scopes.to_string(),
        expires_at: lasts.map(|lasts| now.saturating_add(lasts)),
    };
    let target = format!("{} {}", create.address, new.name);
    let entry = Entry::at_the_command_line(context.ids.id(now), now, "token.created", &target);
    context.store.audited(&entry).create_token(new, now).await?;
    context.store.close().await;
    say(&secret);
    Ok(())
}
