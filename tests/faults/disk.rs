//! A full disk: clear errors, nothing that was accepted is lost, and it goes on by itself when there is room.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::process::Process;
use crate::support::{Database, Engine, until};

/// A small file system of one test's own.
struct Disk(PathBuf);

impl Disk {
    /// None where nothing may be mounted.
    fn mount(at: &Path, megabytes: u32) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let options = format!("size={megabytes}m,mode=0700");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                println!("skipped: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                println!("skipped: mount: {error}");
                None
            }
        }
    }

    /// Takes all the room there is.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 16, 4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Hands a message to the SMTP door; what it says after the final dot, or before if it does not want it.
async fn smtp(server: &Process, subject: &str, size: usize) -> String {
    let mut stream = TcpStream::connect(server.smtp).await.unwrap();
    let text = "x".repeat(70) + "\r\n";
    let text = text.repeat(size / text.len() + 1);
    let mut said = String::new();
    for line in [
        String::new(),
        "EHLO peer.test\r\n".into(),
        "MAIL FROM:<eve@outside.test>\r\n".into(),
        "RCPT TO:<bo@example.org>\r\n".into(),
        "DATA\r\n".into(),
        format!("From: eve@outside.test\r\nSubject: {subject}\r\n\r\n{text}.\r\n"),
    ] {
        stream.write_all(line.as_bytes()).await.unwrap();
        said.clear();
        while !said.ends_with("\r\n") || said.lines().last().is_some_and(|last| last.as_bytes()[3] == b'-') {
            let mut buffer = [0; 1000];
            let read = stream.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "{said}");
            said.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        if !matches!(said.as_bytes()[0], b'2' | b'3') {
            break;
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_and_loses_nothing() {
    let database = Arc::new(Database::new(Engine::Sqlite).await);
    let data = database.settings().data_dir;
    // Dropped after the server, and before the directory it is mounted on.
    let Some(disk) = Disk::mount(&data, 16) else { return };
    let mut server = Process::on(database.clone(), &[("RESTANTE_MAIL__DOMAIN", "example.org")]);
    let token = |name: &str| {
        let address = format!("{name}@example.org");
        server.run(&["account", "create", &address]);
        server.run(&["token", "create", &address, "--name", "test"])
    };
    let (ana, bo) = (token("ana"), token("bo"));
    server.start();
    let (by_ana, by_bo) = (server.client().token(&ana), server.client().token(&bo));
    let letter = |subject: &str, size: usize| json!({ "to": ["bo@example.org"], "subject": subject, "text": "x".repeat(size) });
    let mut accepted = Vec::new();
    for n in 0..20 {
        let subject = format!("before {n}");
        by_ana.post("/v1/messages", letter(&subject, 200)).await.expect(202);
        accepted.push(subject);
    }

    for round in 0..2 {
        disk.fill();
        // What is left in the pages that are there already may still take some.
        let mut n = 0;
        loop {
            let subject = format!("full {round} {n}");
            let sent = by_ana.post_once("/v1/messages", &subject, letter(&subject, 20_000)).await;
            if sent.status != 202 {
                let problem = sent.problem(507, "storage_full");
                assert_eq!(problem["retryable"], true);
                assert_ne!(sent.header("retry-after"), "");
                break;
            }
            accepted.push(subject);
            n += 1;
            assert!(n < 1000, "the disk is never full");
        }
        // The same for what is kept in files.
        by_ana.post("/v1/messages", letter("large", 200_000)).await.problem(507, "storage_full");
        let upload = by_ana.request(reqwest::Method::POST, "/v1/uploads").body(vec![0; 300_000]);
        by_ana.send(upload).await.problem(507, "storage_full");
        for size in [20_000, 200_000] {
            let said = smtp(&server, "refused", size).await;
            assert!(said.starts_with("452 4.3.1"), "{said}");
        }
        // Reading goes on.
        by_bo.get("/v1/messages").await.expect(200);
        server.client().get("/healthz").await.expect(200);

        disk.free();
        let subject = format!("after {round}");
        until("an accepted message", || async {
            let sent = by_ana.post_once("/v1/messages", &subject, letter(&subject, 200)).await;
            (sent.status == 202).then_some(())
        })
        .await;
        accepted.push(subject);
        // The refused one, again under its key: it is a new one, and only one.
        let subject = format!("full {round} {n}");
        by_ana.post_once("/v1/messages", &subject, letter(&subject, 20_000)).await.expect(202);
        accepted.push(subject);
        let large = format!("large {round}");
        by_ana.post("/v1/messages", letter(&large, 200_000)).await.expect(202);
        accepted.push(large);
        let mail = format!("mail {round}");
        let said = smtp(&server, &mail, 200_000).await;
        assert!(said.starts_with("250"), "{said}");
        accepted.push(mail);
    }
    // A kill in the full state is survived too.
    disk.fill();
    server.kill();
    disk.free();
    server.start();
    until("an empty queue", || async {
        database.look("select hex(id) from delivery where settled_at is null").is_empty().then_some(())
    })
    .await;
    let mut there: Vec<String> = by_bo
        .every("/v1/messages?mailbox=inbox&limit=200")
        .await
        .iter()
        .map(|item| item["subject"].as_str().unwrap().to_owned())
        .collect();
    there.sort_unstable();
    accepted.sort_unstable();
    assert_eq!(there, accepted, "nothing lost, nothing twice");
    let refusals = server.log().lines().count();
    assert!(refusals < 500, "a storm of {refusals} lines");
    assert_eq!(server.stop(), Some(0));
}
