//! Mail from outside.

use restante::store::mailbox::Role;

use super::Post;
use crate::support::mail::letter;

both!(mail_is_filed_once_however_often_it_comes, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let mail = letter("x@out.test", &bo.address, "hello", &[("Message-ID", "<1@out.test>")], "text");
    post.arrive("x@out.test", &[&bo.address], &mail).await.unwrap();
    // The answer was lost: it comes again, this time for one more.
    post.arrive("x@out.test", &[&bo.address, &ana.address, &bo.address], &mail).await.unwrap();
    post.arrive("x@out.test", &[&bo.address, &ana.address], &mail).await.unwrap();
    for person in [&ana, &bo] {
        let inbox = post.inbox(person).await;
        assert_eq!(inbox.len(), 1, "{}", person.address);
        assert_eq!((inbox[0].message_id.as_str(), inbox[0].seen), ("1@out.test", false));
        let events = post.app.store.events(person.id, 0, &["message.received".into()], 10).await.unwrap();
        assert_eq!(events.len(), 1);
    }
    // A stranger's reused Message-ID is another message.
    let other = letter("y@out.test", &bo.address, "other", &[("Message-ID", "<1@out.test>")], "other");
    post.arrive("y@out.test", &[&bo.address], &other).await.unwrap();
    assert_eq!(post.inbox(&bo).await.len(), 2);
    assert_eq!(post.settle().await, 0);
});

both!(mail_without_a_message_id_gets_one_of_its_own, |engine| async move {
    let post = Post::start(engine, None).await;
    let bo = post.app.person("Bo").await;
    for subject in ["one", "two"] {
        let mail = format!("From: x@out.test\r\nTo: bo@example.org\r\nSubject: {subject}\r\n\r\ntext\r\n");
        post.arrive("x@out.test", &[&bo.address], mail.as_bytes()).await.unwrap();
    }
    let inbox = post.inbox(&bo).await;
    assert_eq!(inbox.len(), 2);
    assert_ne!(inbox[0].message_id, inbox[1].message_id);
    assert_ne!(inbox[0].thread_id, inbox[1].thread_id);
    assert!(post.mailbox(&bo, Role::Archive).await.is_empty());
});

both!(a_large_message_is_filed_and_told_of, |engine| async move {
    let post = Post::start(engine, None).await;
    let bo = post.app.person("Bo").await;
    let text = "a line of a long text\r\n".repeat(50_000);
    let mail = letter("x@out.test", &bo.address, "long", &[], &text);
    post.arrive("x@out.test", &[&bo.address], &mail).await.unwrap();
    let inbox = post.inbox(&bo).await;
    assert!(inbox[0].size > 1_000_000);
    assert!(post.content(&inbox[0]).await.text.unwrap().starts_with("a line"));
});
