//! HTML that may be shown: rewritten as plain well-nested tags, then through an allow-list.
//!
//! The first pass bounds what the real parser has to do (depth, misnested formatting, attributes); the second, ammonia, is the
//! one that is trusted, and nothing touches its output.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::allowed::{ATTRIBUTES, ENDS_PARAGRAPH, STYLES, TAGS, VOID};
use super::token::{Token, tokens};
use super::unescape;

/// The deepest nesting kept; deeper elements lose their tags, not their text.
const MAX_DEPTH: usize = 128;
/// The most octets of HTML looked at.
const MAX: usize = 4 << 20;
/// The most octets of embedded pictures shown (`data:`), each.
const MAX_DATA: usize = 512 << 10;

#[derive(Clone, Copy, PartialEq)]
enum Images {
    /// Remote ones wait in `data-src` until the reader asks for them.
    Held,
    /// As written: the HTML is the sender's own.
    Kept,
}

/// The HTML with only what an allow-list knows: no scripts, styles, forms, SVG or MathML; remote images keep their
/// address in `data-src` only; `cid` gives the address of an embedded part by its content id.
#[must_use]
pub fn safe(html: &str, cid: &dyn Fn(&str) -> Option<String>) -> String {
    clean(html, cid, Images::Held)
}

/// Markdown (CommonMark with tables and strikethrough) as safe HTML, for sending.
#[must_use]
pub fn markdown(md: &str) -> String {
    use pulldown_cmark::{Options, Parser, html};
    let mut out = String::with_capacity(md.len() + md.len() / 2);
    html::push_html(&mut out, Parser::new_ext(md, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    clean(&out, &|_| None, Images::Kept)
}

fn clean(html: &str, cid: &dyn Fn(&str) -> Option<String>, images: Images) -> String {
    let cut = if html.len() > MAX {
        (0..=MAX).rev().find(|&at| html.is_char_boundary(at)).unwrap_or(0)
    } else {
        html.len()
    };
    let mut parts = HashMap::new();
    let nested = nest(&html[..cut], cid, images, &mut parts);
    let set = |names: &[&'static str]| names.iter().copied().collect::<HashSet<_>>();
    // Whether an address may stay is for `attribute_value` alone: it also writes relative ones.
    ammonia::Builder::empty()
        .tags(set(TAGS))
        .clean_content_tags(set(&["script", "style", "title", "textarea", "template", "noscript"]))
        .generic_attributes(set(&[
            "align", "bgcolor", "dir", "height", "lang", "style", "title", "valign", "width",
        ]))
        .tag_attributes(HashMap::from([
            ("a", set(&["href"])),
            ("img", set(&["src", "data-src", "alt"])),
            ("font", set(&["color", "face", "size"])),
            ("ol", set(&["start", "type"])),
            ("table", set(&["border", "cellpadding", "cellspacing"])),
            ("td", set(&["colspan", "rowspan"])),
            ("th", set(&["colspan", "rowspan"])),
        ]))
        .filter_style_properties(set(STYLES))
        .url_schemes(set(&["http", "https", "mailto", "tel", "cid", "data"]))
        .url_relative(ammonia::UrlRelative::PassThrough)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_values(HashMap::from([("a", HashMap::from([("target", "_blank")]))]))
        .attribute_filter(move |element, attribute, value| {
            attribute_value(element, attribute, value, images, &parts)
        })
        .clean(&nested)
        .to_string()
}

/// Whether the address is one of the web's.
fn is_remote(url: &str) -> bool {
    let start = url.trim_start().get(..8).unwrap_or(url).to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://")
}

fn attribute_value<'u>(
    element: &str,
    attribute: &str,
    value: &'u str,
    images: Images,
    parts: &HashMap<String, String>,
) -> Option<Cow<'u, str>> {
    match (element, attribute) {
        ("img", "src") => {
            if let Some(id) = content_id(value) {
                return parts.get(&id).cloned().map(Cow::Owned);
            }
            let picture = [
                "data:image/png;base64,",
                "data:image/jpeg;base64,",
                "data:image/gif;base64,",
                "data:image/webp;base64,",
            ];
            let embedded = value.len() <= MAX_DATA && picture.iter().any(|p| value.starts_with(p));
            (embedded || (images == Images::Kept && is_remote(value))).then_some(Cow::Borrowed(value))
        }
        ("img", "data-src") => is_remote(value).then_some(Cow::Borrowed(value)),
        (_, "href") => {
            let scheme = value.split(':').next().unwrap_or("").trim().to_ascii_lowercase();
            matches!(scheme.as_str(), "http" | "https" | "mailto" | "tel").then_some(Cow::Borrowed(value))
        }
        (_, "style") => {
            let lower = value.to_ascii_lowercase();
            let sly = ["url", "image", "expression", "var(", "attr(", "\\", "@", "/*"]
                .iter()
                .any(|s| lower.contains(s));
            (!sly && value.len() <= 2000).then_some(Cow::Borrowed(value))
        }
        _ => (value.len() <= 2000 || attribute == "alt").then_some(Cow::Borrowed(value)),
    }
}

/// The content id of a `cid:` address (RFC 2392), its percent signs decoded.
fn content_id(url: &str) -> Option<String> {
    let url = url.trim();
    let id = url.get(..4).filter(|s| s.eq_ignore_ascii_case("cid:")).map(|_| &url[4..])?;
    let mut bytes = Vec::with_capacity(id.len());
    let mut rest = id.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = |b: u8| char::from(b).to_digit(16);
        if let (b'%', [a, b, tail @ ..]) = (first, tail)
            && let (Some(high), Some(low)) = (code(*a), code(*b))
        {
            bytes.push((high * 16 + low) as u8);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Open elements, and the HTML written so far.
struct Nest {
    out: String,
    open: Vec<String>,
}

impl Nest {
    /// Closes everything from the open element at `from` on.
    fn close(&mut self, from: usize) {
        while self.open.len() > from {
            if let Some(name) = self.open.pop() {
                let _ = write!(self.out, "</{name}>");
            }
        }
    }

    /// Closes the innermost of `names`, unless one of `within` is nearer.
    fn close_nearest(&mut self, names: &[&str], within: &[&str]) {
        for at in (0..self.open.len()).rev() {
            let name = self.open[at].as_str();
            if names.contains(&name) {
                return self.close(at);
            }
            if within.contains(&name) {
                return;
            }
        }
    }
}

/// Writes the HTML with only known tags, each closed in its order and at most [`MAX_DEPTH`] deep, so that an HTML parser
/// has nothing to repair. `parts` receives the addresses of the embedded parts it names.
fn nest(
    html: &str,
    cid: &dyn Fn(&str) -> Option<String>,
    images: Images,
    parts: &mut HashMap<String, String>,
) -> String {
    let mut nest = Nest { out: String::with_capacity(html.len()), open: Vec::new() };
    for token in tokens(html) {
        match token {
            Token::Text(text) => {
                for (n, piece) in text.split('<').enumerate() {
                    nest.out.push_str(if n == 0 { "" } else { "&lt;" });
                    nest.out.push_str(piece);
                }
            }
            Token::Start(name, attributes) if TAGS.contains(&name.as_str()) => {
                let cell = ["td", "th", "caption", "table"];
                if ENDS_PARAGRAPH.contains(&name.as_str()) {
                    nest.close_nearest(&["p"], &cell);
                }
                match name.as_str() {
                    "li" => nest.close_nearest(&["li"], &["ul", "ol", "table", "td", "th"]),
                    "dt" | "dd" => nest.close_nearest(&["dt", "dd"], &["dl", "table", "td", "th"]),
                    "td" | "th" => nest.close_nearest(&["td", "th"], &["tr", "table"]),
                    "tr" => nest.close_nearest(&["tr"], &["table"]),
                    "tbody" | "thead" | "tfoot" => {
                        nest.close_nearest(&["tbody", "thead", "tfoot"], &["table"]);
                    }
                    "a" => nest.close_nearest(&["a"], &cell),
                    _ => {}
                }
                let void = VOID.contains(&name.as_str());
                if !void && nest.open.len() >= MAX_DEPTH {
                    continue;
                }
                let _ = write!(nest.out, "<{name}");
                for (attribute, value) in attributes {
                    if !ATTRIBUTES.contains(&attribute.as_str()) {
                        continue;
                    }
                    let attribute = if name == "img" && attribute == "src" {
                        image_source(value, cid, images, parts)
                    } else {
                        attribute.as_str()
                    };
                    let _ = write!(nest.out, " {attribute}=\"{}\"", value.replace('"', "&quot;"));
                }
                nest.out.push('>');
                if !void {
                    nest.open.push(name);
                }
            }
            Token::End(name) => {
                if let Some(at) = nest.open.iter().rposition(|open| *open == name) {
                    nest.close(at);
                }
            }
            Token::Start(..) => {}
        }
    }
    nest.close(0);
    nest.out
}

/// Which attribute an image's address goes to; embedded parts are looked up on the way.
fn image_source(
    value: &str,
    cid: &dyn Fn(&str) -> Option<String>,
    images: Images,
    parts: &mut HashMap<String, String>,
) -> &'static str {
    // Long addresses are pictures in themselves: not worth decoding to see that.
    let url = if value.len() <= 4096 { unescape(value) } else { String::new() };
    if let Some(id) = content_id(&url) {
        if parts.len() < 1000
            && !parts.contains_key(&id)
            && let Some(address) = cid(&id)
        {
            parts.insert(id, address);
        }
        return "src";
    }
    if images == Images::Held && is_remote(&url) { "data-src" } else { "src" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(html: &str) -> String {
        safe(html, &|_| None)
    }

    #[test]
    fn ordinary_mail_stays_as_it_is() {
        let html = r#"<p>Hi <b>Bo</b>,<br>see <i title="x">this</i>: 1 &lt; 2 &amp; 3</p><ul><li>a</li><li>b</li></ul>"#;
        assert_eq!(plain(html), html);
        assert_eq!(
            plain("<a href='https://x.org/?a=1&amp;b=2'>x</a>"),
            r#"<a href="https://x.org/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow">x</a>"#
        );
        assert_eq!(plain("<td style='color:red; position:fixed'>a"), "a");
        assert_eq!(
            plain("<table><tr><td style='color:red;position:fixed' colspan=2>a</table>"),
            r#"<table><tbody><tr><td style="color:red" colspan="2">a</td></tr></tbody></table>"#
        );
    }

    #[test]
    fn embedded_images_are_found_and_remote_ones_wait() {
        let cid = |id: &str| (id == "a@b").then(|| "/v1/messages/1/attachments/0".to_owned());
        assert_eq!(
            safe("<img src='cid:a%40b' alt=x>", &cid),
            r#"<img src="/v1/messages/1/attachments/0" alt="x">"#
        );
        assert_eq!(safe("<img src='CID:other'>", &cid), "<img>");
        assert_eq!(plain("<img src=https://x.org/a.png>"), r#"<img data-src="https://x.org/a.png">"#);
        assert_eq!(plain("<img src='&#104;ttps://x.org/a.png'>"), r#"<img data-src="https://x.org/a.png">"#);
        assert_eq!(
            plain("<img src='/v1/session'><img src='//x.org/a'><img src='data:text/html,x'>"),
            "<img><img><img>"
        );
        assert_eq!(
            plain("<img src='data:image/png;base64,AAAA'>"),
            r#"<img src="data:image/png;base64,AAAA">"#
        );
        assert_eq!(plain("<img srcset='https://x.org/a 1x' data-src='javascript:x'>"), "<img>");
    }

    #[test]
    fn nothing_that_runs_or_phones_home_is_left() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<svg><animate onbegin=alert(1) attributeName=x></svg>",
            "<svg/onload=alert(1)>",
            "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style>",
            "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<iframe src=javascript:alert(1)></iframe>",
            "<a href='java&#10;script:alert(1)'>x</a>",
            "<a href=' javascript:alert(1)'>x</a>",
            "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
            "<base href=//evil.example><a href=x>x</a>",
            "<meta http-equiv=refresh content='0;url=//evil.example'>",
            "<link rel=stylesheet href=//evil.example>",
            "<style>@import '//evil.example';</style>",
            "<p style=\"background:url(//evil.example)\">x",
            "<p style=\"color:red;background-image:image-set('//evil.example')\">x",
            "<p style='b\\61ckground:url(//evil.example)'>x",
            "<p style='width:expression(alert(1))'>x",
            "<body background=//evil.example>x",
            "<table background=//evil.example><tr><td>x</table>",
            "<video poster=//evil.example><source src=//evil.example></video>",
            "<object data=//evil.example></object><embed src=//evil.example>",
            "<input type=image src=//evil.example>",
            "<!--><img src=x onerror=alert(1)>-->",
            "<div id=app name=config class=x>x</div>",
            "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
            "<a href=x ping=//evil.example>x</a>",
            "<template><img src=x onerror=alert(1)></template>",
        ] {
            let cleaned = plain(hostile).to_ascii_lowercase();
            for bad in [
                "alert",
                "evil.example",
                "script",
                "onerror",
                "<svg",
                "<math",
                "<form",
                "<style",
                "<base",
                "<meta",
                "id=",
                "class=",
            ] {
                // Text that was inside an attribute may stand as text: then it is escaped.
                let as_markup = cleaned.split('<').skip(1).any(|tag| {
                    tag.split('>').next().is_some_and(|t| t.contains(bad.trim_start_matches('<')))
                });
                assert!(!as_markup, "{hostile} left {cleaned}");
            }
        }
    }

    #[test]
    fn bombs_are_cleaned_quickly_and_flatly() {
        let deep = plain(&format!("{}x", "<div>".repeat(200_000)));
        assert_eq!(deep.matches("<div>").count(), MAX_DEPTH);
        plain(&"<b title=1><p>".repeat(5_000));
        plain(&"<span></b>".repeat(10_000));
        plain(&"<table><td>".repeat(5_000));
        assert_eq!(plain(&"<".repeat(50_000)).len(), 200_000);
        assert_eq!(plain(&format!("<b {}>x</b>", "a=1 ".repeat(300_000))), "<b>x</b>");
    }

    #[test]
    fn markdown_becomes_safe_html() {
        assert_eq!(markdown("# Hi\n\n*a* ~~b~~"), "<h1>Hi</h1>\n<p><em>a</em> <del>b</del></p>\n");
        assert_eq!(
            markdown("![x](https://x.org/a.png)"),
            "<p><img src=\"https://x.org/a.png\" alt=\"x\"></p>\n"
        );
        assert!(!markdown("<script>alert(1)</script>\n\n[x](javascript:alert(1))").contains("alert"));
    }

    #[test]
    fn cleaning_is_stable() {
        for html in [
            "<p>a<p>b<table><td>c<b>d",
            "<b><i>x</b>y</i>z",
            "a<br/>b<hr>c",
            "<ul><li>a<ul><li>b</ul><li>c</ul>",
        ] {
            assert_eq!(plain(&plain(html)), plain(html), "{html}");
        }
    }
}
