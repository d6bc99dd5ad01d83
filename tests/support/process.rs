//! The real binary, with a data directory and ports of its own; it can be killed and started again.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, mpsc};

use super::client::Client;
use super::{Database, Engine, PATIENCE};

/// The `restante` that this build made.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_restante");

/// One server, running or not.
pub(crate) struct Process {
    pub(crate) database: Arc<Database>,
    pub(crate) http: SocketAddr,
    pub(crate) smtp: SocketAddr,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    /// What it printed until it was ready.
    pub(crate) greeting: String,
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

impl Process {
    /// Prepares a server; `settings` are environment variables as `("RESTANTE_RELAY__URL", "smtp://…")`.
    pub(crate) async fn new(engine: Engine, settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(Database::new(engine).await), settings)
    }

    /// Prepares a server on a database that others may share, with its directory of larger messages.
    pub(crate) fn on(database: Arc<Database>, settings: &[(&str, &str)]) -> Self {
        let (http, smtp) = (free_port(), free_port());
        let mut environment = vec![
            ("RESTANTE_DATA_DIR".to_owned(), database.settings().data_dir.display().to_string()),
            ("RESTANTE_HTTP__LISTEN".to_owned(), http.to_string()),
            ("RESTANTE_SMTP__LISTEN".to_owned(), smtp.to_string()),
        ];
        environment.extend(database.url().map(|url| ("RESTANTE_DATABASE__URL".to_owned(), url)));
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { database, http, smtp, environment, child: None, greeting: String::new() }
    }

    /// Sets one more variable, for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A command of the binary with this server's settings, and no others of the caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("RESTANTE_")) {
                command.env_remove(name);
            }
        }
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.args(arguments).envs(environment).current_dir(self.database.dir()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end; what it printed, without the last line break.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "restante {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// As [`Process::run`], with something on its standard input.
    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "restante {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Starts `restante serve` and returns once it has printed its address.
    pub(crate) fn start(&mut self) {
        let lines = self.launch("serve");
        self.ready(&lines);
    }

    /// Starts a command that runs until it is told to stop; the lines it prints.
    pub(crate) fn launch(&mut self, command: &str) -> mpsc::Receiver<String> {
        assert!(self.child.is_none(), "it runs");
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut child = self.command(&[command]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (line, lines) = mpsc::channel();
        // Reads to the end, so that the server never waits for a full pipe.
        std::thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = line.send(text);
            }
        });
        self.child = Some(child);
        lines
    }

    /// Returns once what was launched says that it is ready.
    pub(crate) fn ready(&mut self, lines: &mpsc::Receiver<String>) {
        self.greeting.clear();
        while !self.greeting.contains(" ready") {
            match lines.recv_timeout(PATIENCE) {
                Ok(text) => {
                    self.greeting.push_str(&text);
                    self.greeting.push('\n');
                }
                Err(why) => panic!("restante did not get ready ({why}): {}{}", self.greeting, self.log()),
            }
        }
    }

    /// Sends a signal, as `STOP`, `CONT` or `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let told =
            Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits until it is gone; its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        let mut child = self.child.take().expect("it runs");
        child.wait().unwrap().code()
    }

    /// A caller of this server.
    pub(crate) fn client(&self) -> Client {
        Client::new(format!("http://{}", self.http))
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.database.dir().join(format!("log-{}", self.http.port()))
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("its log:\n{}", self.log());
        }
    }
}
