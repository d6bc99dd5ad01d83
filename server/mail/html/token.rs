//! HTML cut into texts and tags, in linear time whatever the input.

/// A piece of HTML. Comments, declarations and the contents of elements that are never shown are left out.
#[derive(Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// Characters, with their character references as written.
    Text(&'a str),
    /// A start tag: its name in lower case, and its attributes, values as written.
    Start(String, Vec<(String, &'a str)>),
    /// An end tag: its name in lower case.
    End(String),
}

/// Elements that vanish with all they hold.
const HIDDEN: &[&str] = &[
    "applet",
    "audio",
    "canvas",
    "datalist",
    "embed",
    "frameset",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "plaintext",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "video",
    "xmp",
];
/// The most attributes kept of one tag.
const MAX_ATTRIBUTES: usize = 40;

/// The pieces of an HTML text, in order.
pub(super) struct Tokens<'a> {
    html: &'a str,
    at: usize,
}

pub(super) fn tokens(html: &str) -> Tokens<'_> {
    Tokens { html, at: 0 }
}

impl<'a> Tokens<'a> {
    fn byte(&self, at: usize) -> Option<u8> {
        self.html.as_bytes().get(at).copied()
    }

    /// Skips to just after `end`, or to the end of everything.
    fn skip_past(&mut self, end: &str) {
        self.at = self.html[self.at..].find(end).map_or(self.html.len(), |found| self.at + found + end.len());
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.byte(self.at).is_some_and(|b| !b.is_ascii_whitespace() && b != b'/' && b != b'>') {
            self.at += 1;
        }
        // Element names of any length would only be copied about.
        self.html[start..self.at].get(..32).unwrap_or(&self.html[start..self.at]).to_ascii_lowercase()
    }

    fn attributes(&mut self) -> Vec<(String, &'a str)> {
        let html = self.html;
        let mut found: Vec<(String, &'a str)> = Vec::new();
        loop {
            while self.byte(self.at).is_some_and(|b| b.is_ascii_whitespace() || b == b'/') {
                self.at += 1;
            }
            match self.byte(self.at) {
                None => return found,
                Some(b'>') => {
                    self.at += 1;
                    return found;
                }
                Some(_) => {}
            }
            let start = self.at;
            // An equals sign in the first place belongs to the name.
            self.at += 1;
            while self
                .byte(self.at)
                .is_some_and(|b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'>' | b'='))
            {
                self.at += 1;
            }
            let name = &html[start..self.at];
            while self.byte(self.at).is_some_and(|b| b.is_ascii_whitespace()) {
                self.at += 1;
            }
            let mut value = "";
            if self.byte(self.at) == Some(b'=') {
                self.at += 1;
                while self.byte(self.at).is_some_and(|b| b.is_ascii_whitespace()) {
                    self.at += 1;
                }
                value = match self.byte(self.at) {
                    Some(quote @ (b'"' | b'\'')) => {
                        let start = self.at + 1;
                        let length = html.as_bytes()[start..]
                            .iter()
                            .position(|&b| b == quote)
                            .unwrap_or(html.len() - start);
                        self.at = (start + length + 1).min(html.len());
                        &html[start..start + length]
                    }
                    _ => {
                        let start = self.at;
                        while self.byte(self.at).is_some_and(|b| !b.is_ascii_whitespace() && b != b'>') {
                            self.at += 1;
                        }
                        &html[start..self.at]
                    }
                };
            }
            if found.len() < MAX_ATTRIBUTES && name.len() <= 32 {
                let name = name.to_ascii_lowercase();
                // The first of several attributes of one name counts.
                if found.iter().all(|(n, _)| *n != name) {
                    found.push((name, value));
                }
            }
        }
    }

    /// Skips the contents of a hidden element and its end tag.
    fn skip_element(&mut self, name: &str) {
        let bytes = self.html.as_bytes();
        while let Some(found) = self.html[self.at..].find("</") {
            self.at += found + 2;
            let end = self.at + name.len();
            if bytes.get(self.at..end).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
                && bytes.get(end).is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'>'))
            {
                self.at = end;
                return self.skip_past(">");
            }
        }
        self.at = self.html.len();
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let html = self.html;
        loop {
            let start = self.at;
            // A text reaches to the next `<` that opens something.
            let opens = |at: usize| {
                matches!(html.as_bytes().get(at + 1), Some(b'!' | b'?' | b'/' | b'a'..=b'z' | b'A'..=b'Z'))
            };
            while self.at < html.len() && !(self.byte(self.at) == Some(b'<') && opens(self.at)) {
                self.at += 1;
            }
            if self.at > start {
                return Some(Token::Text(&html[start..self.at]));
            }
            match self.byte(self.at + 1)? {
                b'!' if html[self.at..].starts_with("<!--") => {
                    self.at += 4;
                    let rest = &html[self.at..];
                    if rest.starts_with('>') || rest.starts_with("->") {
                        self.skip_past(">");
                    } else {
                        // `--!>` ends a comment too; whichever comes first.
                        let end = rest
                            .as_bytes()
                            .windows(3)
                            .position(|w| w == b"-->" || w == b"--!")
                            .unwrap_or(rest.len());
                        self.at += end;
                        self.skip_past(">");
                    }
                }
                b'/' if self.byte(self.at + 2).is_some_and(|b| b.is_ascii_alphabetic()) => {
                    self.at += 2;
                    let name = self.name();
                    self.attributes();
                    return Some(Token::End(name));
                }
                b'!' | b'?' | b'/' => self.skip_past(">"),
                _ => {
                    self.at += 1;
                    let name = self.name();
                    let attributes = self.attributes();
                    if HIDDEN.contains(&name.as_str()) {
                        if name != "embed" {
                            self.skip_element(&name);
                        }
                    } else {
                        return Some(Token::Start(name, attributes));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(html: &str) -> Vec<Token<'_>> {
        tokens(html).collect()
    }

    #[test]
    fn tags_texts_and_attributes_are_told_apart() {
        assert_eq!(
            all("a < b<P Class=x title='it&amp;s' hidden>c</p >d"),
            [
                Token::Text("a < b"),
                Token::Start(
                    "p".into(),
                    vec![("class".into(), "x"), ("title".into(), "it&amp;s"), ("hidden".into(), "")]
                ),
                Token::Text("c"),
                Token::End("p".into()),
                Token::Text("d"),
            ]
        );
        assert_eq!(
            all("<br/><img src=a/b>"),
            [Token::Start("br".into(), vec![]), Token::Start("img".into(), vec![("src".into(), "a/b")])]
        );
    }

    #[test]
    fn what_is_not_shown_is_skipped() {
        let hidden = "<!doctype html><?xml?><!-- <b> --><!--><style>p{}</style ><script>if (a</b/.test()) </SCRIPT>x</ y>";
        assert_eq!(all(hidden), [Token::Text("x")]);
        assert_eq!(all("a<!-- b --!><i>"), [Token::Text("a"), Token::Start("i".into(), vec![])]);
        assert_eq!(all("a<script>b"), [Token::Text("a")]);
        assert_eq!(all("a<!-- b"), [Token::Text("a")]);
        assert_eq!(
            all("a<b title='"),
            [Token::Text("a"), Token::Start("b".into(), vec![("title".into(), "")])]
        );
    }
}
