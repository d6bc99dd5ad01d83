//! Message bytes: whole, and part by part. They are streamed, never held whole.

use std::io::{self, Read as _, Write};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::IntoParams;
use uuid::Uuid;

use super::messages::find;
use super::{Answered, matches};
use crate::http::access::Caller;
use crate::http::body::{Id, Params, id_of};
use crate::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH,
};
use crate::http::problem::Problem;
use crate::http::{AppState, Bytes, HeaderMap, HeaderValue, StatusCode};
use crate::mail::id::hex;
use crate::mail::message::{Attachment, decode_part};
use crate::store::blob::Stored;

/// Octets of one piece, and pieces that wait for a slow reader.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 4;
/// What a mail may never do: run, load, submit, or be framed elsewhere.
pub(super) const CAGE: &str =
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'";
/// Pictures of dots are shown in place; everything else is for saving. SVG is a document.
const PICTURES: [&str; 5] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/// Streams what a blocking reader writes; ends early when nobody reads any more.
fn stream(work: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Body {
    struct Pieces(mpsc::Sender<io::Result<Bytes>>);
    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let piece = Bytes::copy_from_slice(bytes);
            self.0.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (sender, mut receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut out = io::BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
        let done = work(&mut out).and_then(|()| out.flush());
        if let Err(error) = done
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            tracing::error!(%error, "stored bytes could not be read");
            // The answer has begun: all that can be said is that it ends too early.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let pieces = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    Body::from_stream(pieces)
}

async fn bytes_of(state: &AppState, digest: [u8; 32]) -> Result<Stored, Problem> {
    let stored = state.store.blob(&digest).await?;
    stored.ok_or_else(|| Problem::internal(&"the bytes of a message are missing"))
}

fn respond(
    headers: &HeaderMap,
    etag: &str,
    fields: &[(crate::http::HeaderName, String)],
    body: impl FnOnce() -> Body,
) -> Response {
    let fresh = matches(headers, IF_NONE_MATCH, etag);
    let mut response = Response::new(if fresh { Body::empty() } else { body() });
    let set = response.headers_mut();
    // What a message is made of never changes.
    set.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    set.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CAGE));
    if let Ok(etag) = HeaderValue::from_str(etag) {
        set.insert(ETAG, etag);
    }
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            set.insert(name, value);
        }
    }
    if fresh {
        set.remove(CONTENT_LENGTH);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

/// The message as it is stored (RFC 5322).
#[utoipa::path(get, path = "/v1/messages/{id}/raw", tag = "Messages", params(("id" = String, Path)),
    responses((status = 200, content_type = "message/rfc822", body = Vec<u8>), (status = 404)))]
pub async fn raw(State(state): State<AppState>, caller: Caller, headers: HeaderMap, Id(id): Id) -> Answered {
    let row = find(&state, caller.account.id, id).await?;
    let digest = row.digest()?;
    let stored = bytes_of(&state, digest).await?;
    let fields = [
        (CONTENT_TYPE, "message/rfc822".to_owned()),
        (CONTENT_LENGTH, stored.size().to_string()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.eml\"")),
    ];
    let body = move || match stored {
        Stored::Inline(bytes) => Body::from(bytes),
        stored => stream(move |out| io::copy(&mut stored.reader(0)?, out).map(drop)),
    };
    Ok(respond(&headers, &format!("W/\"{}\"", &hex(&digest)[..32]), &fields, body))
}

/// How an attachment is shown.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// `1`: a picture is shown in place rather than saved.
    inline: Option<String>,
}

/// One attachment, decoded.
#[utoipa::path(get, path = "/v1/messages/{id}/attachments/{n}", tag = "Messages",
    params(("id" = String, Path), ("n" = usize, Path), How),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn attachment(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Path((id, n)): Path<(String, String)>,
    Params(how): Params<How>,
) -> Answered {
    let id: Uuid = id_of(&id).ok_or_else(Problem::not_found)?;
    let n: usize = n.parse().map_err(|_| Problem::not_found())?;
    let row = find(&state, caller.account.id, id).await?;
    let digest = row.digest()?;
    let mut content = state.store.content(&digest).await?;
    if n >= content.attachments.len() {
        return Err(Problem::not_found());
    }
    let part = content.attachments.swap_remove(n);
    let stored = bytes_of(&state, digest).await?;
    let picture = PICTURES.contains(&part.content_type.as_str());
    let inline = picture && how.inline.is_some_and(|inline| inline == "1" || inline == "true");
    // A type that a browser might run or guess at is none of ours to claim.
    let media = if picture { part.content_type.as_str() } else { "application/octet-stream" };
    let fields = [
        (CONTENT_TYPE, media.to_owned()),
        (CONTENT_LENGTH, part.size.to_string()),
        (CONTENT_DISPOSITION, disposition(inline, part.filename.as_deref())),
    ];
    let etag = format!("W/\"{}-{n}\"", &hex(&digest)[..32]);
    Ok(respond(&headers, &etag, &fields, move || stream(move |out| decode(&stored, &part, out))))
}

fn decode(stored: &Stored, part: &Attachment, out: &mut dyn Write) -> io::Result<()> {
    decode_part(part.encoding, stored.reader(part.offset)?.take(part.length), out).map(drop)
}

/// Content-Disposition (RFC 6266): a plain name for old programs, the full one in UTF-8.
fn disposition(inline: bool, filename: Option<&str>) -> String {
    let kind = if inline { "inline" } else { "attachment" };
    let safe: String = filename
        .unwrap_or("attachment")
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '/' | '\\' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .take(200)
        .collect();
    let plain: String =
        safe.chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).collect();
    let full: String = safe
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    format!("{kind}; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_names() {
        assert_eq!(
            disposition(false, Some("a\"b\r\nX: 1/../é.txt")),
            "attachment; filename=\"a_bX_ 1.._.txt\"; filename*=UTF-8''a%22bX%3A%201..%C3%A9.txt"
        );
        assert!(disposition(true, None).starts_with("inline; filename=\"attachment\""));
        assert!(disposition(false, Some(&"x".repeat(5000))).len() < 600);
        assert!(!disposition(false, Some("a\u{202e}txt.exe")).contains("%E2%80%AE"));
    }
}
