//! From a request to RFC 5322 bytes in the spool.

use std::io::{self, Cursor, Read};

use uuid::Uuid;

use super::policy::invalid;
use super::{Attachment, Context, Refusal, Request, Source};
use crate::mail::address::Named;
use crate::mail::html;
use crate::mail::message::{self, Compose, Content, Part};
use crate::mail::thread;
use crate::store::blob::{Blob, Spool, Stored};
use crate::store::{self, Store};

/// Octets of texts and further fields, and recipients that are named, of a message that no file is needed for.
const SMALL: usize = 24 * 1024;
const FEW: usize = 50;

/// What a reply refers to.
#[derive(Debug, Default)]
pub(super) struct Parent {
    in_reply_to: Option<String>,
    references: Vec<String>,
}

/// Looks up what a message answers: our id of it, or a Message-ID, which need not be known here.
pub(super) async fn parent(store: &Store, account: Uuid, named: Option<&str>) -> Result<Parent, Refusal> {
    let Some(named) = named else { return Ok(Parent::default()) };
    let row = if let Ok(id) = Uuid::try_parse(named) {
        Some(store.email(account, id).await?.ok_or_else(|| Refusal::NoParent(named.to_owned()))?)
    } else {
        let plain = named.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(named);
        let fits = plain.contains('@') && plain.len() <= 900 && plain.bytes().all(|b| b.is_ascii_graphic());
        if !fits || plain.contains(['<', '>']) {
            return Err(invalid("/in_reply_to", "Must be the id of a message here, or a Message-ID."));
        }
        match store.email_by_message_id(account, plain).await? {
            Some(row) => Some(row),
            None => return Ok(Parent { in_reply_to: Some(plain.into()), references: vec![plain.into()] }),
        }
    };
    let Some(row) = row else { return Ok(Parent::default()) };
    let content = store.content(&row.digest()?).await?;
    let references =
        thread::references(Some(&row.message_id), content.in_reply_to.as_deref(), &content.references);
    Ok(Parent { in_reply_to: Some(row.message_id), references })
}

/// Writes the message into the spool.
pub(super) async fn message(
    context: &Context,
    account: Uuid,
    request: &Request,
    from: &Named,
    parent: Parent,
    message_id: &str,
    now: i64,
) -> Result<(Blob, Content), Refusal> {
    let files = files(&context.store, account, &request.attachments).await?;
    let limit = context.settings.message_bytes;
    let spool = context.store.spool(limit);
    let draft = Draft {
        from: from.clone(),
        to: request.to.clone(),
        cc: request.cc.clone(),
        subject: request.subject.clone(),
        text: request.text.clone().or_else(|| request.markdown.clone()),
        html: request.html.clone().or_else(|| request.markdown.as_deref().map(html::markdown)),
        headers: {
            let machine = request.automatic.then(|| ("Auto-Submitted".to_owned(), "auto-replied".to_owned()));
            request.headers.iter().cloned().chain(machine).collect()
        },
        parent,
        message_id: message_id.to_owned(),
        now,
    };
    // What stays in memory is written at once; files are read, and what is larger spooled, where blocking hurts nobody.
    let size = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let headers: usize = draft.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let few = draft.to.len() + draft.cc.len() <= FEW;
    let written = if files.is_empty() && few && size(&draft.text) + size(&draft.html) + headers < SMALL {
        draft.write(Vec::new(), spool)
    } else {
        let written = tokio::task::spawn_blocking(move || draft.write(files, spool));
        written.await.map_err(|_| store::Error::Broken)?
    };
    match written {
        Ok((blob, content)) => Ok((blob.summarised(&content), content)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Refusal::TooLarge(limit)),
        Err(error) => Err(store::Error::from(error).into()),
    }
}

struct Draft {
    from: Named,
    to: Vec<Named>,
    cc: Vec<Named>,
    subject: String,
    text: Option<String>,
    html: Option<String>,
    headers: Vec<(String, String)>,
    parent: Parent,
    message_id: String,
    now: i64,
}

/// A file whose bytes were found.
struct File {
    filename: Option<String>,
    content_type: String,
    content_id: Option<String>,
    inline: bool,
    bytes: Bytes,
}

enum Bytes {
    Here(Vec<u8>),
    Stored(Stored),
    Part(Stored, message::Attachment),
}

impl Bytes {
    fn reader(self, spool: impl FnOnce() -> Spool) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Bytes::Here(bytes) => Box::new(Cursor::new(bytes)),
            Bytes::Stored(stored) => stored.reader(0)?,
            Bytes::Part(stored, part) => {
                let encoded = stored.reader(part.offset)?.take(part.length);
                let mut decoded = spool();
                message::decode_part(part.encoding, encoded, &mut decoded)?;
                decoded.reread()?
            }
        })
    }
}

impl Draft {
    fn write(self, files: Vec<File>, mut spool: Spool) -> io::Result<(Blob, Content)> {
        let mut attachments = Vec::with_capacity(files.len());
        for file in files {
            attachments.push(Part {
                filename: file.filename,
                content_type: file.content_type,
                content_id: file.content_id,
                inline: file.inline,
                content: file.bytes.reader(|| spool.another())?,
            });
        }
        let compose = Compose {
            from: self.from,
            to: self.to,
            cc: self.cc,
            reply_to: Vec::new(),
            subject: &self.subject,
            date_ms: self.now,
            message_id: &self.message_id,
            in_reply_to: self.parent.in_reply_to.as_deref(),
            references: &self.parent.references,
            headers: &self.headers,
            text: self.text.as_deref(),
            html: self.html.as_deref(),
            attachments,
        };
        let content = message::compose(compose, &mut spool)?;
        Ok((spool.finish()?, content))
    }
}

async fn files(store: &Store, account: Uuid, attachments: &[Attachment]) -> Result<Vec<File>, Refusal> {
    let mut files = Vec::with_capacity(attachments.len());
    for attachment in attachments {
        let (bytes, known_type) = match &attachment.source {
            Source::Bytes(bytes) => (Bytes::Here(bytes.clone()), None),
            Source::Upload(id) => {
                let upload = store.upload(account, *id).await?.ok_or(Refusal::NoUpload(*id))?;
                let stored = store.blob(&upload.digest()?).await?.ok_or(Refusal::NoUpload(*id))?;
                (Bytes::Stored(stored), Some(upload.content_type))
            }
            Source::Part(digest, part) => {
                let stored = store.blob(digest).await?.ok_or(store::Error::NotFound)?;
                (Bytes::Part(stored, part.clone()), Some(part.content_type.clone()))
            }
        };
        let guessed = || {
            let name = attachment.filename.as_deref().unwrap_or_default();
            mime_guess::from_path(name).first_or_octet_stream().to_string()
        };
        let unknown = |kind: &String| kind != "application/octet-stream";
        files.push(File {
            filename: attachment.filename.clone(),
            content_type: attachment
                .content_type
                .clone()
                .or(known_type.filter(unknown))
                .unwrap_or_else(guessed),
            content_id: attachment.content_id.clone(),
            inline: attachment.inline,
            bytes,
        });
    }
    Ok(files)
}
