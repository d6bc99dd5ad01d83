//! What is new in a reply: the text without what it quotes.
//!
//! Every rule looks at one line, or at a few lines of bounded length, so that the time grows with the text and nothing else.

use super::phrases::{FROM_FIELDS, MOBILE, ON, OTHER_FIELDS, SEPARATORS, VERBS, WROTE};

/// A text without its quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct Stripped {
    /// What the sender wrote.
    pub text: String,
    /// How sure that is, 0.0 to 1.0: 1.0 when a known mark showed where the quote starts or there was none at all.
    pub confidence: f32,
}

/// The line that our own notices carry above what they quote: everything from it on is not the answer.
pub const MARKER: &str = "-- Write your answer above this line --";

/// The longest line that can be an introduction or a mark; longer ones are text.
const MAX_MARK: usize = 400;
/// The most lines an introduction runs over.
const MAX_INTRODUCTION: usize = 4;

/// Whether the line is a quoted one.
fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

fn is_introduction_end(line: &str) -> bool {
    let line = line.trim_end();
    WROTE.iter().any(|w| line.ends_with(w))
}

/// Whether the line could be part of an introduction: it tells a day, a time or an address.
fn has_detail(line: &str) -> bool {
    line.contains('@') || line.bytes().any(|b| b.is_ascii_digit())
}

/// How many lines from the first on are an introduction of a quote ("On Monday, Bo wrote:"); 0 when they are none.
fn introduction(lines: &[&str]) -> usize {
    let first = lines[0].trim();
    if first.is_empty() || first.len() > MAX_MARK || is_quoted(first) {
        return 0;
    }
    let first = first.to_lowercase();
    // "…, Bo <bo@x>:" above a quote needs no word for writing.
    let names_author = first.ends_with(">:") && first.contains('@');
    if is_introduction_end(&first) || names_author {
        // "He wrote:" alone is a sentence, unless a quote follows it.
        let next = lines[1..].iter().find(|l| !l.trim().is_empty());
        return usize::from((has_detail(&first) && !names_author) || next.is_some_and(|l| is_quoted(l)));
    }
    if !ON.iter().any(|on| first.starts_with(on)) {
        return 0;
    }
    let mut detail = has_detail(&first);
    let says = |line: &str| VERBS.iter().any(|verb| line.contains(verb));
    let mut verb = says(&first);
    if verb && detail && first.ends_with(':') {
        return 1;
    }
    for (n, line) in lines.iter().enumerate().take(MAX_INTRODUCTION).skip(1) {
        let line = line.trim();
        if line.is_empty() || line.len() > MAX_MARK || is_quoted(line) {
            return 0;
        }
        detail |= has_detail(line);
        let line = line.to_lowercase();
        verb |= says(&line);
        if is_introduction_end(&line) || (verb && line.ends_with(':')) {
            return if detail { n + 1 } else { 0 };
        }
    }
    0
}

/// Whether the line is "-----Original Message-----" or one of its kind.
fn is_separator(line: &str) -> bool {
    let line = line.trim();
    if line.len() > MAX_MARK
        || !line.starts_with("--")
            && !line.starts_with("__")
            && !line.starts_with("==")
            && !line.starts_with("Begin forwarded message:")
    {
        return false;
    }
    let words = line.trim_matches(|c: char| matches!(c, '-' | '_' | '=' | ' ' | '>')).to_lowercase();
    words == "begin forwarded message:" || SEPARATORS.contains(&words.as_str())
}

/// Whether a quoted header block starts here: From, and then at least two others within five lines.
fn is_header_block(lines: &[&str]) -> bool {
    let field = |line: &str, names: &[&str]| {
        let line = line.trim().trim_start_matches('*');
        if line.len() > 4 * MAX_MARK {
            return false;
        }
        let line = line.chars().take(24).collect::<String>().to_lowercase().replace('*', "");
        names.iter().any(|name| line.starts_with(name))
    };
    field(lines[0], FROM_FIELDS) && lines[1..].iter().take(5).filter(|l| field(l, OTHER_FIELDS)).count() >= 2
}

/// Whether the line is a rule of dashes or underscores, as Outlook draws above its header block.
fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 5
        && line.len() <= MAX_MARK
        && (line.bytes().all(|b| b == b'_') || line.bytes().all(|b| b == b'-'))
}

fn is_mobile_signature(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.len() > 160 {
        return false;
    }
    let lower = line.to_lowercase();
    MOBILE.iter().any(|m| lower.starts_with(m))
}

/// A signature's delimiter: `-- ` (RFC 3676 §4.3); the space may have been lost.
fn is_signature(line: &str) -> bool {
    matches!(line.trim_end_matches('\r'), "-- " | "--" | "—" | "__")
}

/// Takes quotes, their introductions and signatures out of a plain text body.
#[must_use]
pub fn strip(text: &str) -> Stripped {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut marked = false;
    let mut quoted = 0_usize;
    // Quotes after which the sender went on writing.
    let mut between = 0_usize;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if line.len() <= 4 * MAX_MARK && line.contains(MARKER) {
            marked = true;
            // Below a quoted one there may still be an answer.
            if !is_quoted(line) {
                break;
            }
        }
        if is_quoted(line) {
            quoted += 1;
            at += 1;
            continue;
        }
        if is_separator(line) {
            marked = true;
            break;
        }
        if is_rule(line)
            && lines[at + 1..]
                .iter()
                .take(3)
                .position(|l| !l.trim().is_empty())
                .is_some_and(|skip| is_header_block(&lines[at + 1 + skip..]))
        {
            marked = true;
            break;
        }
        if is_header_block(&lines[at..]) {
            marked = true;
            break;
        }
        let introduced = introduction(&lines[at..]);
        if introduced > 0 {
            marked = true;
            let rest = &lines[at + introduced..];
            let quotes_follow = rest.iter().find(|l| !l.trim().is_empty()).is_some_and(|l| is_quoted(l));
            if !quotes_follow {
                // Quoted without marks: all the rest is the quote.
                break;
            }
            at += introduced;
            continue;
        }
        if is_signature(line) {
            // Below a signature there may be a quote, but no more of the answer.
            marked = true;
            break;
        }
        if quoted > 0 && !line.trim().is_empty() && kept.iter().any(|l| !l.trim().is_empty()) {
            between = quoted;
        }
        kept.push(line);
        at += 1;
    }
    while let Some(last) = kept.last() {
        if last.trim().is_empty() || is_mobile_signature(last) {
            marked |= !last.trim().is_empty();
            kept.pop();
        } else {
            break;
        }
    }
    let mut out = String::new();
    let mut blank = 0;
    for line in kept {
        let line = line.trim_end();
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        out.push_str(line);
    }
    let confidence = if out.is_empty() && !text.trim().is_empty() {
        0.2
    } else if between > 0 {
        // Answers between quotes lose what they answer to.
        0.6
    } else if marked || quoted == 0 {
        1.0
    } else {
        0.8
    };
    Stripped { text: out, confidence }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    /// Replies as mail programs write them: the text, `%%%%` and the confidence, and what is new in it.
    #[test]
    fn replies_of_many_programs_are_stripped() {
        let mut read = 0;
        for file in
            std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/replies")).unwrap()
        {
            let path = file.unwrap().path();
            let case = std::fs::read_to_string(&path).unwrap();
            let (text, expected) = case.split_once("%%%% ").unwrap();
            let (confidence, expected) = expected.split_once('\n').unwrap();
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                let stripped = strip(&text);
                assert_eq!(stripped.text, expected.trim_end_matches('\n'), "{}", path.display());
                assert!(
                    (stripped.confidence - confidence.parse::<f32>().unwrap()).abs() < 0.01,
                    "{}: {}",
                    path.display(),
                    stripped.confidence
                );
            }
            read += 1;
        }
        assert!(read >= 20, "only {read} replies were found");
    }

    #[test]
    fn bombs_are_stripped_in_time() {
        for (name, text) in [
            ("one line", "On Monday ".repeat(1_000_000)),
            ("a quote pyramid", (0..2000).map(|n| format!("{}\n", ">".repeat(n))).collect()),
            ("introductions", "On 1 wrote:\n".repeat(10_000)),
            ("almost introductions", "On Monday\n".repeat(30_000)),
            ("almost header blocks", "From: x\nSent: y\n\n\n".repeat(20_000)),
            ("rules", "_____\n\n\n".repeat(30_000)),
            ("blank lines", format!("He wrote:{}", "\n".repeat(100_000))),
            ("sentences", "he wrote:\n\n\n\n\n\n\n\n".repeat(10_000)),
        ] {
            let started = Instant::now();
            let stripped = strip(&text);
            assert!(stripped.text.len() <= text.len());
            assert!(started.elapsed() < Duration::from_secs(60), "{name} took {:?}", started.elapsed());
        }
    }

    proptest! {
        #[test]
        fn nothing_is_made_up(text in "(?s)(\\PC|[> \n]|On |wrote:|From: |Sent: |To: |--|__){0,200}") {
            let stripped = strip(&text);
            prop_assert!((0.0..=1.0).contains(&stripped.confidence));
            for line in stripped.text.lines().filter(|l| !l.is_empty()) {
                prop_assert!(text.lines().any(|l| l.trim_end() == line), "{line:?}");
            }
        }
    }
}
