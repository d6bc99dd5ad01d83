//! Workers that die, freeze or come back: nothing is lost, nothing is filed twice, the late one changes nothing.

use restante::store::Error;
use restante::store::claim::Claim;
use restante::store::delivery::{Attempt, Finish, Lane, Leased, Outcome};

use super::{Post, settings};
use crate::support::mta::Mta;

/// Claims everything that is due, as a worker that then does nothing.
async fn claim(post: &Post, lane: Lane) -> Vec<Leased> {
    let (now, lease) = (post.app.now(), post.app.id());
    let claim = Claim { now, lease, until: now + 45_000, lane, limit: 100, per_destination: 100, busy: &[] };
    post.app.store.claim(claim).await.unwrap()
}

both!(the_work_of_a_dead_worker_is_taken_over_within_a_minute, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let sent = post.send(&ana, &[&bo.address], "hi").await;
    let dead = claim(&post, Lane::Here).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "sending");
    assert_eq!(post.settle().await, 0, "while the lease lasts it is the other's");
    post.app.seconds(60);
    assert_eq!(post.settle().await, 1);
    assert_eq!(post.inbox(&bo).await.len(), 1);
    // The dead one was only slow: whatever it says now is discarded.
    let late = dead[0].clone();
    let now = post.app.now();
    let outcome = Outcome::Failed { class: "permanent", code: "late".into() };
    let finish = Finish { leased: late.clone(), outcome, attempt: None, filed: None, person: None };
    assert!(matches!(post.app.store.finish_mail(finish, now).await, Err(Error::Conflict)));
    assert!(matches!(
        post.app.store.defer(late.clone(), Attempt::default(), now, now).await,
        Err(Error::Conflict)
    ));
    assert!(matches!(post.app.store.give_back(late.clone(), now).await, Err(Error::Conflict)));
    assert!(!post.app.store.still_leased(&late).await.unwrap());
    assert_eq!(post.app.store.renew(late.lease, now + 99).await.unwrap(), 0);
    assert_eq!(post.state(&post.delivery(&ana, &sent).await), "delivered");
    assert!(post.inbox(&ana).await.is_empty());
    assert_eq!(post.settle().await, 0);
});

both!(two_workers_share_the_work, |engine| async move {
    let mta = Mta::start().await;
    let post = Post::start(engine, Some(&mta)).await;
    let ana = post.app.person("Ana").await;
    let other = restante::delivery::Worker::new(post.context.clone(), settings(Some(&mta)));
    for n in 0..20 {
        post.send(&ana, &[&format!("out@x{n}.test"), &ana.address], "hi").await;
    }
    let mut worked = 0;
    while worked < 40 {
        let (one, two) = tokio::join!(post.worker.step(), other.step());
        worked += one.unwrap() + two.unwrap();
    }
    assert_eq!(worked, 40);
    assert_eq!((mta.wait(20).await.len(), post.inbox(&ana).await.len()), (20, 20));
});

both!(a_poisoned_message_ends_in_the_dead_letter_and_harms_nobody, |engine| async move {
    let post = Post::start(engine, None).await;
    let (ana, bo) = (post.app.person("Ana").await, post.app.person("Bo").await);
    let sent = post.send(&ana, &[&bo.address], "poison").await;
    for n in 1..=10 {
        let crashed = claim(&post, Lane::Here).await;
        assert_eq!((crashed.len(), crashed[0].attempts), (1, n));
        post.app.seconds(46);
    }
    post.send(&ana, &[&bo.address], "fine").await;
    post.settle().await;
    let row = post.delivery(&ana, &sent).await;
    assert_eq!((post.state(&row), row.reason_code.as_deref()), ("failed", Some("poison")));
    let inbox = post.inbox(&bo).await;
    assert_eq!((inbox.len(), inbox[0].subject.as_str()), (1, "fine"));
    assert_eq!(post.inbox(&ana).await.len(), 1, "its sender is told");
});
