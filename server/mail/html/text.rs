//! HTML as plain text: what a reader without a browser is given, and what searching and quote stripping look at.

use super::token::{Token, tokens};
use super::unescape;

/// The most octets of text made.
const MAX: usize = 2 << 20;
/// The deepest quote that is still marked as such.
const MAX_QUOTE: usize = 8;

/// Lines being written, their blanks collapsed.
#[derive(Default)]
struct Lines {
    out: String,
    /// How many line ends are owed before the next character.
    owed: usize,
    space: bool,
    quote: usize,
}

impl Lines {
    fn end_line(&mut self, blank: bool) {
        self.space = false;
        self.owed = self.owed.max(if blank { 2 } else { 1 });
    }

    fn push(&mut self, c: char) {
        if self.owed > 0 || self.out.is_empty() {
            let ends = if self.out.is_empty() { 0 } else { self.owed };
            self.owed = 0;
            for n in 0..ends {
                self.out.push('\n');
                if n + 1 < ends {
                    self.out.push_str(">".repeat(self.quote).as_str());
                }
            }
            if self.quote > 0 {
                self.out.push_str(&">".repeat(self.quote));
                self.out.push(' ');
            }
            self.space = false;
        }
        if self.space {
            self.out.push(' ');
            self.space = false;
        }
        self.out.push(c);
    }

    fn text(&mut self, text: &str, pre: bool) {
        for c in text.chars() {
            match c {
                '\n' if pre => {
                    self.space = false;
                    self.owed += 1;
                }
                '\0' | '\r' => {}
                c if pre => self.push(c),
                ' ' | '\t' | '\n' | '\x0c' => self.space = true,
                c => self.push(c),
            }
        }
    }
}

fn attribute<'a>(attributes: &[(String, &'a str)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
}

/// The HTML as plain text: paragraphs apart, list items with a dash, quotes with `>`, links with their addresses.
#[must_use]
pub fn text(html: &str) -> String {
    let mut lines = Lines::default();
    let mut pre = 0_usize;
    // The address of the open link, and where its text starts.
    let mut link: Option<(String, usize)> = None;
    for token in tokens(html) {
        if lines.out.len() > MAX {
            break;
        }
        match token {
            Token::Text(text) => lines.text(&unescape(text), pre > 0),
            Token::Start(name, attributes) => match name.as_str() {
                "br" => {
                    lines.space = false;
                    lines.owed += 1;
                }
                "hr" => {
                    lines.end_line(false);
                    lines.text("---", true);
                    lines.end_line(false);
                }
                "p" | "ul" | "ol" | "dl" | "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                    lines.end_line(true);
                }
                "pre" => {
                    lines.end_line(true);
                    pre += 1;
                }
                "blockquote" => {
                    lines.end_line(true);
                    // The owed blank line belongs to what comes before the quote.
                    lines.quote = (lines.quote + 1).min(MAX_QUOTE);
                }
                "li" => {
                    lines.end_line(false);
                    lines.text("- ", true);
                }
                "td" | "th" => lines.space = true,
                "div" | "tr" | "dt" | "dd" | "section" | "article" | "header" | "footer" | "center"
                | "address" | "figure" => {
                    lines.end_line(false);
                }
                "img" => lines.text(&unescape(attribute(&attributes, "alt").unwrap_or("")), false),
                "a" => {
                    let href = unescape(attribute(&attributes, "href").unwrap_or("")).trim().to_owned();
                    let lower = href.to_ascii_lowercase();
                    let tells = lower.starts_with("http://")
                        || lower.starts_with("https://")
                        || lower.starts_with("mailto:");
                    link = tells.then_some((href, lines.out.len()));
                }
                _ => {}
            },
            Token::End(name) => match name.as_str() {
                "p" | "ul" | "ol" | "dl" | "table" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                    lines.end_line(true);
                }
                "pre" => {
                    pre = pre.saturating_sub(1);
                    lines.end_line(true);
                }
                "blockquote" => {
                    lines.end_line(true);
                    lines.quote = lines.quote.saturating_sub(1);
                }
                "div" | "li" | "tr" | "dt" | "dd" | "section" | "article" | "header" | "footer"
                | "center" | "address" | "figure" => {
                    lines.end_line(false);
                }
                "a" => {
                    if let Some((href, start)) = link.take() {
                        let shown = lines.out.get(start..).unwrap_or("").trim();
                        let bare = href.strip_prefix("mailto:").unwrap_or(&href);
                        let same = |a: &str, b: &str| a.trim_end_matches('/') == b.trim_end_matches('/');
                        let known = same(shown, bare)
                            || bare.split_once("://").is_some_and(|(_, rest)| same(shown, rest));
                        // An empty link says nothing, and an address of pages' length is no help to a reader.
                        if !shown.is_empty() && !known && bare.len() <= 2000 {
                            lines.text(&format!(" <{bare}>"), false);
                        }
                    }
                }
                _ => {}
            },
        }
    }
    if lines.out.len() > MAX {
        let cut = (0..=MAX).rev().find(|&at| lines.out.is_char_boundary(at)).unwrap_or(0);
        lines.out.truncate(cut);
    }
    lines.out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_reads_as_text() {
        assert_eq!(
            text("<p>Hi  <b>Bo</b>,</p>\n<p>how&nbsp;are&#32;you &amp; yours?<br>Ana</p>"),
            "Hi Bo,\n\nhow\u{a0}are you & yours?\nAna"
        );
        assert_eq!(text("<ul><li>a<li>b</ul>c"), "- a\n- b\n\nc");
        assert_eq!(
            text("Yes.<div>On Monday Bo wrote:</div><blockquote>a<blockquote>b</blockquote></blockquote>c"),
            "Yes.\nOn Monday Bo wrote:\n>\n> a\n>>\n>> b\n\nc"
        );
    }

    #[test]
    fn links_show_where_they_lead() {
        assert_eq!(text("<a href='https://x.org/a'>here</a>."), "here <https://x.org/a>.");
        assert_eq!(
            text("<a href='https://x.org/'>x.org</a>, <a href='mailto:a@x.org'>a@x.org</a>"),
            "x.org, a@x.org"
        );
        assert_eq!(text("<a href='javascript:x()'>a</a><a href=https://x.org/><img></a>"), "a");
    }

    #[test]
    fn preformatted_lines_and_rules_are_kept() {
        assert_eq!(text("a<pre>  b\n    c</pre>d<hr>e"), "a\n\n  b\n    c\n\nd\n---\ne");
        assert_eq!(text("<td>a</td><td>b</td>"), "a b");
        assert_eq!(text(""), "");
    }

    #[test]
    fn bombs_are_read_quickly() {
        assert_eq!(text(&"<".repeat(1_000_000)).len(), 1_000_000);
        assert_eq!(text(&"<blockquote>".repeat(100_000)), "");
        assert!(text(&"<blockquote>x<br>".repeat(200_000)).len() <= MAX);
        assert_eq!(text(&format!("<b {}>x", "a=1 ".repeat(300_000))), "x");
        assert_eq!(text(&"<!--".repeat(300_000)), "");
        assert_eq!(text(&"<script>".repeat(300_000)), "");
        assert_eq!(text(&"</".repeat(300_000)), "");
        assert_eq!(text(&"&".repeat(300_000)).len(), 300_000);
    }
}
