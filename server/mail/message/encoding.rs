//! Content transfer encodings (RFC 2045 §6): written and read as streams.

use std::io::{self, BufWriter, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// A content transfer encoding (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// 7bit, 8bit or binary: as it is.
    #[default]
    Identity,
    /// Base64.
    Base64,
    /// Quoted-printable.
    QuotedPrintable,
}

/// The octets of one line of base64: 76 characters.
const LINE: usize = 57;
/// The longest run of blanks that may turn out to be padding at a line's end.
const MAX_BLANKS: usize = 1024;

/// Copies a part from its encoded octets to what they stand for; the number of octets written.
///
/// # Errors
/// Those of the reader and the writer; wrongly encoded octets are skipped or kept, as RFC 2045 asks.
pub fn decode_part(encoding: Encoding, mut from: impl Read, to: impl Write) -> io::Result<u64> {
    let mut to = BufWriter::with_capacity(16 << 10, Counted { to, written: 0 });
    match encoding {
        Encoding::Identity => {
            io::copy(&mut from, &mut to)?;
        }
        Encoding::Base64 => decode_base64(from, &mut to)?,
        Encoding::QuotedPrintable => decode_quoted_printable(from, &mut to)?,
    }
    to.flush()?;
    Ok(to.get_ref().written)
}

struct Counted<W> {
    to: W,
    written: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn for_each_chunk(mut from: impl Read, mut act: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut chunk = [0; 8 << 10];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => act(&chunk[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn decode_base64(from: impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut bits = 0_u32;
    let mut count = 0;
    let flush = |bits: u32, count: u32, to: &mut dyn Write| match count {
        2 => to.write_all(&[(bits >> 4) as u8]),
        3 => to.write_all(&[(bits >> 10) as u8, (bits >> 2) as u8]),
        _ => Ok(()),
    };
    for_each_chunk(from, |chunk| {
        for &byte in chunk {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' | b'-' => 62,
                b'/' | b'_' => 63,
                b'=' => {
                    // Several encoded runs may have been joined: go on after the padding.
                    flush(bits, count, to)?;
                    (bits, count) = (0, 0);
                    continue;
                }
                _ => continue,
            };
            bits = bits << 6 | u32::from(value);
            count += 1;
            if count == 4 {
                to.write_all(&bits.to_be_bytes()[1..])?;
                (bits, count) = (0, 0);
            }
        }
        Ok(())
    })?;
    flush(bits, count, to)
}

fn decode_quoted_printable(from: impl Read, to: &mut impl Write) -> io::Result<()> {
    /// Where reading stands after an equals sign.
    enum After {
        Text,
        Equals,
        Digit(u8),
        /// Blanks or a CR after an equals sign: a soft line break that mail on the way may have padded.
        Soft,
    }
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut after = After::Text;
    // Blanks that are padding if the line ends after them (RFC 2045 §6.7, rule 3).
    let mut blanks: Vec<u8> = Vec::new();
    for_each_chunk(from, |chunk| {
        for &byte in chunk {
            match after {
                After::Equals => match (digit(byte), byte) {
                    (Some(_), _) => after = After::Digit(byte),
                    (None, b'\n') => after = After::Text,
                    (None, b'\r' | b' ' | b'\t') => after = After::Soft,
                    (None, b'=') => to.write_all(b"=")?,
                    (None, _) => {
                        to.write_all(&[b'=', byte])?;
                        after = After::Text;
                    }
                },
                After::Digit(first) => {
                    match (digit(first), digit(byte)) {
                        (Some(high), Some(low)) => to.write_all(&[high << 4 | low])?,
                        _ => to.write_all(&[b'=', first, byte])?,
                    }
                    after = After::Text;
                }
                After::Soft => match byte {
                    b'\n' => after = After::Text,
                    b'\r' | b' ' | b'\t' => {}
                    b'=' => after = After::Equals,
                    _ => {
                        to.write_all(&[byte])?;
                        after = After::Text;
                    }
                },
                After::Text => match byte {
                    b' ' | b'\t' if blanks.len() < MAX_BLANKS => blanks.push(byte),
                    b'\r' | b'\n' => {
                        blanks.clear();
                        to.write_all(&[byte])?;
                    }
                    _ => {
                        to.write_all(&blanks)?;
                        blanks.clear();
                        match byte {
                            b'=' => after = After::Equals,
                            byte => to.write_all(&[byte])?,
                        }
                    }
                },
            }
        }
        Ok(())
    })?;
    if let After::Digit(first) = after {
        to.write_all(&[b'=', first])?;
    }
    Ok(())
}

/// Copies octets into lines of base64, with CRLF between the lines and none at the end; the number of octets read.
pub(super) fn encode_base64(mut from: impl Read, to: &mut dyn Write) -> io::Result<u64> {
    let mut octets = [0; LINE * 128];
    let mut text = Vec::with_capacity(LINE * 128 * 2);
    let mut read = 0_u64;
    loop {
        let mut filled = 0;
        while filled < octets.len() {
            match from.read(&mut octets[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        text.clear();
        for (n, line) in octets[..filled].chunks(LINE).enumerate() {
            if read > 0 || n > 0 {
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(STANDARD.encode(line).as_bytes());
        }
        to.write_all(&text)?;
        read += filled as u64;
        if filled < octets.len() {
            return Ok(read);
        }
    }
}

/// Whether quoted-printable leaves the octet as it is, at this place of its line.
fn is_plain(byte: u8, width: usize, last: bool) -> bool {
    match byte {
        b' ' | b'\t' => !last,
        // A dot or `From ` at a line's start, and the dashes of a boundary, would be changed or taken for something on the way.
        b'.' | b'F' | b'-' => width > 0,
        b'=' => false,
        byte => byte.is_ascii_graphic(),
    }
}

/// A text as quoted-printable, its lines ended by CRLF, at most 76 characters each.
pub(in crate::mail) fn encode_quoted_printable(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.extend_from_slice(b"\r\n");
        }
        let bytes = line.as_bytes();
        let mut width = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let last = at + 1 == bytes.len();
            let room = if last { 76 } else { 75 };
            if width + if is_plain(byte, width, last) { 1 } else { 3 } > room {
                out.extend_from_slice(b"=\r\n");
                width = 0;
            }
            if is_plain(byte, width, last) {
                out.push(byte);
                width += 1;
            } else {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                width += 3;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: Encoding, text: &str) -> String {
        let mut out = Vec::new();
        let written = decode_part(encoding, text.as_bytes(), &mut out).unwrap();
        assert_eq!(written, out.len() as u64);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quoted_printable_rules() {
        let qp = |text| decode(Encoding::QuotedPrintable, text);
        assert_eq!(qp("a=3Db=\r\nc= \t\r\nd"), "a=bcd");
        assert_eq!(qp("a  \r\nb\t c"), "a\r\nb\t c");
        assert_eq!(qp("=C3=A4=c3=b6"), "äö");
        assert_eq!(qp("a=zz=3"), "a=zz=3");
        assert_eq!(qp("a=="), "a=");
        assert_eq!(qp("a="), "a");
        assert_eq!(qp("x   "), "x");
    }

    #[test]
    fn base64_rules() {
        let base64 = |text| decode(Encoding::Base64, text);
        assert_eq!(base64("aGV s\r\nbG8="), "hello");
        assert_eq!(base64("aGVsbG8"), "hello");
        assert_eq!(base64("aGVs=bG8=!\0"), "hello");
        assert_eq!(base64("====a"), "");
    }

    proptest! {
        #[test]
        fn base64_comes_back(octets in prop::collection::vec(any::<u8>(), 0..20_000)) {
            let mut text = Vec::new();
            prop_assert_eq!(encode_base64(&octets[..], &mut text).unwrap(), octets.len() as u64);
            prop_assert!(text.split(|b| *b == b'\n').all(|l| l.len() <= 77));
            prop_assert!(!text.ends_with(b"\n"));
            let mut back = Vec::new();
            decode_part(Encoding::Base64, &text[..], &mut back).unwrap();
            prop_assert_eq!(back, octets);
        }

        #[test]
        fn quoted_printable_comes_back(text in "(?s)(\\PC|[ \t\n=.F-]|From |é){0,300}") {
            let encoded = encode_quoted_printable(&text);
            for line in encoded.split(|b| *b == b'\n') {
                prop_assert!(line.len() <= 77, "{}", String::from_utf8_lossy(line));
                prop_assert!(!line.starts_with(b"--") && !line.starts_with(b"From ") && !line.starts_with(b"."));
            }
            prop_assert!(encoded.is_ascii());
            prop_assert_eq!(decode(Encoding::QuotedPrintable, std::str::from_utf8(&encoded).unwrap()).replace("\r\n", "\n"), text);
        }

        #[test]
        fn any_octets_can_be_decoded(octets in prop::collection::vec(any::<u8>(), 0..2000)) {
            for encoding in [Encoding::Identity, Encoding::Base64, Encoding::QuotedPrintable] {
                let whole = decode_part(encoding, &octets[..], io::sink()).unwrap();
                prop_assert!(whole <= octets.len() as u64);
            }
        }
    }
}
