//! Promises settle at most once, whoever comes at the same time.

use futures_util::future::join_all;
use restante::store::Error;
use restante::store::delivery::{Finish, Outcome};
use restante::store::promise::Side;
use restante::store::settle::{Judged, NewAnswer};

use super::{claim, message, told};
use crate::support::app::{App, Person};

fn answer(app: &App, by: &Person, value: Option<&str>) -> NewAnswer {
    NewAnswer {
        id: app.id(),
        by_account: by.id,
        by_address: by.address.clone(),
        via: "api",
        value: value.map(|value| format!("{{\"choice\":\"{value}\"}}")),
        comment: None,
        decline: value.is_none().then(|| "not mine".to_owned()),
        verified: "{\"token\":true}".into(),
        revision: 1,
        held_until: None,
    }
}

both!(the_first_answer_settles_and_everybody_is_told_once, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo, cy) = (app.person("Ana").await, app.person("Bo").await, app.person("Cy").await);
    let sent = message(&app, &ana, &[&bo, &cy], "Deploy?", true);
    sent.deliver(&app).await;
    let id = sent.question();
    assert!(matches!(
        app.store.answer(ana.id, id, answer(&app, &ana, Some("yes")), None, app.now()).await,
        Err(Error::NotFound)
    ));
    let calls = (0..6).map(|n| {
        let by = if n % 2 == 0 { &bo } else { &cy };
        let (store, answer, now) = (app.store.clone(), answer(&app, by, Some(&format!("v{n}"))), app.now());
        let asker = ana.id;
        tokio::spawn(async move { store.answer(asker, id, answer, None, now).await })
    });
    let judged: Vec<_> =
        join_all(calls.collect::<Vec<_>>()).await.into_iter().map(|r| r.unwrap().unwrap()).collect();
    assert_eq!(judged.iter().filter(|judged| **judged == Judged::Accepted).count(), 1, "{judged:?}");
    let first = judged.iter().position(|judged| *judged == Judged::Accepted).unwrap();
    let row = app.store.promise(bo.id, id).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.value), ("fulfilled", Some(format!("{{\"choice\":\"v{first}\"}}"))));
    assert_eq!(app.store.answers(ana.id, id).await.unwrap().len(), 1);
    for person in [&ana, &bo, &cy] {
        let settled = told(&app, person).await.into_iter().filter(|kind| kind == "promise.settled").count();
        // The asker is told of the delivery's promise, too.
        assert_eq!(settled, if person.id == ana.id { 2 } else { 1 }, "{}", person.address);
    }
    assert_eq!(
        app.store.promises(ana.id, Side::Asker, Some("pending"), None, None, 10).await.unwrap().len(),
        0
    );
    assert_eq!(
        app.store
            .promises(cy.id, Side::Asked, Some("fulfilled"), Some("answer"), None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
});

both!(an_answer_a_cancellation_and_a_decline_race, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo) = (app.person("Ana").await, app.person("Bo").await);
    for round in 0..8 {
        let sent = message(&app, &ana, &[&bo], &format!("Round {round}"), true);
        sent.deliver(&app).await;
        let (id, now) = (sent.question(), app.now());
        let (yes, no) = (answer(&app, &bo, Some("yes")), answer(&app, &bo, None));
        let (yes, no, cancel) = tokio::join!(
            app.store.answer(ana.id, id, yes, None, now),
            app.store.answer(ana.id, id, no, None, now),
            app.store.cancel_promise(ana.id, id, now),
        );
        let row = app.store.promise(ana.id, id).await.unwrap().unwrap();
        let winners =
            [matches!(yes, Ok(Judged::Accepted)), matches!(no, Ok(Judged::Accepted)), cancel.is_ok()];
        assert_eq!(winners.iter().filter(|won| **won).count(), 1, "{yes:?} {no:?} {cancel:?}");
        let expected = match winners {
            [true, ..] => ("fulfilled", None),
            [_, true, _] => ("rejected", Some("declined")),
            _ => ("rejected", Some("canceled")),
        };
        assert_eq!((row.state.as_str(), row.reason_code.as_deref()), expected);
        assert!(row.settled_at.is_some());
    }
    let settled = told(&app, &bo).await.into_iter().filter(|kind| kind == "promise.settled").count();
    assert_eq!(settled, 8);
});

both!(a_question_that_arrives_while_it_is_settled_is_not_left_open, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo, cy) = (app.person("Ana").await, app.person("Bo").await, app.person("Cy").await);
    for round in 0..12 {
        let sent = message(&app, &ana, &[&bo, &cy], &format!("Round {round}"), true);
        sent.accept(&app).await;
        let mut second = None;
        for leased in claim(&app, 10).await {
            if leased.recipient == bo.address {
                app.store.finish_mail(sent.finish(&app, leased), app.now()).await.unwrap();
            } else {
                second = Some(sent.finish(&app, leased));
            }
        }
        let answer = answer(&app, &bo, Some("yes"));
        let (arrived, judged) = tokio::join!(
            app.store.finish_mail(second.unwrap(), app.now()),
            app.store.answer(ana.id, sent.question(), answer, None, app.now()),
        );
        arrived.unwrap();
        assert_eq!(judged.unwrap(), Judged::Accepted);
        let thread = sent.filed(&app, &cy).email.thread_id();
        let open = app.store.waiting(cy.id, &[thread]).await.unwrap();
        assert_eq!(open.len(), 0, "round {round}: a settled question still waits for somebody");
    }
});

both!(the_promise_of_delivery_tells_the_end, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo, cy) = (app.person("Ana").await, app.person("Bo").await, app.person("Cy").await);
    let sent = message(&app, &ana, &[&bo, &cy], "Half", true);
    sent.accept(&app).await;
    let promise = sent.acceptance.delivery_promise.id;
    let mut leased = claim(&app, 10).await;
    let last = leased.pop().unwrap();
    app.store.finish_mail(sent.finish(&app, leased.pop().unwrap()), app.now()).await.unwrap();
    assert_eq!(app.store.promise(ana.id, promise).await.unwrap().unwrap().state, "pending");
    let outcome = Outcome::Failed { class: "permanent", code: "unknown_recipient".into() };
    app.store
        .finish_mail(Finish { leased: last, outcome, attempt: None, filed: None, person: None }, app.now())
        .await
        .unwrap();
    let row = app.store.promise(ana.id, promise).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.reason_code.as_deref()), ("rejected", Some("undeliverable")));
    let question = app.store.promise(ana.id, sent.question()).await.unwrap().unwrap();
    assert_eq!(
        (question.state.as_str(), question.unanswered),
        ("pending", 1),
        "one of the two can still answer"
    );
    assert!(app.store.promise(bo.id, promise).await.unwrap().is_none(), "the sender's own");
    assert!(sent.email() != question.id);

    let alone = message(&app, &ana, &[&bo], "Nobody", true);
    alone.accept(&app).await;
    let leased = claim(&app, 10).await.remove(0);
    let outcome = Outcome::Failed { class: "permanent", code: "unknown_recipient".into() };
    app.store
        .finish_mail(Finish { leased, outcome, attempt: None, filed: None, person: None }, app.now())
        .await
        .unwrap();
    let question = app.store.promise(ana.id, alone.question()).await.unwrap().unwrap();
    assert_eq!(
        (question.state.as_str(), question.reason_code.as_deref()),
        ("rejected", Some("undeliverable"))
    );
    let whole = message(&app, &ana, &[&bo], "Whole", false);
    whole.deliver(&app).await;
    let row = app.store.promise(ana.id, whole.acceptance.delivery_promise.id).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.settled_at), ("fulfilled", Some(app.now())));
});
