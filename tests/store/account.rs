//! Accounts, addresses, and what proves who somebody is.

use futures_util::future::join_all;
use restante::mail::address::Address;
use restante::mail::id::Ids;
use restante::store::Error;
use restante::store::account::{Kind, NewAccount, ReplyAddress, Resolved, Secret};
use restante::store::forwarding::put_reply_address;
use restante::store::token::{Credential, NewSession, NewToken};
use uuid::Uuid;

use super::digest;
use crate::support::app::App;

fn new(id: Uuid, address: &str) -> NewAccount {
    let address: Address = address.parse().unwrap();
    NewAccount { id, address, name: "Ana".into(), kind: Kind::Person, admin: true, password: None }
}

both!(an_address_belongs_to_one_account, |engine| async move {
    let app = App::start(engine).await;
    app.store.create_account(new(app.id(), "Ana.Lima@Example.ORG"), app.now()).await.unwrap();
    let again = app.store.create_account(new(app.id(), "ana.lima@example.org"), app.now()).await;
    assert!(matches!(again, Err(Error::Conflict)));
    let accounts = app.store.accounts(None, 10).await.unwrap();
    assert_eq!(accounts.len(), 1, "the second left nothing behind");
    assert_eq!(accounts[0].address, "Ana.Lima@example.org");
    let mailboxes = app.store.mailboxes(accounts[0].id).await.unwrap();
    let roles: Vec<_> = mailboxes.iter().map(|mailbox| mailbox.role.clone().unwrap()).collect();
    assert_eq!(roles, ["inbox", "snoozed", "drafts", "scheduled", "sent", "archive", "junk", "trash"]);
    assert!(app.store.has_administrator().await.unwrap());
});

both!(an_address_is_resolved, |engine| async move {
    let app = App::start(engine).await;
    let ana = app.person("Ana").await;
    let secret = Secret::new(Ids::system().reply_token());
    let stands_for = ReplyAddress {
        account_id: ana.id,
        email_id: app.id(),
        thread_id: app.id(),
        notified: "ana@outside.test".into(),
        promise_id: None,
        person_id: None,
    };
    let (put, now) = (stands_for.clone(), app.now());
    let address = secret.address("example.org");
    app.store.write(async move |tx| tx.run(put_reply_address(&secret, &put, now)).await).await.unwrap();
    for (address, is) in [
        ("ana@example.org".to_owned(), Resolved::Local(ana.id)),
        ("ANA@Example.Org".to_owned(), Resolved::Local(ana.id)),
        ("bo@example.org".to_owned(), Resolved::Unknown),
        ("ana@example.com".to_owned(), Resolved::Outside),
        ("ana@sub.example.org".to_owned(), Resolved::Outside),
        (address.clone(), Resolved::Reply(stands_for.clone())),
        (address.to_uppercase(), Resolved::Reply(stands_for)),
        (format!("reply+{}@example.org", "0".repeat(32)), Resolved::Unknown),
    ] {
        let resolved = app.store.resolve(&address.parse().unwrap()).await.unwrap();
        assert_eq!(resolved, is, "{address}");
    }
});

both!(the_first_link_works_once, |engine| async move {
    let app = App::start(engine).await;
    app.store.put_setup(digest("old"), app.now(), app.now() + 600_000).await.unwrap();
    app.minutes(2);
    // Two nodes that start together: the link of each works, but only one of them.
    for link in ["new", "beside"] {
        app.store.put_setup(digest(link), app.now(), app.now() + 60_000).await.unwrap();
    }
    assert!(!app.store.setup_valid(digest("old"), app.now()).await.unwrap());
    assert!(app.store.setup_valid(digest("new"), app.now()).await.unwrap());
    assert!(app.store.setup_valid(digest("beside"), app.now()).await.unwrap());
    let uses = (0..8).map(|n| {
        let link = if n % 2 == 0 { "new" } else { "beside" };
        app.store.use_setup(digest(link), new(app.id(), &format!("ana{n}@example.org")), app.now())
    });
    let results = join_all(uses).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(app.store.accounts(None, 10).await.unwrap().len(), 1);
    assert!(!app.store.setup_valid(digest("new"), app.now()).await.unwrap());
    assert!(!app.store.setup_valid(digest("beside"), app.now()).await.unwrap());
    app.store.put_setup(digest("late"), app.now(), app.now() + 60_000).await.unwrap();
    app.minutes(2);
    assert!(!app.store.setup_valid(digest("late"), app.now()).await.unwrap());
});

both!(tokens_and_sessions_end_at_once_and_only_by_their_owner, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let (id, session) = (app.id(), app.id());
    let token = NewToken {
        account_id: ana.id,
        id,
        name: "laptop".into(),
        digest: digest("token"),
        scopes: "messages:read".into(),
        expires_at: None,
    };
    app.store.create_token(token, app.now()).await.unwrap();
    let Credential { account, row, .. } =
        app.store.credential_by_token(digest("token")).await.unwrap().unwrap();
    assert_eq!(
        (account.id, row.id, row.scopes.as_str(), row.revoked_at),
        (ana.id, id, "messages:read", None)
    );
    assert!(matches!(app.store.revoke_token(bo.id, id, app.now()).await, Err(Error::NotFound)));
    app.store.revoke_token(ana.id, id, app.now()).await.unwrap();
    assert!(matches!(app.store.revoke_token(ana.id, id, app.now()).await, Err(Error::NotFound)));
    assert!(app.store.credential_by_token(digest("token")).await.unwrap().unwrap().row.revoked_at.is_some());
    assert!(app.store.tokens(ana.id, None, 10).await.unwrap().iter().all(|token| token.id != id));

    for (id, name) in [(session, "one"), (app.id(), "two")] {
        let new = NewSession {
            account_id: ana.id,
            id,
            digest: digest(name),
            user_agent: "test".into(),
            expires_at: app.now() + 3_600_000,
        };
        app.store.create_session(new, app.now()).await.unwrap();
    }
    assert!(app.store.session(digest("one"), app.now() + 3_600_000).await.unwrap().is_none());
    assert_eq!(app.store.session(digest("two"), app.now()).await.unwrap().unwrap().account.id, ana.id);
    assert!(matches!(app.store.revoke_session(bo.id, session, app.now()).await, Err(Error::NotFound)));
    app.store.revoke_other_sessions(ana.id, Some(session), app.now()).await.unwrap();
    assert!(app.store.session(digest("two"), app.now()).await.unwrap().is_none());
    assert_eq!(app.store.sessions(ana.id, app.now()).await.unwrap().len(), 1);
    app.store.revoke_session(ana.id, session, app.now()).await.unwrap();
    assert!(app.store.session(digest("one"), app.now()).await.unwrap().is_none());
});

both!(guessing_gets_slower, |engine| async move {
    let app = App::start(engine).await;
    let subjects = vec!["address:ana@example.org".to_owned(), "peer:192.0.2.1".to_owned()];
    let blocked = async || app.store.blocked_until(&subjects, app.now()).await.unwrap();
    for _ in 0..5 {
        app.store.strike(subjects.clone(), app.now()).await.unwrap();
        assert_eq!(blocked().await, None);
    }
    let mut waits = Vec::new();
    for _ in 0..12 {
        app.store.strike(subjects.clone(), app.now()).await.unwrap();
        waits.push(blocked().await.unwrap() - app.now());
    }
    assert!(waits.windows(2).all(|two| two[1] == two[0] * 2 || two[1] == 900_000), "{waits:?}");
    assert_eq!(*waits.last().unwrap(), 900_000, "the longest wait is bounded");
    app.minutes(16);
    assert_eq!(blocked().await, None);
    app.minutes(25 * 60);
    app.store.strike(subjects.clone(), app.now()).await.unwrap();
    assert_eq!(blocked().await, None, "a day later the count begins anew");
    app.store.unstrike(subjects[0].clone()).await.unwrap();
});
