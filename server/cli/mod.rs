//! The command line: one file per command.

mod account;
mod ask;
mod backup;
mod client;
mod demo;
mod doctor;
mod domain;
mod explain;
mod mail;
mod migrate;
mod queue;
mod serve;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::telemetry;

/// Store-and-forward messaging for people and programs.
#[derive(Parser)]
#[command(name = "restante", version, arg_required_else_help = false)]
struct Cli {
    /// Settings file; config/restante.toml shows every setting.
    #[arg(long, global = true, value_name = "FILE", env = "RESTANTE_CONFIG")]
    config: Option<PathBuf>,
    /// Prints JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the API, the web inbox, mail in and the worker (the default).
    Serve,
    /// Runs the worker alone, beside other nodes on one PostgreSQL database.
    Worker,
    /// Brings the database's schema up to date, and ends.
    Migrate,
    /// Accounts.
    #[command(subcommand)]
    Account(account::Command),
    /// API tokens.
    #[command(subcommand)]
    Token(token::Command),
    /// Fills an empty system with people, threads, an open question and a delayed message to look at.
    Demo,
    /// Writes a backup into a new directory, while the server runs.
    Backup {
        /// The directory.
        to: PathBuf,
    },
    /// Checks a backup and puts it into an empty data_dir.
    Restore {
        /// The backup's directory.
        from: PathBuf,
        /// Only checks it.
        #[arg(long)]
        check: bool,
    },
    /// Domains of ours, the keys their mail is signed with, and their DNS records.
    #[command(subcommand)]
    Domain(domain::Command),
    /// What waits to be delivered, why, and what is done about it.
    Queue {
        #[command(subcommand)]
        command: Option<queue::Command>,
    },
    /// Tells one message's whole way in plain sentences.
    Explain {
        /// The message's id here, or a delivery's.
        id: uuid::Uuid,
    },
    /// Looks at what mail needs to go out and come in (DNS records, keys, the way out), and says what to do.
    Doctor,
    /// Prints every setting with its default.
    Settings,
    /// Sends a message; the text comes from the argument or from standard input.
    Send(mail::Send),
    /// Lists what is in the inbox, newest first.
    Inbox(mail::Inbox),
    /// Prints a message.
    Read(mail::Read),
    /// Replies to a message.
    Reply(mail::Reply),
    /// Asks people a question, and prints the answer if it waits for it.
    Ask(ask::Ask),
    /// Waits for a promise, and prints its value.
    Await(ask::Await),
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            // With the causes, each once, on one line.
            eprintln!("restante: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Some(Command::Settings) = cli.command {
        print!("{}", crate::config::DOCUMENTED);
        return Ok(ExitCode::SUCCESS);
    }
    // What talks to a server needs nothing of its settings.
    let command = cli.command.unwrap_or(Command::Serve);
    let command = match client_command(command, cli.json) {
        Ok(done) => return done,
        Err(command) => *command,
    };
    let config = Config::read(cli.config.as_deref())?;
    telemetry::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::serve(config).await,
            Command::Worker => serve::worker(config).await,
            Command::Migrate => migrate::run(config).await,
            Command::Account(command) => account::run(config, command).await,
            Command::Token(command) => token::run(config, command).await,
            Command::Backup { to } => backup::backup(config, &to).await,
            Command::Restore { from, check } => backup::restore(&config, &from, check).await,
            Command::Demo => demo::run(config).await,
            Command::Domain(command) => domain::run(config, command).await,
            Command::Queue { command } => queue::run(config, command).await,
            Command::Explain { id } => explain::run(config, id).await,
            Command::Doctor => doctor::run(config).await,
            Command::Settings
            | Command::Send(_)
            | Command::Inbox(_)
            | Command::Read(_)
            | Command::Reply(_)
            | Command::Ask(_)
            | Command::Await(_) => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that talks to a server; gives back any other.
fn client_command(command: Command, json: bool) -> Result<anyhow::Result<ExitCode>, Box<Command>> {
    let talks = matches!(
        command,
        Command::Send(_)
            | Command::Inbox(_)
            | Command::Read(_)
            | Command::Reply(_)
            | Command::Ask(_)
            | Command::Await(_)
    );
    if !talks {
        return Err(Box::new(command));
    }
    let run = async {
        let client = client::Client::from_environment(json)?;
        match &command {
            Command::Send(send) => mail::send(&client, send).await,
            Command::Inbox(inbox) => mail::inbox(&client, inbox).await,
            Command::Read(read) => mail::read(&client, read).await,
            Command::Reply(reply) => mail::reply(&client, reply).await,
            Command::Ask(ask) => ask::ask(&client, ask).await,
            Command::Await(wait) => ask::wait(&client, wait).await,
            _ => Ok(ExitCode::SUCCESS),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run),
        Err(error) => Err(error.into()),
    };
    // 1 says that a promise was rejected, so whatever else goes wrong says something else.
    Ok(done.or_else(|error| {
        eprintln!("restante: {error:#}");
        Ok(ExitCode::from(2))
    }))
}

/// Writes one line to standard output; a reader that has gone is no error.
fn say(line: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
