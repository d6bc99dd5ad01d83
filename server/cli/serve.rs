//! `restante serve` and `restante worker`: run until told to stop.

use crate::app::{App, Running};
use crate::config::Config;

use super::say;

/// Runs everything.
pub(super) async fn serve(config: Config) -> anyhow::Result<()> {
    let running = App::new(config).start().await?;
    if let Some(link) = running.setup_link().await? {
        say(&format!("Create the first administrator within a day: {link}"));
    }
    let smtp = running.smtp.map_or_else(String::new, |at| format!(", mail in on {at}"));
    say(&format!("Restante is ready on {}{smtp}", running.public_url.as_str().trim_end_matches('/')));
    until_told(running).await
}

/// Runs the worker alone.
pub(super) async fn worker(config: Config) -> anyhow::Result<()> {
    let running = App::new(config).without_doors().start().await?;
    say("Restante's worker is ready");
    until_told(running).await
}

/// Waits for SIGTERM or Ctrl-C, then stops in order; a second one ends at once.
async fn until_told(running: Running) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    signals.next().await;
    tracing::info!("stopping: what has begun is finished first");
    tokio::select! {
        () = running.stop() => Ok(()),
        () = signals.next() => anyhow::bail!("stopped before everything was finished; nothing accepted is lost"),
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => (),
            _ = self.1.recv() => (),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
