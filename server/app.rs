//! The running system: settings, store, worker and doors, started in this order and stopped in the other.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::config::Config;
use crate::delivery::capture::CAPTURE;
use crate::delivery::relay::TimeOuts;
use crate::delivery::{self, Worker};
use crate::http::rest::session::setup_digest;
use crate::http::{self, AppState};
use crate::mail::address::Address;
use crate::mail::clock::Clock;
use crate::mail::id::Ids;
use crate::mail::retry::Schedule;
use crate::net::http::Client;
use crate::net::resolve::Resolver;
use crate::smtp;
use crate::store::account::{Kind, NewAccount};
use crate::store::remote::Location;
use crate::store::{self, Store};
use crate::submission;

/// How long the link that creates the first administrator works, in milliseconds: one day.
const SETUP: i64 = 24 * 3600 * 1000;

/// A system that is about to start.
#[derive(Clone)]
pub struct App {
    config: Config,
    clock: Clock,
    ids: Ids,
    blobs: Option<Location>,
    doors: bool,
    worker: bool,
}

/// A system that runs; [`Running::stop`] ends it.
pub struct Running {
    /// What every operation on mail works with.
    pub context: submission::Context,
    /// The worker; it runs by itself unless the app was started without it.
    pub worker: Worker,
    /// Where the HTTP door listens.
    pub http: Option<SocketAddr>,
    /// Where the SMTP door listens.
    pub smtp: Option<SocketAddr>,
    /// Where people and programs reach the HTTP door.
    pub public_url: Url,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    _lock: Option<File>,
}

impl App {
    /// A system with these settings, the system's time and its randomness.
    #[must_use]
    pub fn new(config: Config) -> Self {
        // A sandbox's time can be moved, so that a retry of days is seen at once.
        let clock = if config.is_sandbox() { Clock::sandbox() } else { Clock::system() };
        Self { config, clock, ids: Ids::system(), blobs: None, doors: true, worker: true }
    }

    /// Takes time and chance from these.
    #[must_use]
    pub fn with(self, clock: Clock, ids: Ids) -> Self {
        Self { clock, ids, ..self }
    }

    /// Keeps the larger blobs there, whatever `blobs.url` says.
    #[must_use]
    pub fn with_blobs(self, blobs: Location) -> Self {
        Self { blobs: Some(blobs), ..self }
    }

    /// Opens no doors.
    #[must_use]
    pub fn without_doors(self) -> Self {
        Self { doors: false, ..self }
    }

    /// Leaves the queue alone: [`Running::worker`] works step by step.
    #[must_use]
    pub fn without_worker(self) -> Self {
        Self { worker: false, ..self }
    }

    /// Opens the store, for a command that works beside a running server.
    ///
    /// # Errors
    /// The store's.
    pub async fn context(&self) -> anyhow::Result<submission::Context> {
        let config = &self.config;
        let blobs = match &self.blobs {
            Some(location) => Some(location.clone()),
            None => config.object_store()?,
        };
        let url = config.database.url.clone();
        let settings = store::Settings { url, data_dir: config.data_dir.clone(), blobs };
        let store = Store::open(&settings).await.context("the store cannot be opened")?;
        store.keep_return_key(self.ids.secret(), self.clock.now_ms()).await?;
        let domain = config.mail.domain.clone();
        if !store.local_domains().await?.contains(&domain) {
            store.add_domain(domain.clone(), self.clock.now_ms()).await?;
        }
        if config.is_sandbox() {
            self.capture(&store, &domain).await?;
        }
        Ok(submission::Context {
            store,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            settings: Arc::new(submission::Settings {
                suppress_for: config.delivery.suppress_for,
                ..submission::Settings::default()
            }),
            domain: domain.into(),
            relays: config.relay.url.is_some(),
            http: Client::new(config.webhooks.reach(), &[]),
            names: Resolver::new(&config.relay.name_servers).ok(),
        })
    }

    /// Makes the account that captures mail, unless it is there.
    async fn capture(&self, store: &Store, domain: &str) -> anyhow::Result<()> {
        let address: Address = format!("{CAPTURE}@{domain}").parse().context("mail.domain is no domain")?;
        if !store.accounts_of(&[address.key()]).await?.is_empty() {
            return Ok(());
        }
        let now = self.clock.now_ms();
        let (id, name) = (self.ids.id(now), "Captured mail".to_owned());
        let account = NewAccount { id, address, name, kind: Kind::Service, admin: false, password: None };
        match store.create_account(account, now).await {
            // Another process was first.
            Ok(()) | Err(store::Error::Conflict) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The worker's settings.
    ///
    /// # Errors
    /// `relay.url` cannot be used.
    pub fn delivery(&self, public_url: &Url) -> anyhow::Result<delivery::Settings> {
        let retry = &self.config.delivery;
        Ok(delivery::Settings {
            relay: self.config.next_hop()?,
            domains: self.config.domains()?,
            name_servers: self.config.relay.name_servers.clone(),
            roots: match &self.config.relay.ca_file {
                Some(file) => Some(
                    fs::read(file)
                        .with_context(|| format!("relay.ca_file: {} cannot be read", file.display()))?
                        .into(),
                ),
                None => None,
            },
            connections: self.config.relay.connections,
            time_outs: TimeOuts {
                connect: self.config.relay.connect_within,
                command: self.config.relay.reply_within,
                content: self.config.relay.content_within,
            },
            delay_notice_after: retry.delay_notice_after,
            public_url: public_url.as_str().trim_end_matches('/').to_owned(),
            retry: Schedule {
                first: retry.first_retry,
                max: retry.max_retry,
                give_up_after: retry.give_up_after,
            },
            lease: retry.lease,
            ..delivery::Settings::default()
        })
    }

    /// Listens where mail is submitted and handed over.
    async fn further(&self) -> anyhow::Result<Vec<(smtp::Kind, smtp::Listener)>> {
        let config = &self.config.smtp;
        let doors = [
            (smtp::Kind::Submission, config.submission_listen.map(smtp::At::Tcp), "smtp.submission_listen"),
            (
                smtp::Kind::Submissions,
                config.submissions_listen.map(smtp::At::Tcp),
                "smtp.submissions_listen",
            ),
            (smtp::Kind::Lmtp, config.lmtp_listen.clone(), "smtp.lmtp_listen"),
        ];
        let mut listeners = Vec::new();
        for (kind, at, setting) in doors {
            if let Some(at) = at {
                let listener = smtp::Listener::bind(&at).await;
                let listener = listener
                    .with_context(|| format!("{at} cannot be listened on; {setting} names another place"))?;
                listeners.push((kind, listener));
            }
        }
        Ok(listeners)
    }

    /// Starts it; when this returns, its doors are open.
    ///
    /// # Errors
    /// Another process has the database, an address cannot be listened on, or the store cannot be opened.
    pub async fn start(self) -> anyhow::Result<Running> {
        let config = &self.config;
        let lock = lock(config)?;
        let context = self.context().await?;
        context.store.check_blobs().await?;
        let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (mut http, mut smtp, mut further) = (None, None, Vec::new());
        if self.doors {
            http = Some(listen(config.http.listen, "http.listen").await?);
            smtp = Some(listen(config.smtp.listen, "smtp.listen").await?);
            further = self.further().await?;
        }
        let at = http.as_ref().map_or(Ok(config.http.listen), TcpListener::local_addr)?;
        let public_url = match &config.http.public_url {
            Some(url) => url.clone(),
            None => format!("http://{at}").parse().context("http.listen makes no address")?,
        };
        if context.store.paused().await?.is_some() {
            tracing::warn!(
                "sending is paused: what would leave this system waits until `restante queue resume`"
            );
        }
        let worker = Worker::new(context.clone(), self.delivery(&public_url)?);
        if self.worker {
            tasks.spawn(worker.clone().run(shutdown.clone()));
            tasks.spawn(context.store.clone().upkeep(self.clock.clone(), shutdown.clone()));
        }
        let http_at = http.as_ref().map(TcpListener::local_addr).transpose()?;
        let smtp_at = smtp.as_ref().map(TcpListener::local_addr).transpose()?;
        if let Some(listener) = http {
            let settings = config.http.clone();
            let state = AppState::new(context.clone(), settings, public_url.clone(), shutdown.clone());
            tasks.spawn(http::rate::exchange(state.clone(), shutdown.clone()));
            tasks.spawn(http::serve(listener, http::router(state), shutdown.clone()));
        }
        if let Some(listener) = smtp {
            let settings = smtp::Settings { listen: config.smtp.listen, ..smtp::Settings::default() };
            let certificate = match &config.smtp.tls {
                Some(tls) => Some(Arc::new(smtp::Certificate::read(tls.clone()).context("smtp.tls")?)),
                None => None,
            };
            let checks = if config.smtp.authenticate { checks(&config.relay.name_servers) } else { None };
            let filter = config.smtp.filter_url.clone().map(smtp::Filter::new).map(Arc::new);
            let means = smtp::Means { certificate, checks, filter };
            let door = smtp::Door::with(context.clone(), settings, means);
            tasks.spawn(door.clone().serve(listener, shutdown.clone()));
            for (kind, listener) in further {
                tasks.spawn(door.clone().serve_as(kind, listener, shutdown.clone()));
            }
        }
        tasks.close();
        Ok(Running {
            context,
            worker,
            http: http_at,
            smtp: smtp_at,
            public_url,
            shutdown,
            tasks,
            _lock: lock,
        })
    }
}

impl Running {
    /// The link that creates the first administrator, while there is none. An earlier link no longer works.
    ///
    /// # Errors
    /// The store's.
    pub async fn setup_link(&self) -> anyhow::Result<Option<String>> {
        if self.context.store.has_administrator().await? {
            return Ok(None);
        }
        let (token, now) = (self.context.ids.reply_token(), self.context.clock.now_ms());
        self.context.store.put_setup(setup_digest(&token), now, now + SETUP).await?;
        let mut link = self.public_url.join("/setup")?;
        link.query_pairs_mut().append_pair("token", &token);
        Ok(Some(link.into()))
    }

    /// Stops taking new work, finishes what has begun, and closes the store.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.wait().await;
        self.context.store.close().await;
    }
}

/// What looks up SPF, DKIM and DMARC; a machine without DNS does without.
fn checks(name_servers: &[SocketAddr]) -> Option<Arc<smtp::Checks>> {
    match smtp::Checks::new(name_servers) {
        Ok(checks) => Some(Arc::new(checks)),
        Err(error) => {
            tracing::warn!(%error, "mail from outside is not checked for SPF, DKIM and DMARC");
            None
        }
    }
}

async fn listen(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("{address} cannot be listened on; {setting} names another address"))
}

/// Holds a SQLite database against a second server. PostgreSQL is made for several.
fn lock(config: &Config) -> anyhow::Result<Option<File>> {
    let file = match config.database.url.as_deref() {
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) => PathBuf::from(format!("{}.lock", path.trim_start_matches("//"))),
            // PostgreSQL, or what the store refuses.
            None => return Ok(None),
        },
        None => {
            private_dir(&config.data_dir)
                .with_context(|| format!("{} cannot be made", config.data_dir.display()))?;
            config.data_dir.join("restante.lock")
        }
    };
    let shown = file.display();
    let lock = File::options().create(true).truncate(false).write(true).open(&file);
    let lock = lock.with_context(|| format!("{shown} cannot be opened"))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => anyhow::bail!(
            "another restante serves this database ({shown} is locked): stop it first, or set data_dir to another directory"
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("{shown} cannot be locked")),
    }
}

/// Makes a directory that only its owner can enter.
fn private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
