//! Deadlines.

use restante::promise::ask::{Ask, ChoiceOption};
use restante::submission::{Question, Request};
use serde_json::json;

use super::{Post, request};

fn question(on_expiry: Option<serde_json::Value>) -> Option<Question> {
    let option = |name: &str| ChoiceOption { name: name.into(), title: name.into(), comment: None };
    let ask = Ask::choice(vec![option("yes"), option("no")], on_expiry).unwrap();
    Some(Question { ask, deadline: Some(3_600_000), context: None, callback_url: None })
}

both!(a_question_without_an_answer_expires, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let asking = |on_expiry| Request { ask: question(on_expiry), ..request(&[&bo.address], "well?") };
    let plain = post.request(&ana, asking(None)).await;
    let other = post.request(&ana, asking(Some(json!({ "choice": "no" })))).await;
    post.settle().await;
    let email = post.inbox(&bo).await.remove(0);
    let (promise, asked) = (plain.answer_promise.unwrap(), email.promise_id.unwrap());
    assert!([promise, other.answer_promise.unwrap()].contains(&asked));
    assert_eq!(post.app.store.asked_of(bo.id, &[promise]).await.unwrap().len(), 1);
    post.app.minutes(59);
    assert_eq!(post.settle().await, 0);
    post.app.minutes(1);
    assert_eq!(post.settle().await, 2);
    let row = post.app.store.promise(ana.id, promise).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.reason_code.as_deref()), ("rejected", Some("expired")));
    let row = post.app.store.promise(ana.id, other.answer_promise.unwrap()).await.unwrap().unwrap();
    assert_eq!(row.state, "fulfilled");
    assert!(row.value.unwrap().contains("no"));
    let told = post.app.store.events(bo.id, 0, &["promise.settled".into()], 10).await.unwrap();
    assert_eq!(told.len(), 2);
});

both!(a_question_nobody_can_be_asked_is_rejected, |engine| async move {
    let post = Post::start(engine, None).await;
    let ana = post.app.person("Ana").await;
    let asking = Request { ask: question(None), ..request(&["nobody@example.org"], "well?") };
    let sent = post.request(&ana, asking).await;
    post.settle().await;
    let row = post.app.store.promise(ana.id, sent.answer_promise.unwrap()).await.unwrap().unwrap();
    assert_eq!((row.state.as_str(), row.reason_code.as_deref()), ("rejected", Some("undeliverable")));
});
