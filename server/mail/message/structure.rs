//! The MIME structure (RFC 2046): where each part lies. One pass over the lines, no recursion.

use super::Encoding;
use super::field::{Parameters, Section, line_end, trim_line};

/// The deepest nesting of multiparts that is opened; deeper ones are attachments as they are.
const MAX_DEPTH: usize = 50;
/// The most parts.
const MAX_PARTS: usize = 1000;
/// The longest boundary (RFC 2046 §5.1.1 allows 70).
const MAX_BOUNDARY: usize = 256;

/// A part that holds no others.
#[derive(Debug)]
pub(super) struct Leaf {
    /// The media type, lower-case.
    pub(super) content_type: String,
    /// The character set, as named.
    pub(super) charset: Option<String>,
    /// The file name, as given.
    pub(super) name: Option<String>,
    /// Content-Disposition: attachment.
    pub(super) attached: bool,
    /// Content-Disposition: inline.
    pub(super) inlined: bool,
    /// Content-ID, without angle brackets.
    pub(super) content_id: Option<String>,
    /// How its octets are encoded.
    pub(super) encoding: Encoding,
    /// Where its octets start.
    pub(super) start: usize,
    /// Where they end.
    pub(super) end: usize,
    /// The multipart/alternative it is part of, nearest first.
    pub(super) alternative: Option<usize>,
    /// Whether it belongs to a multipart/related without being its root.
    pub(super) related: bool,
}

/// What the walk over the lines finds.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// The leaves, in order.
    pub(super) leaves: Vec<Leaf>,
    /// Whether parts were left out, or a header section was too long.
    pub(super) truncated: bool,
}

/// An open multipart.
struct Multi {
    boundary: Vec<u8>,
    subtype: String,
    children: usize,
    alternative: Option<usize>,
    related: bool,
}

/// A line that is one of the open boundaries: which, and whether it is the closing one.
fn delimiter(line: &[u8], open: &[Multi]) -> Option<(usize, bool)> {
    let rest = line.strip_prefix(b"--")?;
    open.iter().enumerate().rev().find_map(|(n, multi)| {
        let tail = rest.strip_prefix(multi.boundary.as_slice())?.trim_ascii_end();
        match tail {
            [] => Some((n, false)),
            [b'-', b'-', ..] => Some((n, true)),
            _ => None,
        }
    })
}

fn leaf(section: &Section<'_>, parent: Option<&Multi>, body: usize) -> (Leaf, Parameters) {
    let digest = parent.is_some_and(|p| p.subtype == "digest");
    let content_type = section.first("content-type").map(super::field::Field::parameters).unwrap_or_default();
    let disposition =
        section.first("content-disposition").map(super::field::Field::parameters).unwrap_or_default();
    let encoding =
        section.first("content-transfer-encoding").map(|f| f.text().to_ascii_lowercase()).unwrap_or_default();
    let essence = match content_type.essence.as_str() {
        "" if digest => "message/rfc822",
        "" | "text" => "text/plain",
        essence if !essence.contains('/') || essence.len() > 127 => "application/octet-stream",
        essence => essence,
    };
    let leaf = Leaf {
        content_type: essence.to_owned(),
        charset: content_type.charset.clone(),
        name: disposition.name.or_else(|| content_type.name.clone()),
        attached: disposition.essence == "attachment",
        inlined: disposition.essence == "inline",
        content_id: section.first("content-id").and_then(|f| f.ids().into_iter().next()),
        encoding: match encoding.split([' ', ';', '(']).next() {
            Some("base64") => Encoding::Base64,
            Some("quoted-printable") => Encoding::QuotedPrintable,
            _ => Encoding::Identity,
        },
        start: body,
        end: body,
        alternative: parent.and_then(|p| p.alternative),
        related: parent.is_some_and(|p| p.related || (p.subtype == "related" && p.children > 1)),
    };
    (leaf, content_type)
}

/// Finds the parts of the message whose header section is `section`.
pub(super) fn walk(raw: &[u8], section: &Section<'_>) -> Structure {
    let mut found = Structure { leaves: Vec::new(), truncated: section.truncated };
    let mut open: Vec<Multi> = Vec::new();
    let mut parts = 1;
    let mut at = section.body;
    let mut current = open_part(section, &mut open, &mut parts);
    let mut part_section;
    while at < raw.len() {
        let start = at;
        at = line_end(raw, at);
        let Some((n, closing)) = delimiter(trim_line(&raw[start..at]), &open) else { continue };
        if let Some(mut leaf) = current.take() {
            // The line break before a boundary belongs to the boundary.
            let body = &raw[leaf.start..start.max(leaf.start)];
            leaf.end = leaf.start + trim_line(body).len();
            found.leaves.push(leaf);
        }
        if closing {
            open.truncate(n);
            if open.is_empty() {
                break;
            }
            continue;
        }
        open.truncate(n + 1);
        if parts >= MAX_PARTS {
            found.truncated = true;
            break;
        }
        parts += 1;
        open[n].children += 1;
        part_section = Section::read(raw, at, raw.len());
        found.truncated |= part_section.truncated;
        at = part_section.body;
        current = open_part(&part_section, &mut open, &mut parts);
    }
    if let Some(mut leaf) = current.take() {
        leaf.end = raw.len();
        found.leaves.push(leaf);
    }
    if found.leaves.is_empty() {
        // A multipart without any part: its octets are a text.
        let (mut all, _) = leaf(&Section::default(), None, section.body);
        all.end = raw.len();
        found.leaves.push(all);
    }
    found
}

/// Starts a part: a multipart is opened, anything else is a leaf.
fn open_part(section: &Section<'_>, open: &mut Vec<Multi>, parts: &mut usize) -> Option<Leaf> {
    let (mut leaf, content_type) = leaf(section, open.last(), section.body);
    let Some(subtype) = leaf.content_type.strip_prefix("multipart/").map(str::to_owned) else {
        return Some(leaf);
    };
    let boundary = content_type.boundary.map(String::into_bytes).unwrap_or_default();
    let boundary = boundary.trim_ascii_end();
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY || leaf.encoding != Encoding::Identity {
        // Without a usable boundary it is shown as it is.
        leaf.content_type = "text/plain".to_owned();
        return Some(leaf);
    }
    if open.len() >= MAX_DEPTH {
        leaf.content_type = "application/octet-stream".to_owned();
        return Some(leaf);
    }
    let id = *parts;
    open.push(Multi {
        boundary: boundary.to_vec(),
        alternative: if subtype == "alternative" { Some(id) } else { leaf.alternative },
        related: leaf.related,
        subtype,
        children: 0,
    });
    None
}
