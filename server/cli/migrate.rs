//! `restante migrate`: brings the schema up to date.

use crate::app::App;
use crate::config::Config;

use super::say;

/// Opening the store is what migrates it.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    App::new(config).context().await?.store.close().await;
    say("The database is up to date.");
    Ok(())
}
