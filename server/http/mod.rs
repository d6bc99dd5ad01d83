//! The HTTP door: the API under /v1, the web inbox, health and documentation. It decides nothing about mail.

pub mod access;
pub mod answer_page;
pub mod body;
pub mod by;
pub mod docs;
pub mod events;
mod fold;
pub mod health;
pub mod idempotency;
pub mod layers;
mod line;
pub mod mcp;
pub mod page;
pub mod peer;
pub mod problem;
pub mod rate;
pub mod rest;
pub mod serve;
pub mod settings;
pub mod unsubscribe_page;
pub mod wait;
pub mod web;

use std::sync::Arc;

use axum::Router;
pub(crate) use axum::body::Bytes;
pub(crate) use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use url::Url;

pub use problem::Problem;
pub use serve::serve;
pub use settings::Settings;

use crate::auth::password::Passwords;
use crate::mail::clock::Clock;
use crate::mail::id::Ids;
use crate::store::Store;
use crate::submission;

/// What every handler may use; clones share it.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of [`AppState`].
pub struct Inner {
    /// Everything remembered.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Ids and secrets.
    pub ids: Ids,
    /// What submitting needs.
    pub submission: submission::Context,
    /// This door's settings.
    pub settings: Settings,
    /// The address people and programs use, with nothing after the host.
    pub public_url: Url,
    /// Ends what would otherwise go on: streams and waits.
    pub shutdown: CancellationToken,
    /// The computations of passwords.
    pub passwords: Passwords,
    /// The room for request bodies.
    pub room: body::Room,
    /// Requests that run under an Idempotency-Key.
    pub running: idempotency::Running,
    /// Places for streams of events.
    pub streams: events::Streams,
    /// Turns at fetching pictures from elsewhere.
    pub pictures: rest::pictures::Turns,
    /// How much each caller may ask for.
    pub limits: rate::Limits,
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl AppState {
    /// The state of one door. `public_url` is where people and programs reach it.
    pub fn new(
        submission: submission::Context,
        settings: Settings,
        public_url: Url,
        shutdown: CancellationToken,
    ) -> Self {
        let limits = rate::Limits::new(settings.rate_limit);
        Self(Arc::new(Inner {
            store: submission.store.clone(),
            clock: submission.clock.clone(),
            ids: submission.ids.clone(),
            submission,
            settings,
            public_url,
            shutdown,
            passwords: Passwords::default(),
            room: body::Room::default(),
            running: idempotency::Running::default(),
            streams: events::Streams::default(),
            pictures: rest::pictures::Turns::default(),
            limits,
        }))
    }

    /// The session cookie's name: bound to the host where the connection is secure.
    pub fn cookie_name(&self) -> &'static str {
        if self.secure() { "__Host-restante" } else { "restante" }
    }

    /// Whether browsers reach this door over TLS.
    pub fn secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

/// The routes of the whole door, with everything that holds for each of them.
pub fn router(state: AppState) -> Router {
    let (api, document) = rest::routes().merge(mcp::routes()).split_for_parts();
    let api = api
        .layer(from_fn_with_state(state.clone(), idempotency::once))
        .layer(from_fn_with_state(state.clone(), body::take))
        .layer(from_fn_with_state(state.clone(), access::guard));
    api.merge(docs::routes(document))
        .merge(health::routes())
        .merge(answer_page::routes())
        .merge(unsubscribe_page::routes())
        .fallback(web::page)
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(from_fn(layers::finish))
        .layer(from_fn_with_state(state.clone(), layers::identify))
        .with_state(state)
}
