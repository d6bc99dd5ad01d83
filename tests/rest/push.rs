//! Web push: a push service that decrypts with the browser's keys, on both databases.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use super::{Door, first, id, letter};
use crate::support::Engine;
use crate::support::app::App;
use crate::support::client::{Client, text};

/// The browsers' authentication secret.
const AUTH: [u8; 16] = [9; 16];

/// One push: its path, headers and body.
type Pushed = (String, HeaderMap, Vec<u8>);

/// A status and a field of each answer to come.
type Answers = VecDeque<(u16, &'static str)>;

/// A push service: it answers as it is told, and remembers.
#[derive(Clone)]
struct Service(Arc<Mutex<(Vec<Pushed>, Answers)>>, SocketAddr);

impl Service {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self(Arc::default(), listener.local_addr().unwrap());
        let push = async |State(service): State<Service>, uri: Uri, headers: HeaderMap, body: Bytes| {
            let mut state = service.0.lock().unwrap();
            state.0.push((uri.path().to_owned(), headers, body.to_vec()));
            let (status, after) = state.1.pop_front().unwrap_or((201, "0"));
            (StatusCode::from_u16(status).unwrap(), [("retry-after", after)]).into_response()
        };
        let app = axum::Router::new().fallback(push).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        service
    }

    fn next(&self, answers: impl IntoIterator<Item = (u16, &'static str)>) {
        self.0.lock().unwrap().1.extend(answers);
    }

    /// What came since the last look.
    fn pushed(&self) -> Vec<Pushed> {
        std::mem::take(&mut self.0.lock().unwrap().0)
    }

    /// A subscription, as a browser writes it; and the browser, which reads one push with it.
    fn subscription(&self, path: &str) -> (Value, Browser) {
        let key = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).unwrap();
        let public = key.compute_public_key().unwrap().as_ref().to_vec();
        let subscription = json!({ "endpoint": format!("http://{}{path}", self.1), "expirationTime": null,
            "keys": { "p256dh": URL_SAFE_NO_PAD.encode(&public), "auth": URL_SAFE_NO_PAD.encode(AUTH) } });
        (subscription, Browser { key, public })
    }

    /// Subscribes, or gives new keys where it is subscribed.
    async fn subscribe(&self, client: &Client, path: &str, status: u16) -> Browser {
        let (subscription, browser) = self.subscription(path);
        client.post("/v1/push", subscription).await.expect(status);
        browser
    }
}

/// The keys of a browser.
struct Browser {
    key: EphemeralPrivateKey,
    public: Vec<u8>,
}

struct Octets(usize);

impl KeyType for Octets {
    fn len(&self) -> usize {
        self.0
    }
}

impl Browser {
    /// What it reads (RFC 8291 §3.4, RFC 8188 §2), with nothing of the server's.
    fn read(self, pushed: &Pushed) -> Value {
        assert_eq!(header(pushed, "content-encoding"), "aes128gcm");
        let (salt, rest) = pushed.2.split_at(16);
        assert_eq!((&rest[..4], rest[4]), (&4096_u32.to_be_bytes()[..], 65), "one record, and a key");
        let (theirs, record) = rest[5..].split_at(65);
        let expand = |salt: &[u8], secret: &[u8], info: &[&[u8]], octets: usize| {
            let mut out = vec![0; octets];
            let key = Salt::new(HKDF_SHA256, salt).extract(secret);
            key.expand(info, Octets(octets)).unwrap().fill(&mut out).unwrap();
            out
        };
        let peer = agreement::UnparsedPublicKey::new(&ECDH_P256, theirs);
        let info = [&b"WebPush: info\0"[..], &self.public, theirs];
        let input =
            agreement::agree_ephemeral(self.key, &peer, |shared| expand(&AUTH, shared, &info, 32)).unwrap();
        let key = expand(salt, &input, &[b"Content-Encoding: aes128gcm\0"], 16);
        let nonce = expand(salt, &input, &[b"Content-Encoding: nonce\0"], NONCE_LEN);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let nonce = Nonce::assume_unique_for_key(nonce.try_into().unwrap());
        let mut record = record.to_vec();
        let text = key.open_in_place(nonce, Aad::empty(), &mut record).unwrap();
        let (end, text) = text.split_last().unwrap();
        assert_eq!(*end, 2, "the last record");
        serde_json::from_slice(text).unwrap()
    }
}

fn header<'p>(pushed: &'p Pushed, name: &str) -> &'p str {
    pushed.1.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Checks who pushes, as push services do (RFC 8292), and what a token says.
fn verify(pushed: &Pushed, public_key: &str, service: SocketAddr, now: i64) {
    let vapid = header(pushed, "authorization").strip_prefix("vapid t=").unwrap();
    let (token, key) = vapid.split_once(", k=").unwrap();
    assert_eq!(key, public_key);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let verifier = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, octets(key));
    verifier.verify(signed.as_bytes(), &octets(signature)).unwrap();
    let claims: Value = serde_json::from_slice(&octets(signed.split_once('.').unwrap().1)).unwrap();
    assert_eq!(claims["aud"], format!("http://{service}"));
    let left = claims["exp"].as_i64().unwrap() - now / 1000;
    assert!((60..=24 * 3600).contains(&left), "{claims}");
    assert!(text(&claims, "sub").starts_with("https://"), "{claims}");
}

async fn open(engine: Engine) -> (Door, Service) {
    (Door::before(App::calling(engine).await).await, Service::start().await)
}

both!(a_browser_is_told_of_a_question_and_that_it_was_answered, |engine| async move {
    let (mut door, service) = open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let cy = door.app.person("Cy").await;
    let key = text(&by_bo.get("/v1/push/key").await.expect(200), "public_key").to_owned();
    assert_eq!(URL_SAFE_NO_PAD.decode(&key).unwrap().len(), 65);
    let mut browser = service.subscribe(&by_bo, "/bo", 201).await;
    let ask = json!({ "kind": "choice", "deadline": "P1D", "options": [{ "name": "yes", "title": "Yes" }] });
    let question = json!({ "to": [bo.address, cy.address], "subject": "Deploy 4821?", "text": "The secret words.", "ask": ask });
    service.next([(503, "0"), (429, "900")]);
    let sent = by_ana.post("/v1/messages", question).await.expect(202);
    let promise = id(&sent["promises"]["answer"]).to_owned();
    door.app.settle().await;
    for (seconds, more) in [(0, 1), (8, 1), (10, 0), (900, 1)] {
        door.app.seconds(seconds);
        door.app.settle().await;
        let pushed = service.pushed();
        assert_eq!(pushed.len(), more, "after {seconds} s more");
        for one in &pushed {
            verify(one, &key, service.1, door.app.now());
            let thread = first(&by_bo, "/v1/threads").await;
            let said = json!({ "kind": "question", "tag": promise, "title": "Ana", "body": "Deploy 4821?",
                "url": format!("/t/{}", id(&thread)) });
            // Each attempt is for the keys that the browser has by then.
            let now = service.subscribe(&by_bo, "/bo", 200).await;
            assert_eq!(std::mem::replace(&mut browser, now).read(one), said);
            assert_eq!((header(one, "urgency"), header(one, "topic").len()), ("high", 32));
            let ttl: i64 = header(one, "ttl").parse().unwrap();
            assert!((24 * 3600 - 1000..=24 * 3600).contains(&ttl), "as long as the question is open: {ttl}");
        }
    }
    let subscribed = by_bo.get("/v1/push").await.expect(200)["items"][0].clone();
    assert_eq!(subscribed["failing_since"], json!(null), "{subscribed}");

    // Answered elsewhere, it takes the place of the question.
    let answer = json!({ "value": "yes" });
    door.client(&cy).post(&format!("/v1/promises/{promise}/answer"), answer.clone()).await.expect(200);
    door.app.settle().await;
    let pushed = service.pushed();
    assert_eq!(pushed.len(), 1);
    let said = browser.read(&pushed[0]);
    assert_eq!((&said["kind"], &said["tag"]), (&json!("answered"), &json!(promise)));
    assert_eq!(
        (&said["title"], &said["body"]),
        (&json!("Deploy 4821?"), &json!("Answered by cy@example.org"))
    );

    // What was answered before the browser could be told is not told at all; nor what was seen, or is muted.
    let ask = json!({ "to": [bo.address], "subject": "Again?", "ask": { "kind": "text" } });
    service.next([(503, "0"), (503, "0")]);
    let sent = by_ana.post("/v1/messages", ask).await.expect(202);
    by_ana.post("/v1/messages", letter(&bo, "Read at once")).await.expect(202);
    door.app.settle().await;
    assert_eq!(service.pushed().len(), 2);
    let promise = id(&sent["promises"]["answer"]).to_owned();
    let browser = service.subscribe(&by_bo, "/bo", 200).await;
    by_bo.post(&format!("/v1/promises/{promise}/answer"), json!({ "value": "No." })).await.expect(200);
    door.app.settle().await;
    // The first attempt may have arrived although it said otherwise, so that it is said that this is over.
    let pushed = service.pushed();
    assert_eq!((pushed.len(), &browser.read(&pushed[0])["body"]), (1, &json!("Answered by you")));
    let unread = first(&by_bo, "/v1/messages?subject=once").await;
    by_bo.patch(&format!("/v1/messages/{}", id(&unread)), json!({ "seen": true })).await.expect(200);
    by_bo.post("/v1/mutes", json!({ "sender": "ana@example.org" })).await.expect(201);
    by_ana.post("/v1/messages", letter(&bo, "Muted")).await.expect(202);
    door.app.minutes(2);
    door.app.settle().await;
    assert_eq!(service.pushed().len(), 0);
    // The key is the installation's.
    door.restart().await;
    let by_bo = door.client(&bo);
    assert_eq!(text(&by_bo.get("/v1/push/key").await.expect(200), "public_key"), key);
    while door.app.store.prune_some(100, door.app.now() + 31 * 86_400_000).await.unwrap() > 0 {}
    assert!(door.app.database.look("select recipient from delivery where kind = 'push'").is_empty());
});

both!(a_browser_that_is_gone_or_signed_out_is_forgotten, |engine| async move {
    let (door, service) = open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let list =
        async |client: &Client| client.get("/v1/push").await.expect(200)["items"].as_array().unwrap().clone();
    let made = by_bo.post("/v1/push", service.subscription("/bo").0).await.expect(201);
    let path = format!("/v1/push/{}", id(&made));
    by_ana.delete(&path).await.problem(404, "not_found");
    // Asked for again it is the same, with what it wants now and its new key.
    let (mut again, browser) = service.subscription("/bo");
    again["kinds"] = json!(["question"]);
    let known = by_bo.post("/v1/push", again).await.expect(200);
    assert_eq!((&known["id"], &known["kinds"]), (&made["id"], &json!(["question"])));
    by_ana.post("/v1/messages", letter(&bo, "Not wanted")).await.expect(202);
    by_ana.post("/v1/messages", json!({ "to": [bo.address], "ask": { "kind": "text" } })).await.expect(202);
    door.app.settle().await;
    let pushed = service.pushed();
    assert_eq!(pushed.len(), 1);
    assert_eq!(browser.read(&pushed[0])["body"], "(no subject)");
    // The browser's next person has it alone.
    service.subscribe(&by_ana, "/bo", 201).await;
    assert_eq!((list(&by_ana).await.len(), list(&by_bo).await.len()), (1, 0));
    by_bo.delete(&path).await.problem(404, "not_found");

    // It ends with the credential that asked for it.
    let token = by_bo.post("/v1/tokens", json!({ "name": "browser" })).await.expect(201);
    let browser = door.anybody().token(text(&token, "token"));
    service.subscribe(&browser, "/out", 201).await;
    by_ana.post("/v1/messages", letter(&bo, "1")).await.expect(202);
    door.app.settle().await;
    assert_eq!(service.pushed().len(), 1);
    by_bo.delete(&format!("/v1/tokens/{}", id(&token))).await.expect(204);
    by_ana.post("/v1/messages", letter(&bo, "2")).await.expect(202);
    door.app.settle().await;
    assert_eq!((service.pushed().len(), list(&by_bo).await.len()), (0, 0));

    // Or when its push service says so, or has failed for five days.
    for (n, status) in [404, 410].into_iter().enumerate() {
        service.subscribe(&by_bo, &format!("/{n}"), 201).await;
        service.next([(status, "0")]);
        by_ana.post("/v1/messages", letter(&bo, "3")).await.expect(202);
        door.app.settle().await;
        assert_eq!((service.pushed().len(), list(&by_bo).await.len()), (1, 0), "{status}");
    }
    service.subscribe(&by_bo, "/failing", 201).await;
    let mut days = 0;
    while !list(&by_bo).await.is_empty() && days < 10 {
        service.next([(403, "0")]);
        by_ana.post("/v1/messages", letter(&bo, "4")).await.expect(202);
        door.app.settle().await;
        door.app.minutes(24 * 60);
        days += 1;
    }
    assert_eq!((days, service.pushed().len()), (6, 6), "what it refuses is not tried again");
    // What nobody took while it was of use is given up.
    service.subscribe(&by_bo, "/away", 201).await;
    service.next([(500, "0"), (500, "86400"), (500, "86400"), (500, "86400"), (500, "86400")]);
    by_ana.post("/v1/messages", letter(&bo, "5")).await.expect(202);
    for _ in 0..5 {
        door.app.settle().await;
        door.app.minutes(24 * 60);
    }
    assert_eq!(service.pushed().len(), 3);
    assert!(door.app.database.look("select recipient from delivery where settled_at is null").is_empty());
    drop(ana);
});

both!(only_push_services_are_pushed_to, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, ..) = door.two().await;
    let service = Service::start().await;
    let with = |member: &str, value: Value| {
        let (mut body, _) = service.subscription("/");
        body["endpoint"] = json!("https://push.example.com/x");
        match member.split_once('/') {
            Some((of, member)) => body[of][member] = value,
            None => body[member] = value,
        }
        body
    };
    let off = URL_SAFE_NO_PAD.encode([&[4][..], &[1; 64]].concat());
    for (member, value, pointer) in [
        ("endpoint", json!(format!("http://{}/", service.1)), "/endpoint"),
        ("endpoint", json!("https://169.254.169.254/"), "/endpoint"),
        ("endpoint", json!("nonsense"), "/endpoint"),
        ("keys/p256dh", json!(off), "/keys"),
        ("keys/p256dh", json!("!"), "/keys/p256dh"),
        ("keys/auth", json!("AAAA"), "/keys"),
        ("expirationTime", json!(1), "/expirationTime"),
        ("kinds", json!([]), "/kinds"),
        ("kinds", json!(["answer"]), "/kinds"),
    ] {
        let problem = by_ana.post("/v1/push", with(member, value.clone())).await.problem(422, "invalid_body");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{member} {value}");
    }
    for n in 0..20 {
        let one = with("endpoint", json!(format!("https://push.example.com/{n}")));
        by_ana.post("/v1/push", one).await.expect(201);
    }
    let more = with("endpoint", json!("https://push.example.com/21"));
    by_ana.post("/v1/push", more).await.problem(409, "too_many_subscriptions");
    let known = with("endpoint", json!("https://push.example.com/7"));
    by_ana.post("/v1/push", known).await.expect(200);
    assert!(service.pushed().is_empty());
});
