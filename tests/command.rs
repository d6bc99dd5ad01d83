//! The command line: what the binary does at its first start, beside itself, and when something is wrong.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::client::text;
use crate::support::dns::Dns;
use crate::support::mta::Mta;
use crate::support::process::Process;
use crate::support::{Engine, until, within};

/// Runs a command that has to fail; what it said, on one line.
fn refused(server: &Process, arguments: &[&str], setting: (&str, &str)) -> String {
    let output = server.command(arguments).env(setting.0, setting.1).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "restante {arguments:?} with {setting:?} went well");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    said
}

both!(the_first_link_makes_the_administrator_once, |engine| async move {
    let mut server = Process::new(engine, &[]).await;
    server.start();
    let link =
        server.greeting.split_whitespace().find(|word| word.contains("/setup?token=")).unwrap().to_owned();
    let token = link.split("token=").nth(1).unwrap().to_owned();
    let anyone = server.client();
    let page = anyone.header("accept", "text/html").get(&format!("/setup?token={token}")).await;
    page.expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    anyone.get(&format!("/v1/setup?token={token}")).await.expect(200);
    let new = json!({ "token": token, "address": "ana@localhost", "name": "Ana", "password": "three old bicycles" });
    let browser = anyone.header("sec-fetch-site", "same-origin");
    let made = browser.post("/v1/setup", new.clone()).await;
    assert_eq!(made.expect(201)["admin"], true);
    let cookie = made.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("restante=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let session = browser.header("cookie", cookie.split(';').next().unwrap());
    assert_eq!(session.get("/v1/me").await.expect(200)["address"], "ana@localhost");
    anyone.get(&format!("/v1/setup?token={token}")).await.expect(404);
    assert!((400..500).contains(&browser.post("/v1/setup", new).await.status));

    // The session outlives the server; there is no second link.
    server.kill();
    server.start();
    assert!(!server.greeting.contains("/setup"), "{}", server.greeting);
    assert_eq!(session.get("/v1/me").await.expect(200)["admin"], true);
    session.delete("/v1/session").await.expect(204);
    assert_eq!(session.get("/v1/me").await.status, 401);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_file_is_refused() {
    let mut server = Process::new(Engine::Sqlite, &[]).await;
    server.start();
    let free = ("RESTANTE_HTTP__LISTEN", "127.0.0.1:0");
    for command in ["serve", "worker"] {
        let said = refused(&server, &[command], free);
        assert!(said.contains("another restante serves this database"), "{said}");
    }
    // The other commands are short writers, and work beside it.
    server.run(&["account", "create", "ana@localhost"]);
    let token = server.run(&["token", "create", "ana@localhost", "--name", "here"]);
    server.client().token(&token).get("/v1/me").await.expect(200);
    let said = refused(&server, &["account", "create", "ana@localhost"], free);
    assert!(said.contains("ana@localhost"), "{said}");
    let data = server.database.settings().data_dir;
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else may look into {}: {mode:o}", data.display());
    // A killed server holds nothing.
    server.kill();
    server.start();
}

both!(a_newer_database_is_refused_and_unharmed, |engine| async move {
    let server = Process::new(engine, &[]).await;
    server.run(&["migrate"]);
    server.run(&["account", "create", "ana@localhost"]);
    server.database.write(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
         values (9999, 'from the future', true, '', 0)",
    );
    for command in [&["serve"][..], &["migrate"], &["account", "create", "bo@localhost"]] {
        let said = refused(&server, command, ("RESTANTE_LOG__LEVEL", "error"));
        assert!(said.contains("9999") && said.contains("newer version"), "{said}");
    }
    assert_eq!(server.database.look("select address from address"), ["ana@localhost"]);
    server.database.write("delete from _sqlx_migrations where version = 9999");
    server.run(&["migrate"]);
});

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_named() {
    let server = Process::new(Engine::Sqlite, &[]).await;
    for (name, value, says) in [
        ("RESTANTE_HTTP__LISTN", "127.0.0.1:0", "listn"),
        ("RESTANTE_HTTP__LISTEN", "nowhere", "listen"),
        ("RESTANTE_DELIVERY__FIRST_RETRY", "soon", "first_retry"),
        ("RESTANTE_RELAY__URL", "http://relay.test", "relay"),
        ("RESTANTE_RELAY__URL", "relay.test", "relay"),
        ("RESTANTE_DATABASE__URL", "mysql://localhost/x", "database.url"),
        ("RESTANTE_LOG__LEVEL", "restante=loud", "log.level"),
    ] {
        let said = refused(&server, &["serve"], (name, value));
        assert!(said.to_lowercase().contains(says), "{name}={value}: {said}");
    }
    let missing = refused(&server, &["serve", "--config", "nowhere.toml"], ("RESTANTE_LOG__LEVEL", "warn"));
    assert!(missing.contains("nowhere.toml"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_file_counts_and_the_environment_wins() {
    let mut server = Process::new(Engine::Sqlite, &[]).await;
    let file = server.database.dir().join("restante.toml");
    std::fs::write(&file, "[mail]\ndomain = \"from-file.test\"\n[http]\nlisten = \"127.0.0.1:1\"\n").unwrap();
    server.set("RESTANTE_CONFIG", file.to_str().unwrap());
    server.start();
    server.run(&["account", "create", "ana@from-file.test"]);
    let token = server.run(&["token", "create", "ana@from-file.test", "--name", "x"]);
    assert_eq!(server.client().token(&token).get("/v1/me").await.expect(200)["domain"], "from-file.test");
    let printed = server.run(&["settings"]);
    assert!(printed.contains("first_retry = \"1m\""), "{printed}");
}

both!(the_demo_is_there_once, |engine| async move {
    let mta = Mta::start().await;
    let mut server = Process::new(engine, &[("RESTANTE_RELAY__URL", &mta.url())]).await;
    server.start();
    let said = server.run(&["demo"]);
    let word =
        |name: &str| said.split_whitespace().skip_while(|word| *word != name).nth(1).unwrap().to_owned();
    let password = word("password");
    let browser = server.client().header("sec-fetch-site", "same-origin");
    let signed =
        browser.post("/v1/session", json!({ "address": "ana@localhost", "password": password })).await;
    signed.expect(200);
    let ana = browser.header("cookie", signed.header("set-cookie").split(';').next().unwrap());
    let open = until("the open question", || async {
        let open = ana.get("/v1/promises?role=asked&state=pending").await.expect(200);
        (open["items"].as_array().unwrap().len() == 1).then_some(open)
    });
    assert_eq!(open.await["items"][0]["kind"], "answer");
    assert!(!ana.every("/v1/threads?mailbox=inbox").await.is_empty());
    let before = ana.every("/v1/messages").await.len();
    assert!(server.run(&["demo"]).contains("already"));
    assert_eq!(ana.every("/v1/messages").await.len(), before);
});

both!(stopping_lets_nobody_wait, |engine| async move {
    let mut server = Process::new(engine, &[]).await;
    server.start();
    server.run(&["account", "create", "ana@localhost"]);
    let token = server.run(&["token", "create", "ana@localhost", "--name", "x"]);
    let ana = server.client().token(&token);
    let stream = ana.send_open(ana.request(reqwest::Method::GET, "/v1/events/stream")).await;
    let waiting = tokio::spawn({
        let ana = ana.clone();
        async move { ana.try_send(ana.request(reqwest::Method::GET, "/v1/messages?mailbox=inbox&wait=60")).await }
    });
    // Only once both are there does stopping show anything.
    ana.get("/v1/me").await.expect(200);
    let code = within(
        "the stop",
        tokio::task::spawn_blocking(move || {
            let start = std::time::Instant::now();
            (server.stop(), start.elapsed(), server.log())
        }),
    );
    let (code, took, log) = code.await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(took.as_secs() < 25, "stopping took {took:?}");
    within("the end of the stream", stream.bytes()).await.ok();
    let answered = within("the waiting request", waiting).await.unwrap();
    assert!(answered.is_err() || answered.unwrap().status < 600);
});

/// Runs a command that makes no sense, which is explained over several lines; what it said.
fn misused(server: &Process, arguments: &[&str]) -> String {
    let output = server.command(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "restante {arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

both!(accounts_and_tokens_beside_a_running_server, |engine| async move {
    let mut process = Process::new(engine, &[]).await;
    process.start();
    assert!(
        process.greeting.contains(&format!("http://{}/setup?token=", process.http)),
        "{}",
        process.greeting
    );
    let made = process.run_with(
        &["account", "create", "ana@example.org", "--admin", "--password-stdin"],
        "a long password\n",
    );
    assert_eq!(made, "Created ana@example.org.");
    assert!(
        refused(&process, &["account", "create", "Ana@Example.org"], ("RESTANTE_LOG__LEVEL", "warn"))
            .contains("belongs to an account already")
    );
    assert!(misused(&process, &["account", "create", "ana"]).contains("ana"));
    assert!(
        refused(
            &process,
            &["token", "create", "bo@example.org", "--name", "x"],
            ("RESTANTE_LOG__LEVEL", "warn")
        )
        .contains("no account bo@example.org")
    );
    assert!(
        misused(&process, &["token", "create", "ana@example.org", "--name", "x", "--scope", "fly"])
            .contains("no scope")
    );
    let token =
        process.run(&["token", "create", "ana@example.org", "--name", "x", "--scope", "messages:read"]);
    assert!(token.starts_with("rst_") && token.len() == 68 && !token.contains(char::is_whitespace));
    let me = process.client().token(&token).get("/v1/me").await.expect(200);
    assert_eq!((&me["admin"], &me["scopes"]), (&json!(true), &json!(["messages:read"])));
    let body = json!({ "address": "ana@example.org", "password": "a long password" });
    process.client().post("/v1/session", body).await.expect(200);
    // With an administrator there is no such link any more.
    assert_eq!(process.stop(), Some(0));
    process.start();
    assert!(!process.greeting.contains("/setup"), "{}", process.greeting);
    assert!(!process.log().contains(&token), "a token in the log");
});

both!(the_operator_sees_why_and_acts_beside_the_server, |engine| async move {
    let mut server = Process::new(engine, &[("RESTANTE_RELAY__URL", "smtp://127.0.0.1:9?tls=none")]).await;
    server.run(&["account", "create", "ana@localhost", "--admin"]);
    let token = server.run(&["token", "create", "ana@localhost", "--name", "here"]);
    server.start();
    let ana = server.client().token(&token);
    let letter = json!({ "to": ["out@x.test"], "subject": "where is it", "text": "hi" });
    let sent = ana.post("/v1/messages", letter).await.expect(202);
    let (message, delivery) = (text(&sent, "id").to_owned(), text(&sent["deliveries"][0], "id").to_owned());
    until("the first attempt", || async {
        let rows = ana.get(&format!("/v1/messages/{message}/deliveries")).await.expect(200);
        (rows["items"][0]["state"] == "delayed").then_some(())
    })
    .await;
    let told = server.run(&["explain", &message]);
    assert!(told.contains("“where is it” from ana@localhost was accepted on"), "{told}");
    assert!(told.contains("To out@x.test:") && told.contains("cannot reach 127.0.0.1:9"), "{told}");
    assert!(told.contains("It is tried again at"), "{told}");
    assert_eq!(server.run(&["explain", &delivery]).lines().next(), Some("To out@x.test (mail):"));
    let listed = server.run(&["queue"]);
    assert!(listed.contains(&delivery) && listed.contains("delayed"), "{listed}");
    let places = server.run(&["queue", "destinations"]);
    assert!(
        places.contains("x.test: 1 waiting") && places.contains("127.0.0.1:9: not tried before"),
        "{places}"
    );
    server.run(&["queue", "hold", &delivery]);
    assert!(server.run(&["queue", "list", "--held", "--json"]).contains("\"held\":true"));
    assert!(server.run(&["explain", &delivery]).contains("An operator holds it"));
    let said = refused(&server, &["queue", "hold", &delivery], ("RESTANTE_LOG__LEVEL", "error"));
    assert!(said.contains("were not changed"), "{said}");
    server.run(&["queue", "release", "--destination", "x.test"]);
    server.run(&["queue", "cancel", &delivery]);
    assert!(server.run(&["explain", &message]).contains("It was taken back at"));
    assert_eq!(server.run(&["queue"]), "Nothing waits.");
});

both!(a_domain_gets_a_key_and_its_records, |engine| async move {
    let server = Process::new(engine, &[]).await;
    let records = server.run(&["domain", "add", "Example.NET"]);
    let lines: Vec<&str> = records.lines().collect();
    assert_eq!(lines[0], "example.net. MX 10 localhost.");
    assert_eq!(lines[1], "example.net. TXT \"v=spf1 mx -all\"");
    assert!(
        lines[2].starts_with("restante._domainkey.example.net. TXT \"v=DKIM1; k=ed25519; p="),
        "{records}"
    );
    assert!(lines[3].starts_with("_dmarc.example.net. TXT \"v=DMARC1;"), "{records}");
    // Its key stays.
    assert_eq!(server.run(&["domain", "add", "example.net"]), records);
    assert_eq!(server.run(&["domain", "records", "example.net"]), records);
    assert_eq!(server.run(&["domain", "list"]), "example.net\nlocalhost");
    server.run(&["domain", "forget-key", "example.net", "restante"]);
    assert_eq!(server.run(&["domain", "records", "example.net"]).lines().count(), 3);
    let said = refused(&server, &["domain", "add", "not a domain"], ("RESTANTE_LOG__LEVEL", "error"));
    assert!(said.contains("is no domain"), "{said}");
});

both!(a_doctor_looks_at_everything_and_says_what_to_do, |engine| async move {
    let (well, ill) = (Dns::start().await, Dns::start().await);
    let servers = format!("[\"{}\"]", well.addr);
    let settings = [
        ("RESTANTE_MAIL__DOMAIN", "example.org"),
        ("RESTANTE_RELAY__URL", "mx"),
        ("RESTANTE_RELAY__NAME_SERVERS", servers.as_str()),
    ];
    let server = Process::new(engine, &settings).await;
    let records = server.run(&["domain", "add", "example.org"]);
    let address = "93.184.216.34".parse().unwrap();
    well.mx("example.org", 10, "example.org");
    well.address("example.org", "93.184.216.34");
    well.name(address, "example.org");
    // What the command prints is what it looks for.
    for line in records.lines().filter(|line| line.contains(" TXT ")) {
        let (name, text) = line.split_once(". TXT ").unwrap();
        well.txt(name, text.trim_matches('"'));
    }
    let said = server.run(&["doctor"]);
    assert_eq!(said.lines().count(), 7, "{said}");
    assert!(said.lines().all(|line| line.starts_with("ok       ")), "{said}");
    for part in ["(MX)", "(SPF)", "(DKIM)", "DMARC", "(PTR)", "own mail hosts", "up to date"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The same with everything wrong.
    ill.mx("example.org", 10, "mx.elsewhere.test");
    ill.address("mx.elsewhere.test", "93.184.216.35");
    ill.address("example.org", "93.184.216.34");
    ill.txt("example.org", "v=spf1 +all");
    ill.txt("restante._domainkey.example.org", "v=DKIM1; k=ed25519; p=AAAA");
    ill.txt("_dmarc.example.org", "v=DMARC1; p=none");
    let mut command = server.command(&["doctor"]);
    command.env("RESTANTE_RELAY__NAME_SERVERS", format!("[\"{}\"]", ill.addr));
    let output = command.env("RESTANTE_LOG__LEVEL", "error").output().unwrap();
    let (said, why) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{said}{why}");
    for line in [
        "problem  93.184.216.34 has no name (PTR); have your provider set it to example.org",
        "warning  mail for example.org comes to mx.elsewhere.test (MX), not to example.org",
        "problem  example.org's SPF lets everybody send for it: v=spf1 +all",
        "problem  restante._domainkey.example.org (DKIM) is another key: set TXT \"v=DKIM1",
        "warning  example.org's DMARC only watches (p=none)",
    ] {
        assert!(said.lines().any(|said| said.starts_with(line)), "{line}: {said}");
    }
    assert!(why.contains("3 of 7 have to be put right"), "{why}");
    // Without an answer it knows nothing, and says that.
    ill.broken("example.org");
    let mut command = server.command(&["doctor"]);
    command.env("RESTANTE_RELAY__NAME_SERVERS", format!("[\"{}\"]", ill.addr));
    let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(said.contains("example.org cannot be looked up"), "{said}");
});

both!(a_sandbox_keeps_fails_and_waits, |engine| async move {
    let mut server = Process::new(engine, &[("RESTANTE_RELAY__URL", "capture")]).await;
    server.run(&["account", "create", "ana@localhost"]);
    let token = server.run(&["token", "create", "ana@localhost", "--name", "here"]);
    server.start();
    let kept = server.run(&["token", "create", "capture@localhost", "--name", "test"]);
    let (ana, kept) = (server.client().token(&token), server.client().token(&kept));
    // A test waits for the mail that it causes.
    let waiting = tokio::spawn(async move {
        let found = kept.get("/v1/messages?mailbox=inbox&to=anyone%40x.test&wait=60").await.expect(200);
        let path = format!("/v1/messages/{}", text(&found["items"][0], "id"));
        kept.get(&path).await.expect(200)
    });
    let letter =
        json!({ "to": ["anyone@x.test", "gone+550@x.test"], "subject": "caught", "text": "A code: 4821" });
    let sent = ana.post("/v1/messages", letter).await.expect(202);
    let caught = within("the captured message", waiting).await.unwrap();
    assert_eq!((&caught["subject"], &caught["text"]), (&json!("caught"), &json!("A code: 4821")));
    assert_eq!(caught["metadata"]["envelope"]["rcpt_to"], "anyone@x.test");
    let promise = text(&sent["promises"]["delivery"], "id");
    let settled = ana.get(&format!("/v1/promises/{promise}?wait=60")).await.expect(200);
    assert_eq!(
        (&settled["state"], &settled["reason"]["code"]),
        (&json!("rejected"), &json!("undeliverable"))
    );
    let bounce = ana.get("/v1/messages?mailbox=inbox&wait=60").await.expect(200);
    assert!(bounce["items"][0]["preview"].as_str().unwrap().contains("gone+550@x.test"), "{bounce}");
    assert!(!server.log().contains("4821"), "no content in the log");
});

both!(a_sandbox_has_a_clock_that_can_be_moved, |engine| async move {
    let mut server = Process::new(engine, &[("RESTANTE_RELAY__URL", "capture")]).await;
    server.run(&["account", "create", "ana@localhost", "--admin"]);
    let token = server.run(&["token", "create", "ana@localhost", "--name", "here"]);
    server.start();
    let kept = server.run(&["token", "create", "capture@localhost", "--name", "test"]);
    let (ana, kept) = (server.client().token(&token), server.client().token(&kept));
    let letter = json!({ "to": ["slow+451@x.test"], "subject": "later", "text": "hi" });
    ana.post("/v1/messages", letter).await.expect(202);
    for attempt in 1..=2 {
        until("a failed attempt", || async {
            let rows = ana.get("/v1/deliveries?state=delayed").await.expect(200);
            (rows["items"][0]["attempts"] == attempt).then_some(())
        })
        .await;
        let moved = ana.post("/v1/admin/clock", json!({ "advance": "PT4H" })).await.expect(200);
        assert!(text(&moved, "now") > "2026");
    }
    let captured = until("the captured message", || async {
        let list = kept.get("/v1/messages?mailbox=inbox").await.expect(200);
        list["items"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(captured["subject"], "later");
    ana.post("/v1/admin/clock", json!({ "advance": "P400D" })).await.problem(422, "invalid_body");
    let mut real = Process::new(engine, &[]).await;
    real.run(&["account", "create", "ana@localhost", "--admin"]);
    let token = real.run(&["token", "create", "ana@localhost", "--name", "here"]);
    real.start();
    let ana = real.client().token(&token);
    ana.post("/v1/admin/clock", json!({ "advance": "PT1H" })).await.problem(409, "not_a_sandbox");
});
