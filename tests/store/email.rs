//! Emails of an account: lists that show each message once, and marks that are told of.

use restante::store::Error;
use restante::store::email::{Change, Filter};
use restante::store::mailbox::{Role, role_id};

use super::{message, told};
use crate::support::app::App;

both!(pages_show_each_message_once_newest_first, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    for n in 0..40 {
        // Some of the same millisecond, so that the id has to decide.
        app.seconds(i64::from(n % 3 == 0));
        message(&app, &ana, &[&bo], &format!("No {n}"), false).deliver(&app).await;
    }
    let filter = Filter { mailbox: Some(role_id(bo.id, Role::Inbox)), ..Filter::default() };
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = app.store.emails(bo.id, &filter, after, 7).await.unwrap();
        after = page.last().map(|row| (row.received_at, row.id));
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|row| (row.received_at, row.id)));
    }
    assert_eq!(seen.len(), 40);
    assert!(seen.windows(2).all(|two| two[0] > two[1]), "newest first, none twice");
    assert_eq!(
        app.store.emails(ana.id, &filter, None, 100).await.unwrap().len(),
        0,
        "another account's mailbox"
    );
});

both!(every_filter_narrows, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let plain = message(&app, &ana, &[&bo], "Lunch 100% sure_", false);
    plain.deliver(&app).await;
    app.minutes(1);
    message(&app, &bo, &[&bo], "Other", false).deliver(&app).await;
    let all = app.store.emails(bo.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(all.len(), 3, "two received, one sent");
    let lunch = all.last().unwrap().clone();
    let change = Change {
        seen: Some(true),
        flagged: Some(true),
        add_keywords: vec!["food".into()],
        ..Change::default()
    };
    app.store.change_emails(bo.id, vec![lunch.id], change, None, app.now()).await.unwrap();
    let mut filters = Vec::new();
    for part in ["lunch", "100%", "sure_"] {
        filters.push(Filter { subject: Some(part.into()), ..Filter::default() });
    }
    filters.push(Filter { from: Some("ANA@".into()), ..Filter::default() });
    filters.push(Filter { flagged: Some(true), ..Filter::default() });
    filters.push(Filter { keyword: Some("food".into()), ..Filter::default() });
    filters.push(Filter { thread: Some(lunch.thread_id), ..Filter::default() });
    filters.push(Filter { before: Some(lunch.received_at + 1), ..Filter::default() });
    filters.push(Filter {
        seen: Some(true),
        mailbox: Some(role_id(bo.id, Role::Inbox)),
        has_attachment: Some(false),
        to: Some("bo@".into()),
        after: Some(lunch.received_at),
        ..Filter::default()
    });
    for filter in filters {
        let rows = app.store.emails(bo.id, &filter, None, 10).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [lunch.id], "{filter:?}");
        let threads = app.store.threads(bo.id, &filter, None, 10).await.unwrap();
        assert_eq!(threads.iter().map(|row| row.id).collect::<Vec<_>>(), [lunch.id], "{filter:?}");
    }
    for part in ["1002", "sureX", "\\", "%%%"] {
        let filter = Filter { subject: Some(part.into()), ..Filter::default() };
        assert_eq!(app.store.emails(bo.id, &filter, None, 10).await.unwrap().len(), 0, "{part}");
    }
});

both!(marks_are_set_once_and_told_of, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    message(&app, &ana, &[&bo], "Marks", false).deliver(&app).await;
    let row = app.store.emails(bo.id, &Filter::default(), None, 1).await.unwrap().remove(0);
    let before = app.store.modseq(bo.id).await.unwrap();
    let set = Change {
        seen: Some(true),
        mailbox: Some(role_id(bo.id, Role::Archive)),
        add_keywords: vec!["a".into(), "b".into()],
        ..Change::default()
    };
    let change = async |change: Change, if_modseq| {
        app.store.change_emails(bo.id, vec![row.id, ana.id], change, if_modseq, app.now()).await
    };
    assert!(matches!(change(set.clone(), Some(row.modseq - 1)).await, Err(Error::Conflict)));
    assert_eq!(change(set.clone(), Some(row.modseq)).await.unwrap().len(), 1);
    assert_eq!(change(set, None).await.unwrap().len(), 0, "nothing changes, nothing is told");
    let now = app.store.email(bo.id, row.id).await.unwrap().unwrap();
    assert_eq!(
        (now.seen, now.mailbox_role.as_deref(), now.keywords.as_deref()),
        (true, Some("archive"), Some("a b"))
    );
    assert_eq!(now.modseq, before + 1);
    let less = Change { remove_keywords: vec!["a".into(), "none".into()], ..Change::default() };
    assert_eq!(change(less, None).await.unwrap().len(), 1);
    let nowhere = Change { mailbox: Some(row.id), ..Change::default() };
    assert!(matches!(change(nowhere, None).await, Err(Error::NotFound)));
    let foreign = app.store.change_emails(
        ana.id,
        vec![row.id],
        Change { seen: Some(false), ..Change::default() },
        None,
        0,
    );
    assert_eq!(foreign.await.unwrap().len(), 0, "another account's message");
    assert!(matches!(app.store.destroy_email(ana.id, row.id, 0).await, Err(Error::NotFound)));
    app.store.destroy_email(bo.id, row.id, app.now()).await.unwrap();
    assert!(app.store.email(bo.id, row.id).await.unwrap().is_none());
    assert_eq!(
        told(&app, &bo).await,
        ["message.received", "message.updated", "message.updated", "message.updated"]
    );
});

both!(a_mailbox_is_made_renamed_and_deleted, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    let id = app.id();
    app.store.create_mailbox(bo.id, id, "Work".into(), app.now()).await.unwrap();
    let twin = app.store.create_mailbox(bo.id, app.id(), "Work".into(), app.now()).await;
    assert!(matches!(twin, Err(Error::Conflict)));
    assert!(matches!(
        app.store.rename_mailbox(ana.id, id, "Mine".into(), app.now()).await,
        Err(Error::NotFound)
    ));
    app.store.rename_mailbox(bo.id, id, "Play".into(), app.now()).await.unwrap();
    message(&app, &ana, &[&bo], "Into it", false).deliver(&app).await;
    let row = app.store.emails(bo.id, &Filter::default(), None, 1).await.unwrap().remove(0);
    let into = Change { mailbox: Some(id), ..Change::default() };
    app.store.change_emails(bo.id, vec![row.id], into, None, app.now()).await.unwrap();
    let counts = app.store.mailboxes(bo.id).await.unwrap();
    let play = counts.iter().find(|mailbox| mailbox.name == "Play").unwrap();
    assert_eq!((play.total, play.unread, play.role.clone()), (1, 1, None));
    assert!(matches!(app.store.delete_mailbox(bo.id, id, app.now()).await, Err(Error::Conflict)));
    app.store.destroy_email(bo.id, row.id, app.now()).await.unwrap();
    app.store.delete_mailbox(bo.id, id, app.now()).await.unwrap();
    let inbox = role_id(bo.id, Role::Inbox);
    assert!(matches!(app.store.delete_mailbox(bo.id, inbox, app.now()).await, Err(Error::Conflict)));
    assert_eq!(app.store.find_mailbox(bo.id, "inbox").await.unwrap(), Some(inbox));
    assert_eq!(app.store.find_mailbox(ana.id, &inbox.to_string()).await.unwrap(), None);
});
