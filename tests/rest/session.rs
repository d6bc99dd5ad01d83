//! Sessions: set-up, signing in and out, the cookie, other sites, guessing.

use restante::http::rest::session::setup_digest;
use serde_json::json;

use super::{Door, first, id, letter};
use crate::support::client::Client;

const PASSWORD: &str = "correct horse battery";

async fn sign_in(door: &Door, address: &str, password: &str) -> crate::support::client::Answer {
    door.anybody().post("/v1/session", json!({ "address": address, "password": password })).await
}

/// A browser that is signed in: the cookie, and what a page of this site sends with it.
async fn browser(door: &Door, address: &str, password: &str) -> Client {
    let answer = sign_in(door, address, password).await;
    answer.expect(200);
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    door.anybody().header("cookie", &cookie).header("sec-fetch-site", "same-origin")
}

both!(the_first_administrator_is_made_once, |engine| async move {
    let door = Door::open(engine).await;
    let (store, now) = (&door.app.store, door.app.now());
    store.put_setup(setup_digest("secret"), now, now + 1000).await.unwrap();
    let anybody = door.anybody();
    anybody.get("/v1/setup?token=wrong").await.problem(404, "not_found");
    assert_eq!(anybody.get("/v1/setup?token=secret").await.expect(200), json!({ "valid": true }));
    let body = |token: &str, password: &str| json!({ "token": token, "address": "ana@example.org", "name": "Ana", "password": password });
    anybody.post("/v1/setup", body("wrong", PASSWORD)).await.problem(404, "not_found");
    anybody.post("/v1/setup", body("secret", "short")).await.problem(422, "bad_password");
    let cross = anybody.header("origin", "https://evil.example");
    cross.post("/v1/setup", body("secret", PASSWORD)).await.problem(403, "cross_site");
    let made = anybody.post("/v1/setup", body("secret", PASSWORD)).await;
    let me = made.expect(201);
    assert_eq!((&me["admin"], &me["kind"]), (&json!(true), &json!("person")));
    let cookie = made.header("set-cookie").split(';').next().unwrap();
    assert_eq!(anybody.header("cookie", cookie).get("/v1/me").await.expect(200)["id"], me["id"]);
    anybody.post("/v1/setup", body("secret", PASSWORD)).await.problem(404, "not_found");
    anybody.get("/v1/setup?token=secret").await.problem(404, "not_found");
});

both!(signing_in_and_out, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.person("Ana").await;
    door.password(&ana, PASSWORD).await;
    let wrong = sign_in(&door, &ana.address, "wrong password").await;
    let nobody = sign_in(&door, "nobody@example.org", "wrong password").await;
    let (mut a, mut b) = (wrong.problem(401, "bad_credentials"), nobody.problem(401, "bad_credentials"));
    (a["request_id"], b["request_id"]) = (json!(""), json!(""));
    assert_eq!(a, b);
    let answer = sign_in(&door, "ANA@example.org", PASSWORD).await;
    assert_eq!(answer.expect(200)["id"], ana.id.to_string());
    let cookie = answer.header("set-cookie");
    for part in ["restante=", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain") && !cookie.contains("Secure"), "{cookie}");
    let mine = browser(&door, &ana.address, PASSWORD).await;
    let sessions = mine.every("/v1/sessions").await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    mine.delete(&format!("/v1/sessions/{}", id(other))).await.expect(204);
    mine.delete(&format!("/v1/sessions/{}", id(other))).await.problem(404, "not_found");
    let bo = door.app.person("Bo").await;
    let current = mine.every("/v1/sessions").await;
    door.client(&bo).delete(&format!("/v1/sessions/{}", id(&current[0]))).await.problem(404, "not_found");
    let out = mine.delete("/v1/session").await;
    out.expect(204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    mine.get("/v1/me").await.problem(401, "invalid_token");
    // A token is no password.
    sign_in(&door, &ana.address, &ana.token).await.problem(401, "bad_credentials");
});

both!(a_new_password_ends_every_other_session, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.person("Ana").await;
    door.password(&ana, PASSWORD).await;
    let (mine, other) =
        (browser(&door, &ana.address, PASSWORD).await, browser(&door, &ana.address, PASSWORD).await);
    let change = |current: &str, new: &str| json!({ "current": current, "new": new });
    mine.post("/v1/me/password", change("wrong password", "a new password"))
        .await
        .problem(401, "bad_credentials");
    mine.post("/v1/me/password", change(PASSWORD, "short")).await.problem(422, "bad_password");
    mine.post("/v1/me/password", change(PASSWORD, "a new password")).await.expect(204);
    mine.get("/v1/me").await.expect(200);
    other.get("/v1/me").await.problem(401, "invalid_token");
    sign_in(&door, &ana.address, PASSWORD).await.problem(401, "bad_credentials");
    sign_in(&door, &ana.address, "a new password").await.expect(200);
});

both!(other_sites_cannot_use_the_cookie, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.person("Ana").await;
    door.password(&ana, PASSWORD).await;
    let cookie = {
        let answer = sign_in(&door, &ana.address, PASSWORD).await;
        answer.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let with = door.anybody().header("cookie", &cookie);
    let body = letter(&ana, "forged");
    with.post("/v1/messages", body.clone()).await.problem(403, "cross_site");
    for site in ["cross-site", "same-site", "none", ""] {
        let page = with.header("sec-fetch-site", site);
        page.post("/v1/messages", body.clone()).await.problem(403, "cross_site");
        page.delete("/v1/session").await.problem(403, "cross_site");
    }
    for origin in
        ["null", "https://evil.example", &format!("{}.evil.example", door.base), &format!("{}0", door.base)]
    {
        with.header("origin", origin).post("/v1/messages", body.clone()).await.problem(403, "cross_site");
    }
    with.header("origin", &door.base).post("/v1/messages", body.clone()).await.expect(202);
    with.header("sec-fetch-site", "same-origin").post("/v1/messages", body.clone()).await.expect(202);
    // Reading is no act, and a token is sent by nobody's browser on its own.
    with.get("/v1/me").await.expect(200);
    let token = door.client(&ana).header("sec-fetch-site", "cross-site");
    token.post("/v1/messages", body).await.expect(202);
    let cors = with.header("origin", "https://evil.example").get("/v1/me").await;
    assert_eq!(cors.header("access-control-allow-origin"), "");
    door.app.settle().await;
    assert_eq!(first(&with, "/v1/messages?mailbox=inbox").await["subject"], "forged");
});

both!(guessing_is_slowed, |engine| async move {
    let door = Door::open(engine).await;
    let ana = door.app.person("Ana").await;
    door.password(&ana, PASSWORD).await;
    let mut throttled = None;
    for n in 0..20 {
        let client = door.anybody().header("x-forwarded-for", &format!("192.0.2.{n}"));
        let answer = client.post("/v1/session", json!({ "address": ana.address, "password": "wrong" })).await;
        if answer.status == 429 {
            throttled = Some(answer);
            break;
        }
        answer.problem(401, "bad_credentials");
    }
    let throttled = throttled.expect("twenty wrong passwords are too many");
    throttled.problem(429, "throttled");
    let wait: i64 = throttled.header("retry-after").parse().unwrap();
    assert!(wait > 0);
    // The right one is not looked at either, until the time is up.
    sign_in(&door, &ana.address, PASSWORD).await.problem(429, "throttled");
    door.app.seconds(wait);
    sign_in(&door, &ana.address, PASSWORD).await.expect(200);
});
