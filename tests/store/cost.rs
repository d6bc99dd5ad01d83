//! What a message costs: statements are few, and they go down in few calls.

use restante::store::Tallied;

use super::{claim, message};
use crate::support::Engine;
use crate::support::app::App;

/// What was done since `before`.
fn since(app: &App, before: Tallied) -> (u64, u64, u64) {
    let now = app.store.tallied();
    (now.units - before.units, now.calls - before.calls, now.statements - before.statements)
}

both!(a_message_is_accepted_and_delivered_in_few_calls, |engine| async move {
    let app = App::start(engine).await;
    let (ana, bo, cy) = (app.person("Ana").await, app.person("Bo").await, app.person("Cy").await);
    let sent = message(&app, &ana, &[&bo, &cy], "Cheap", false);

    let before = app.store.tallied();
    sent.accept(&app).await;
    let accepted = since(&app, before);

    let mut finished = Vec::new();
    for leased in claim(&app, 10).await {
        let (finish, before) = (sent.finish(&app, leased), app.store.tallied());
        app.store.finish_mail(finish, app.now()).await.unwrap();
        finished.push(since(&app, before));
    }
    // Blob, number, email, event, submission, deliveries, promise. Then: settle, count, promise, and a number and an
    // event for either account with the copy between; the last one tells of the promise as well.
    let (accept, first, last) = (7, 8, 10);
    // The first of its kind is prepared in a call of its own on PostgreSQL.
    let first_time = match engine {
        Engine::Sqlite => 0,
        Engine::Postgres => 1,
    };
    assert_eq!(accepted, (1, 1 + first_time, accept));
    assert_eq!(finished[0], (1, 2 + first_time, first));
    assert_eq!((finished[1].0, finished[1].2), (1, last));
    let before = app.store.tallied();
    message(&app, &ana, &[&bo, &cy], "Cheap, too", false).accept(&app).await;
    assert_eq!(since(&app, before), (1, 1, accept));
});
