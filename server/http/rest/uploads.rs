//! Uploads: octets for attachments, streamed to where they stay, named by their content.

use std::io::{self, Write as _};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;
use uuid::Uuid;

use super::draft::is_media_type;
use super::{Answered, created, kept};
use crate::http::access::Caller;
use crate::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use crate::http::idempotency::{Once, replayed};
use crate::http::problem::{self, Problem};
use crate::http::{AppState, Bytes, HeaderMap};
use crate::mail::id::{digest, hex};
use crate::store::idempotency::Answer;
use crate::store::{self, blob::Blob};

/// The longest pause between two pieces, and pieces that wait for the disk.
const PAUSE: Duration = Duration::from_secs(30);
const PIECES: usize = 8;

/// Octets that can be attached.
#[derive(Debug, Serialize, ToSchema)]
pub struct Upload {
    upload_id: Uuid,
    /// Octets.
    size: u64,
    /// Of the octets, in hexadecimal digits.
    sha256: String,
    content_type: String,
}

/// Takes octets for an attachment: the body as it is, with its Content-Type.
#[utoipa::path(post, path = "/v1/uploads", tag = "Sending",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = Upload), (status = 413, description = "`body_too_large`")))]
pub async fn upload(
    State(state): State<AppState>,
    caller: Caller,
    Once(key): Once,
    headers: HeaderMap,
    body: Body,
) -> Answered {
    let limit = state.submission.settings.message_bytes;
    let length: Option<u64> = headers.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let content_type = if is_media_type(&media) { media } else { "application/octet-stream".into() };
    let spooled = spool(&state, body, limit).await?;
    let blob = spooled.ok_or_else(|| too_large(limit))?;
    let (account, now) = (caller.account.id, state.clock.now_ms());
    let key = key.map(|mut key| {
        key.fingerprint = digest(&[&key.fingerprint, &blob.digest]);
        key
    });
    if let Some(key) = &key
        && let Some(replay) = state.store.replay(account, &key.key).await?
    {
        return replayed(&replay, &key.fingerprint);
    }
    let id = state.ids.id(now);
    let upload = Upload {
        upload_id: id,
        size: blob.size,
        sha256: hex(&blob.digest),
        content_type: content_type.clone(),
    };
    let location = format!("/v1/uploads/{id}");
    let keep = key.map(|key| {
        let body = serde_json::to_string(&upload).unwrap_or_default();
        (key, Answer { status: 201, location: Some(location.clone()), body })
    });
    state.store.put_upload(account, id, blob, content_type, keep, now).await?;
    Ok(kept(created(&location, &upload)))
}

fn too_large(limit: u64) -> Problem {
    Problem::new(&problem::BODY_TOO_LARGE, format!("An upload has at most {limit} octets."))
}

/// Writes the body where it stays, piece by piece; none when it is longer than `limit`.
async fn spool(state: &AppState, body: Body, limit: u64) -> Result<Option<Blob>, Problem> {
    let mut spool = state.store.spool(limit);
    let (sender, mut pieces) = mpsc::channel::<Bytes>(PIECES);
    let writing = tokio::task::spawn_blocking(move || -> io::Result<Option<Blob>> {
        let mut whole = false;
        while let Some(piece) = pieces.blocking_recv() {
            // An empty piece says that the body came to its end; without one the sender was cut off.
            whole = piece.is_empty();
            spool.write_all(&piece)?;
        }
        if whole { spool.finish().map(Some) } else { Ok(None) }
    });
    let mut stream = body.into_data_stream();
    let lost = loop {
        let next = tokio::time::timeout(PAUSE, stream.next()).await;
        let piece = match next {
            Err(_) => break Some(Problem::new(&problem::REQUEST_TIMEOUT, "The upload stopped arriving.")),
            Ok(Some(Err(_))) => {
                break Some(Problem::new(&problem::INVALID_REQUEST, "The upload ended before it was whole."));
            }
            Ok(Some(Ok(piece))) if piece.is_empty() => continue,
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => Bytes::new(),
        };
        let end = piece.is_empty();
        if sender.send(piece).await.is_err() || end {
            break None;
        }
    };
    drop(sender);
    let written = writing.await.map_err(|error| Problem::internal(&error))?;
    match (lost, written) {
        (Some(problem), _) => Err(problem),
        (None, Ok(blob)) => Ok(blob),
        (None, Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
        (None, Err(error)) => Err(store::Error::from(error).into()),
    }
}
