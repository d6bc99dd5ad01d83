//! A real Postfix in a directory of its own: its own queue, its own settings, a high port. It is run from Debian's
//! package, installed or only unpacked (`POSTFIX_ROOT`), and needs root, as Postfix's master always does.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tokio::net::TcpStream;

use super::dir::Dir;
use super::process::free_port;

/// Every service that these tests need; what is sent by the command line or filed into Unix mailboxes is not there.
const SERVICES: &str = "\
SMTP inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";

/// The directories of a queue, which Postfix's own script would make: those of the mail owner, one that a group may
/// write into, one that it may enter. No account is made for this: Debian's own ones serve.
const QUEUE: &str = "
mkdir -p spool/pid spool/active spool/bounce spool/corrupt spool/defer spool/deferred spool/flush spool/hold \
  spool/incoming spool/private spool/saved spool/trace spool/maildrop spool/public lib
cd spool
chown daemon ../lib active bounce corrupt defer deferred flush hold incoming private saved trace
chmod 700 ../lib active bounce corrupt defer deferred flush hold incoming private saved trace
chown daemon:mail maildrop public
chmod 1730 maildrop
chmod 2710 public
";

/// The server; it stops with this value.
pub(crate) struct Postfix {
    dir: Dir,
    /// Where it takes mail.
    pub(crate) addr: SocketAddr,
    /// Its certificate for `localhost` (PEM), which is its own authority.
    pub(crate) certificate: Arc<[u8]>,
    master: Child,
}

fn root() -> PathBuf {
    std::env::var_os("POSTFIX_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

impl Postfix {
    /// Starts one that relays for this machine; `settings` are further lines of its `main.cf`.
    pub(crate) async fn start(settings: &str) -> Self {
        let (dir, addr) = (Dir::new(), free_port());
        let (at, libraries) = (dir.path(), root().join("usr/lib/postfix"));
        let queue = Command::new("sh").args(["-ec", QUEUE]).current_dir(at).status().unwrap();
        assert!(queue.success(), "the directories of Postfix's queue (it needs root)");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem();
        std::fs::write(at.join("server.pem"), made.signing_key.serialize_pem() + &pem).unwrap();
        let (here, lib) = (at.display(), libraries.display());
        let main = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {here}/spool\ndata_directory = {here}/lib\n\
             daemon_directory = {lib}/sbin\nshlib_directory = {lib}\nmeta_directory = {here}\n\
             import_environment = MAIL_CONFIG, TZ, LANG=C, LD_LIBRARY_PATH\n\
             mail_owner = daemon\nsetgid_group = mail\ndefault_privs = nobody\n\
             maillog_file = {here}/log\nmaillog_file_prefixes = {here}\n\
             myhostname = postfix.test\nmydestination =\nmynetworks = 127.0.0.0/8\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             alias_maps =\nalias_database =\nlocal_recipient_maps =\n\
             smtp_dns_support_level = disabled\nsmtpd_peername_lookup = no\n\
             smtpd_tls_chain_files = {here}/server.pem\nsmtpd_tls_security_level = may\n\
             {settings}\n"
        );
        std::fs::write(at.join("main.cf"), main).unwrap();
        std::fs::write(at.join("master.cf"), SERVICES.replace("SMTP", &addr.to_string())).unwrap();
        let program = libraries.join("sbin/master");
        let mut command = Command::new(&program);
        command.arg("-c").arg(at).env("LD_LIBRARY_PATH", &libraries);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = command.spawn().unwrap_or_else(|error| {
            panic!("{} (of Debian's postfix): {error}", program.display());
        });
        let postfix = Self { dir, addr, certificate: pem.into_bytes().into(), master };
        super::until("Postfix", || async { TcpStream::connect(addr).await.ok() }).await;
        postfix
    }

    /// What it wrote into its log so far.
    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }
}

fn log(at: &Path) -> String {
    std::fs::read_to_string(at.join("log")).unwrap_or_default()
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // The master takes its processes with it.
        let _ = Command::new("kill").arg(self.master.id().to_string()).status();
        let _ = self.master.wait();
        if std::thread::panicking() {
            eprintln!("Postfix's log:\n{}", self.log());
        }
    }
}
