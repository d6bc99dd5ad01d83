//! `restante account …`

use std::io::BufRead as _;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use crate::app::App;
use crate::auth::password::Passwords;
use crate::config::Config;
use crate::mail::address::Address;
use crate::store;
use crate::store::account::{Kind, NewAccount};
use crate::store::audit::Entry;

use super::say;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Makes an account. Without a password it signs in nowhere, but may have tokens.
    Create(Create),
}

#[derive(Args)]
pub(super) struct Create {
    /// Such as ana@example.org; its domain becomes a local one.
    address: Address,
    /// The display name; the part before the @ when absent.
    #[arg(long)]
    name: Option<String>,
    /// May administer this server.
    #[arg(long)]
    admin: bool,
    /// A program: its tokens answer questions only if made with that scope.
    #[arg(long)]
    service: bool,
    /// Reads the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Prints the account as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let Command::Create(create) = command;
    let password = if create.password_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("standard input")?;
        let password = line.trim_end_matches(['\r', '\n']).to_owned();
        Some(Passwords::default().hash(password).await?)
    } else {
        None
    };
    let context = App::new(config).context().await?;
    let now = context.clock.now_ms();
    let id = context.ids.id(now);
    let name = create.name.unwrap_or_else(|| create.address.local().to_owned());
    anyhow::ensure!(!name.trim().is_empty() && !name.chars().any(char::is_control), "--name is one line");
    let shown = create.address.to_string();
    let kind = if create.service { Kind::Service } else { Kind::Person };
    let new =
        NewAccount { id, address: create.address, name: name.clone(), kind, admin: create.admin, password };
    let entry = Entry::at_the_command_line(context.ids.id(now), now, "account.created", &shown);
    match context.store.audited(&entry).create_account(new, now).await {
        Ok(()) => {}
        Err(store::Error::Conflict) => bail!("{shown} belongs to an account already"),
        Err(error) => return Err(error.into()),
    }
    context.store.close().await;
    if create.json {
        say(&serde_json::json!({ "id": id, "address": shown, "name": name, "kind": kind.as_str(), "admin": create.admin }).to_string());
    } else {
        say(&format!("Created {shown}."));
    }
    Ok(())
}
