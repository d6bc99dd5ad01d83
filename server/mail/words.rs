//! Words, as searching compares them: without case, accents or compatibility forms (Unicode NFKD), so that every
//! index is given the same words whatever it would make of a text by itself.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// The longest word, in octets; of a longer one the beginning counts.
const LONGEST: usize = 64;
/// Words of one message that are searched; what follows is left out. (PostgreSQL numbers places up to 16,383.)
const MOST: usize = 12_000;
/// Times that one word counts in one message. (PostgreSQL keeps 255 places.)
const TIMES: u8 = 255;

/// The words of a text, in their order. Scripts without spaces give one word per character.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    each(text, |word| {
        words.push(word.to_owned());
        true
    });
    words
}

/// Hands out the words of a text until `take` has enough.
fn each(text: &str, mut take: impl FnMut(&str) -> bool) {
    // No word and no composition goes over a space, and most of most texts is ASCII, where little is to be done.
    for part in text.split_ascii_whitespace() {
        let more = if part.is_ascii() { each_ascii(part, &mut take) } else { each_unicode(part, &mut take) };
        if !more {
            return;
        }
    }
}

/// As [`each_unicode`], of a text where every character stands for itself.
fn each_ascii(text: &str, mut take: impl FnMut(&str) -> bool) -> bool {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    for word in words {
        let word = &word[..word.len().min(LONGEST)];
        let lower = word.bytes().all(|b| !b.is_ascii_uppercase());
        if !(if lower { take(word) } else { take(&word.to_ascii_lowercase()) }) {
            return false;
        }
    }
    true
}

/// Hands out the words of any text; whether more are wanted.
fn each_unicode(text: &str, mut take: impl FnMut(&str) -> bool) -> bool {
    let mut word = String::with_capacity(LONGEST);
    let plain = text.nfkd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase);
    for c in plain.filter(|c| !is_accent(*c)).nfc() {
        let mark = is_combining_mark(c);
        let more = mark || c.is_alphanumeric();
        let alone = !mark && is_whole(c);
        let after_whole = !mark && word.chars().next().is_some_and(is_whole);
        if (!more || alone || after_whole) && !word.is_empty() {
            if !take(&word) {
                return false;
            }
            word.clear();
        }
        // A mark belongs to what is before it, and there is nothing.
        if !more || mark && word.is_empty() {
            continue;
        }
        let room = word.len() < LONGEST;
        match spelled(c) {
            Some(letters) if room => word.push_str(letters),
            None if word.len() + c.len_utf8() <= LONGEST => word.push(c),
            _ => {}
        }
    }
    word.is_empty() || take(&word)
}

/// Marks that people leave out when they search: accents, Hebrew points, Arabic vowels.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0591}'..='\u{05C7}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FE20}'..='\u{FE2F}' | '\u{200C}' | '\u{200D}' | '\u{00AD}')
}

/// Letters that no decomposition takes apart.
fn spelled(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ł' => "l",
        'ħ' => "h",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// Whether a character is a word by itself: scripts that are written without spaces.
fn is_whole(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{2FDF}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3040}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' | '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}')
}

/// The parts of a message that a search can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The subject.
    Subject,
    /// The author's name and address.
    Sender,
    /// Names and addresses of To and Cc.
    Recipients,
    /// The text, and the names of the attachments.
    Body,
}

impl Field {
    /// Every field, in the order of [`Document::fields`].
    pub const ALL: [Field; 4] = [Field::Subject, Field::Sender, Field::Recipients, Field::Body];
}

/// One message as searching sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document([Vec<Option<String>>; 4]);

impl Document {
    /// The words of each field. A field has parts, and no phrase goes from one part to the next.
    #[must_use]
    pub fn new(fields: [&[&str]; 4]) -> Self {
        let mut document = Self::default();
        let mut times: HashMap<String, u8> = HashMap::new();
        let mut left = MOST;
        for (field, parts) in document.0.iter_mut().zip(fields) {
            for part in parts {
                if !field.is_empty() && left > 0 {
                    field.push(None);
                    left -= 1;
                }
                each(part, |word| {
                    if left == 0 {
                        return false;
                    }
                    left -= 1;
                    let count = match times.get_mut(word) {
                        Some(count) => count,
                        None => times.entry(word.to_owned()).or_default(),
                    };
                    let counts = *count < TIMES;
                    *count = count.saturating_add(1);
                    field.push(counts.then(|| word.to_owned()));
                    true
                });
            }
        }
        document
    }

    /// The words of each field of [`Field::ALL`] in their places; none where there is a gap.
    #[must_use]
    pub fn fields(&self) -> &[Vec<Option<String>>; 4] {
        &self.0
    }

    /// Whether a field (or, with none, any field) has these words one after the other; with `prefix` the last of
    /// them needs only to be begun.
    #[must_use]
    pub fn has(&self, field: Option<Field>, phrase: &[String], prefix: bool) -> bool {
        let Some((last, first)) = phrase.split_last() else { return true };
        let fields = Field::ALL.iter().zip(&self.0).filter(|(name, _)| field.is_none_or(|one| one == **name));
        fields.into_iter().any(|(_, words)| {
            words.windows(phrase.len()).any(|window| {
                let same = |(word, wanted): (&Option<String>, &String)| word.as_ref() == Some(wanted);
                window.iter().zip(first).all(same)
                    && window[first.len()]
                        .as_ref()
                        .is_some_and(|word| word == last || prefix && word.starts_with(last.as_str()))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_finds_the_same_words(text in "([a-zA-Z0-9]{0,70}|[ -~\\n\\t]{0,9}|\\PC{0,4}|[\u{300}-\u{306}ßİ東か\u{3099}]){0,12}") {
            let mut whole = Vec::new();
            each_unicode(&text, |word| {
                whole.push(word.to_owned());
                true
            });
            prop_assert_eq!(words(&text), whole);
        }
    }

    #[test]
    fn case_accents_and_forms_do_not_count() {
        for (text, expected) in [
            ("Grüße, ANA-Lucía!", "grusse ana lucia"),
            ("e\u{301}te\u{301} \u{FF21}\u{FF22} ﬁn ①", "ete ab fin 1"),
            ("İstanbul ISTANBUL ıslak Øre Łódź Ægir", "istanbul istanbul islak ore lodz aegir"),
            ("ΟΔΟΣ οδός", "οδοσ οδοσ"),
            ("Ёлка ёлка елка", "елка елка елка"),
            ("שָׁלוֹם مُحَمَّد", "שלום محمد"),
            ("用户abc東京", "用 户 abc 東 京"),
            ("がハ", "が ハ"),
            ("한국어 mail", "한국어 mail"),
            ("हिन्दी", "हिन्दी"),
            ("a_b c.d@e-f x' \u{301} soft\u{AD}hyphen", "a b c d e f x softhyphen"),
            ("🎉 ok 👍🏽", "ok"),
            ("", ""),
        ] {
            assert_eq!(words(text).join(" "), expected.nfc().collect::<String>(), "{text}");
        }
        let long = words(&"ä".repeat(1000));
        assert_eq!(long, ["a".repeat(LONGEST)]);
    }

    #[test]
    fn a_document_is_bounded_and_its_parts_are_apart() {
        let document = Document::new([&["Re: Lunch"], &["Ana Sá", "ana@x.org"], &["Bo", "Cy"], &["a b a b"]]);
        let has = |field, text: &str, prefix| document.has(field, &words(text), prefix);
        assert!(has(None, "lunch", false) && has(Some(Field::Subject), "re lunch", false));
        assert!(!has(Some(Field::Body), "lunch", false) && !has(None, "lunch re", false));
        assert!(has(None, "lun", true) && !has(None, "lun", false) && has(None, "re lun", true));
        assert!(!has(Some(Field::Recipients), "bo cy", false) && !has(None, "lunch ana", false));
        assert!(has(None, "b a b", false) && has(None, "", false));
        let long = "tick tock ".repeat(20_000);
        let document = Document::new([&[], &[], &[], &[&long, "end"]]);
        let body = &document.fields()[3];
        assert_eq!(body.len(), MOST);
        assert_eq!(body.iter().flatten().count(), 2 * usize::from(TIMES));
    }
}
