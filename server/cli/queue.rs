//! `restante queue …`

use clap::Subcommand;

use crate::app::App;
use crate::config::Config;

use super::say;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Lets nothing leave: mail to outside addresses, notices and webhooks wait; everything else goes on.
    Pause,
    /// Lets it go again, also after a backup was restored.
    Resume,
    /// Says whether anything may leave.
    Status,
}

pub(super) async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let context = App::new(config).context().await?;
    let done = match command {
        Command::Pause => context.store.pause(context.clock.now_ms()).await.map(|()| "Sending is paused."),
        Command::Resume => context.store.resume().await.map(|was| {
            if was {
                "Sending goes on: nodes that run notice it within seconds."
            } else {
                "Sending was not paused."
            }
        }),
        Command::Status => context.store.paused().await.map(|pause| match pause {
            Some(pause) if pause.reason == "restored" => {
                "Sending is paused since a backup was restored; restante queue resume ends it."
            }
            Some(_) => "Sending is paused; restante queue resume ends it.",
            None => "Sending is not paused.",
        }),
    };
    context.store.close().await;
    say(done?);
    Ok(())
}
