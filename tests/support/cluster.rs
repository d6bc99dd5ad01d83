//! A PostgreSQL server of one test's own, which can be stopped and started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::dir::Dir;
use super::process::free_port;

/// A server that goes away with this value.
pub(crate) struct Cluster {
    dir: Dir,
    pub(crate) address: SocketAddr,
}

/// Where the server's programs are: `pg_config` says it, or Debian's place.
fn program(name: &str) -> PathBuf {
    let said = Command::new("pg_config").arg("--bindir").output().ok();
    let said = said.and_then(|output| String::from_utf8(output.stdout).ok());
    let places = said.iter().map(|dir| PathBuf::from(dir.trim())).chain(
        std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin"))),
    );
    let found = places.map(|dir| dir.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} of PostgreSQL is not installed (Debian: postgresql)"))
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let cluster = Self { dir: Dir::new(), address: free_port() };
        let data = cluster.data();
        std::fs::create_dir(&data).unwrap();
        if root() {
            // PostgreSQL refuses to run as root.
            done(&Command::new("chown").arg("postgres").arg(&data).output().unwrap());
        }
        let mut init = cluster.command("initdb");
        init.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        done(&init.output().unwrap());
        cluster.up();
        cluster
    }

    pub(crate) fn url(&self) -> String {
        self.url_at(self.address)
    }

    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://postgres@{address}/postgres")
    }

    pub(crate) fn up(&self) {
        let port = self.address.port();
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''");
        let mut start = self.command("pg_ctl");
        start.args(["start", "-w", "-l"]).arg(self.data().join("log")).args(["-o", &options]);
        done(&start.arg("-D").arg(self.data()).output().unwrap());
    }

    /// `fast` disconnects everybody, `immediate` is a crash.
    pub(crate) fn down(&self, mode: &str) {
        let mut stop = self.command("pg_ctl");
        done(&stop.args(["stop", "-w", "-m", mode, "-D"]).arg(self.data()).output().unwrap());
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let mut command = if root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program(name));
            command
        } else {
            Command::new(program(name))
        };
        command.current_dir("/").env_remove("PGOPTIONS");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        let _ = stop.args(["stop", "-w", "-m", "immediate", "-D"]).arg(self.data()).output();
    }
}

fn root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.starts_with(b"0\n")
}

#[track_caller]
fn done(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
