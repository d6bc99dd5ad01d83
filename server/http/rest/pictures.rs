//! Pictures of other servers that a message names, fetched for its reader: who sent it learns neither who reads it, nor
//! where, nor anything of our network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::Url;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Answered;
use super::attachments::CAGE;
use super::message::html_safe;
use super::messages::find;
use crate::http::access::Caller;
use crate::http::body::{Id, Params};
use crate::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, HeaderValue, Method};
use crate::mail::html::held_pictures;
use crate::net::http::{Call, Client};

/// Octets of one picture.
const LARGEST: usize = 5 << 20;
/// How long one may take, with its redirects and until it is its turn.
const WITHIN: Duration = Duration::from_secs(20);
/// How often its address may lead on to another.
const REDIRECTS: usize = 3;
/// Pictures that are fetched at once, of all accounts and of one; and those of one that wait.
const AT_ONCE: usize = 24;
const OF_ONE: usize = 6;
const WAITING: usize = 100;

/// Whose turn it is to fetch: a message whose pictures never come delays its own reader only.
#[derive(Debug, Clone)]
pub struct Turns {
    all: Arc<Semaphore>,
    own: Arc<Mutex<HashMap<Uuid, Own>>>,
}

#[derive(Debug, Clone)]
struct Own {
    waiting: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

/// A request's place among its account's.
struct Place(Turns, Uuid, Own);

impl Default for Turns {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(AT_ONCE)), own: Arc::default() }
    }
}

impl Turns {
    fn place(&self, account: Uuid) -> Place {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let new =
            || Own { waiting: Arc::new(Semaphore::new(WAITING)), working: Arc::new(Semaphore::new(OF_ONE)) };
        let mine = own.entry(account).or_insert_with(new).clone();
        Place(self.clone(), account, mine)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut own = self.0.own.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one: nobody else of the account is here.
        if Arc::strong_count(&self.2.working) == 2 {
            own.remove(&self.1);
        }
    }
}

/// Which picture.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Its address, as `data-src` has it in `html_safe` of this message.
    url: String,
}

/// Fetches a picture of another server that this message shows, without a cookie or a word about its reader. Only PNG,
/// JPEG, GIF, WebP and AVIF, by their content, of at most 5 MiB.
#[utoipa::path(get, path = "/v1/messages/{id}/remote", tag = "Messages", params(("id" = String, Path), Which),
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 404, description = "also when the message has no such picture"),
        (status = 502, description = "`picture_unavailable`")))]
pub async fn picture(
    State(state): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(which): Params<Which>,
) -> Answered {
    let row = find(&state, caller.account.id, id).await?;
    let content = state.store.content(&row.digest()?).await?;
    let html = html_safe(id, &content).await?.unwrap_or_default();
    if !held_pictures(&html).any(|url| url == which.url) {
        return Err(Problem::not_found());
    }
    let place = state.pictures.place(caller.account.id);
    let busy = || Problem::new(&problem::BUSY, "Too many pictures are being fetched.").retry_after(5);
    let _waits = place.2.waiting.try_acquire().map_err(|_| busy())?;
    let fetched = tokio::time::timeout(WITHIN, async {
        let _mine = place.2.working.acquire().await.ok()?;
        let _all = state.pictures.all.acquire().await.ok()?;
        fetch(&state.submission.http, &which.url).await
    });
    // Why it did not come is not told: that would say something about our network.
    let Some((media, bytes)) = fetched.await.ok().flatten() else {
        return Err(Problem::new(&problem::PICTURE_UNAVAILABLE, "This picture cannot be fetched."));
    };
    let mut response = Response::new(Body::from(bytes));
    let set = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, media),
        (CONTENT_DISPOSITION, "inline; filename=\"picture\""),
        (CACHE_CONTROL, "private, max-age=86400"),
        (CONTENT_SECURITY_POLICY, CAGE),
    ] {
        set.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// The picture and its type. Where each address leads is checked when it is connected to, after a redirect too.
async fn fetch(client: &Client, url: &str) -> Option<(&'static str, Vec<u8>)> {
    let mut url = client.permits(url.trim()).ok()?;
    for _ in 0..=REDIRECTS {
        let headers =
            vec![(ACCEPT, HeaderValue::from_static("image/avif,image/webp,image/png,image/*;q=0.8"))];
        let call = Call {
            method: Method::GET,
            url: url.clone(),
            headers,
            body: Vec::new(),
            within: WITHIN,
            most: LARGEST,
        };
        let answer = client.call(call).await.ok()?;
        if answer.status.is_redirection() {
            let to = answer.headers.get(LOCATION)?.to_str().ok()?;
            url = client.permits(Url::join(&url, to).ok()?.as_str()).ok()?;
            continue;
        }
        // What broke off, or is too long, is no picture.
        let good = answer.status.is_success() && answer.whole;
        return good.then_some(answer.body).and_then(|bytes| Some((media(&bytes)?, bytes)));
    }
    None
}

/// Pictures of dots, by the octets at a place near their beginning (WHATWG MIME Sniffing, 6.1).
const KNOWN: [(usize, &[u8], &str); 7] = [
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP", "image/webp"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
];

/// The type of a picture of dots; none for anything else. What its server calls it does not matter.
fn media(bytes: &[u8]) -> Option<&'static str> {
    let is = |at: usize, what: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(what));
    KNOWN.iter().find(|(at, what, _)| is(*at, what)).map(|(.., media)| *media)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_by_its_octets() {
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n.."[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a..", Some("image/gif")),
            (b"RIFF....WEBPVP8 ", Some("image/webp")),
            (b"....ftypavif", Some("image/avif")),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
            (b"<html>GIF89a", None),
            (b"RIFF....WAVEfmt ", None),
            (b"%PDF-1.7", None),
            (b"GIF", None),
            (b"", None),
        ] {
            assert_eq!(media(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn whoever_left_is_forgotten() {
        let turns = Turns::default();
        let (one, other) = (turns.place(Uuid::nil()), turns.place(Uuid::nil()));
        assert_eq!(turns.own.lock().unwrap().len(), 1);
        drop(one);
        assert_eq!(turns.own.lock().unwrap().len(), 1);
        drop(other);
        assert_eq!(turns.own.lock().unwrap().len(), 0);
    }
}
