//! A real Postfix as the next hop: what we hand over goes on, what the sender wants to be told goes with it, and the
//! report that Postfix writes comes back through our door and becomes the delivery's end.

use std::sync::Arc;

use restante::delivery::{Settings, Worker};
use restante::mail::notify::{Recipient, Wanted};
use restante::smtp::Door;
use restante::submission::Request;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Post, request, settings};
use crate::support::mta::{Mta, reply};
use crate::support::postfix::Postfix;
use crate::support::until;

/// A message whose sender wants to be told of this.
fn wishing(to: &[&str], notify: &str, subject: &str) -> Request {
    let recipient = |to: &&str| {
        let original = to.is_ascii().then(|| format!("rfc822;first+{to}"));
        ((*to).to_owned(), Recipient { notify: notify.parse().unwrap(), original })
    };
    let recipients = to.iter().map(recipient).collect();
    let wanted = Wanted { full: None, envelope_id: Some("QQ=31".into()), recipients };
    Request { wanted, ..request(to, subject) }
}

both!(mail_goes_on_and_its_reports_come_back, |engine| async move {
    let peer = Mta::start().await;
    peer.extensions(&["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN"]);
    peer.recipient("gone@x.test", reply("550 5.1.1 <gone@x.test>: nobody of this name"));
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = listener.local_addr().unwrap();
    let door = Door::new(post.context.clone(), restante::smtp::Settings::default());
    tokio::spawn(door.serve(listener, CancellationToken::new()));
    let postfix = Postfix::start(&format!(
        "relayhost = [127.0.0.1]:{}\ntransport_maps = inline:{{ {{example.org=smtp:[127.0.0.1]:{}}} }}",
        peer.addr.port(),
        ours.port()
    ))
    .await;
    let hop = format!("smtp://localhost:{}?tls=required", postfix.addr.port());
    let settings = Settings {
        relay: Some(hop.parse().unwrap()),
        roots: Some(Arc::clone(&postfix.certificate)),
        ..settings(None)
    };
    let worker = Worker::new(post.context.clone(), settings);

    // What the sender wants to be told is passed on, through Postfix, to a server that tells of it.
    let to = ["out@x.test", "gone@x.test"];
    let sent = post.request(&ana, wishing(&to, "SUCCESS,FAILURE", "through Postfix")).await;
    let utf8 = post.request(&ana, wishing(&["jörg@x.test"], "SUCCESS,FAILURE", "through Postfix")).await;
    while worker.step().await.unwrap() > 0 {}
    let ids: Vec<_> = post.deliveries(&ana, &sent).await.iter().map(|row| row.id).collect();
    for tried in post.app.store.attempts(ana.id, &ids).await.unwrap().iter().filter(|tried| tried.n == 1) {
        assert!(tried.remote.as_deref().unwrap().starts_with("localhost ("), "{tried:?}");
        assert!(tried.diagnostic.as_deref().unwrap().contains("queued as"), "{tried:?}");
    }
    let both = ["out@x.test", "jörg@x.test"];
    peer.until("both messages", |peer| both.iter().all(|who| !peer.received_for(who).is_empty())).await;
    for (who, param) in [("out@x.test", "rfc822;first+2Bout@x.test"), ("jörg@x.test", "")] {
        let got = peer.received_for(who);
        assert_eq!((got.len(), got[0].header("subject").as_str()), (1, "through Postfix"), "{who}");
        assert!(got[0].mail_from.starts_with("b+"), "{}", got[0].mail_from);
        assert!(got[0].parameters.contains("ENVID=QQ+3D31"), "{}", got[0].parameters);
        assert_eq!(got[0].parameters.contains("SMTPUTF8"), who.starts_with('j'), "{}", got[0].parameters);
        let rcpt = peer.commands().into_iter().find(|line| line.starts_with(&format!("RCPT TO:<{who}>")));
        let rcpt = rcpt.unwrap();
        assert!(rcpt.contains("NOTIFY=SUCCESS,FAILURE") && rcpt.contains(param), "{rcpt}");
    }
    // Postfix's report about the one that was refused is the end of that delivery, and of no other.
    let state = async |who: &str| {
        let rows = post.deliveries(&ana, &sent).await;
        let row = rows.into_iter().find(|row| row.recipient == who).unwrap();
        (post.state(&row), row)
    };
    let failed = until("the bounce", || async {
        let (state, row) = state("gone@x.test").await;
        (state == "failed").then_some(row)
    })
    .await;
    assert_eq!((failed.reason_code.as_deref(), failed.last_code), (Some("unknown_recipient"), Some(550)));
    assert!(failed.last_diagnostic.unwrap().contains("nobody of this name"));
    assert_eq!(failed.last_remote.as_deref(), Some("127.0.0.1"));
    assert_eq!(state("out@x.test").await.0, "relayed");
    assert_eq!(post.state(&post.delivery(&ana, &utf8).await), "relayed");
    // The delivery's end is recorded first, then the report is filed.
    let inbox =
        until("the report", || async { Some(post.inbox(&ana).await).filter(|inbox| !inbox.is_empty()) })
            .await;
    let original = post.app.store.email(ana.id, sent.id).await.unwrap().unwrap();
    assert_eq!((inbox.len(), inbox[0].thread_id), (1, original.thread_id));
    let listed = post.app.store.suppressions(None, None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].address.as_str()), (1, "gone@x.test"));

    // To a server that does not tell of success, Postfix says that it has handed it on; who asked for that reads it.
    peer.extensions(&["PIPELINING", "8BITMIME"]);
    let sent = post.request(&ana, wishing(&["two@x.test"], "SUCCESS", "tell me")).await;
    worker.step().await.unwrap();
    until("the report", || async { (post.inbox(&ana).await.len() == 2).then_some(()) }).await;
    let told = post.content(&post.inbox(&ana).await[0]).await;
    assert!(told.automatic && told.subject.contains("Successful Mail Delivery"), "{}", told.subject);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
    // Who wants to hear nothing hears nothing, and the delivery's end is still known to nobody.
    let sent = post.request(&ana, wishing(&["gone@y.test"], "NEVER", "never mind")).await;
    peer.recipient("gone@y.test", reply("550 5.1.1 no"));
    worker.step().await.unwrap();
    peer.until("the refused one", |peer| peer.commands().iter().any(|line| line.contains("<gone@y.test>")))
        .await;
    until("the end in Postfix's queue", || async {
        let log = postfix.log();
        let line = log.lines().find(|line| line.contains("to=<gone@y.test>"))?;
        let id = line.split("]: ").nth(1)?.split(':').next()?;
        log.contains(&format!("{id}: removed")).then_some(())
    })
    .await;
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "relayed");
    assert_eq!(post.inbox(&ana).await.len(), 2);
});
