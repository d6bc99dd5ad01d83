//! `restante backup`, `restante restore`.

use std::path::Path;

use crate::app::App;
use crate::config::Config;
use crate::mail::clock::Clock;
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
    let blobs = config.object_store()?;
    told(
        "Restored",
        &backup::restore(from, &config.data_dir, blobs.as_ref(), Clock::system().now_ms()).await?,
        from,
    );
    say(
        "Sending is paused: the queue may hold what has gone out since. Look at it, then: restante queue resume",
    );
    Ok(())
}

fn told(what: &str, manifest: &Manifest, at: &Path) {
    let Manifest { messages, files, schema, .. } = manifest;
    say(&format!("{what} {messages} messages and {files} files (schema {schema}): {}", at.display()));
    if let Some(objects) = &manifest.objects {
        say(&format!(
            "Not in it, and not checked: {} blobs that are objects in {}. They must be kept there as long as the backup is; \
             the bucket's versioning does that.",
            objects.count, objects.at
        ));
    }
}
