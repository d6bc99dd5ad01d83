//! `restante backup`, `restante restore`.

use std::path::Path;

use crate::app::App;
use crate::config::Config;
use crate::store::backup::{self, Manifest};

use super::say;

/// Backs up the store of the settings.
pub(super) async fn backup(config: Config, to: &Path) -> anyhow::Result<()> {
    let context = App::new(config).context().await?;
    let made = context.store.backup(to, context.clock.now_ms()).await;
    context.store.close().await;
    told("Backed up", &made?, to);
    Ok(())
}

/// Puts a backup where the settings look for their store.
pub(super) async fn restore(config: &Config, from: &Path, check: bool) -> anyhow::Result<()> {
    if check {
        told("Whole:", &backup::verify(from).await?, from);
        return Ok(());
    }
    anyhow::ensure!(
        config.database.url.is_none(),
        "a backup is restored into data_dir, but database.url names another database; leave it out"
    );
    told("Restored", &backup::restore(from, &config.data_dir).await?, from);
    Ok(())
}

fn told(what: &str, manifest: &Manifest, at: &Path) {
    let Manifest { messages, files, schema, .. } = manifest;
    say(&format!("{what} {messages} messages and {files} files (schema {schema}): {}", at.display()));
}
