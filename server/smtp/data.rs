//! What follows DATA: exactly CRLF `.` CRLF ends it, and nothing else is ever taken for its end
//! (RFC 5321 §4.1.1.4; a bare CR or LF is how mail is smuggled between servers that disagree).

/// The longest line, with its line end: RFC 5321 §4.5.3.1.6 asks for 1000.
const MAX_LINE: usize = 2000;

/// Why a message is refused once its end was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A CR or LF that is not part of a CRLF, or a NUL.
    Bare,
    /// A line of more than 2000 octets.
    LongLine,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    /// After a CRLF, or at the very start.
    Start,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and a CR.
    DotCr,
    /// Within a line.
    Text,
    /// After a CR.
    Cr,
}

/// Takes the dots of transparency out, and finds the end (RFC 5321 §4.5.2).
#[derive(Debug)]
pub(super) struct Data {
    at: At,
    line: usize,
    /// What is wrong with the message, if something is.
    pub(super) fault: Option<Fault>,
}

impl Data {
    pub(super) fn new() -> Self {
        Self { at: At::Start, line: 0, fault: None }
    }

    fn fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Reads octets of a chunk (RFC 3030), in which dots are dots, into `out`.
    pub(super) fn chunk(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        for piece in octets.split_inclusive(|b| matches!(b, b'\r' | b'\n' | 0)) {
            let (text, end) = match piece.split_last() {
                Some((end @ (b'\r' | b'\n' | 0), text)) => (text, Some(*end)),
                _ => (piece, None),
            };
            if self.at == At::Cr && (!text.is_empty() || end != Some(b'\n')) {
                self.fault(Fault::Bare);
            }
            out.extend_from_slice(text);
            self.line += text.len();
            if self.line + 2 * usize::from(end.is_some()) > MAX_LINE {
                self.fault(Fault::LongLine);
            }
            self.at = match end {
                Some(b'\r') => At::Cr,
                Some(b'\n') if self.at == At::Cr && text.is_empty() => {
                    out.extend_from_slice(b"\r\n");
                    self.line = 0;
                    At::Start
                }
                Some(_) => {
                    self.fault(Fault::Bare);
                    At::Text
                }
                None => At::Text,
            };
        }
    }

    /// Ends a message: the last line of one that came in chunks may have no end, and gets it.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        match self.at {
            At::Text => out.extend_from_slice(b"\r\n"),
            At::Cr => self.fault(Fault::Bare),
            At::Start | At::Dot | At::DotCr => {}
        }
    }

    /// Reads octets into `out`. When the end was among them: how many belonged to the message and its end.
    pub(super) fn feed(&mut self, octets: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let mut n = 0;
        while n < octets.len() {
            if self.at == At::Text {
                let rest = &octets[n..];
                let plain = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..plain]);
                self.line += plain;
                n += plain;
                if self.line > MAX_LINE {
                    self.fault(Fault::LongLine);
                }
                if plain == rest.len() {
                    break;
                }
            }
            let byte = octets[n];
            n += 1;
            if byte == 0 {
                self.fault(Fault::Bare);
            }
            self.at = match (self.at, byte) {
                (At::DotCr, b'\n') => return Some(n),
                (At::Cr, b'\n') => {
                    if self.line + 2 > MAX_LINE {
                        self.fault(Fault::LongLine);
                    }
                    out.extend_from_slice(b"\r\n");
                    self.line = 0;
                    At::Start
                }
                (At::Start, b'.') => At::Dot,
                (At::Dot, b'\r') => At::DotCr,
                (At::Start | At::Text, b'\r') => At::Cr,
                (At::Cr | At::DotCr, byte) => {
                    self.fault(Fault::Bare);
                    if byte == b'\r' { At::Cr } else { At::Text }
                }
                (_, b'\n') => {
                    self.fault(Fault::Bare);
                    At::Text
                }
                (_, byte) => {
                    out.push(byte);
                    self.line += 1;
                    At::Text
                }
            };
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The message, what is wrong with it, and what was left over; `None` when it did not end.
    fn read(octets: &[u8], pieces: usize) -> Option<(String, Option<Fault>, usize)> {
        let (mut data, mut out, mut before) = (Data::new(), Vec::new(), 0);
        for piece in octets.chunks(pieces) {
            if let Some(end) = data.feed(piece, &mut out) {
                return Some((
                    String::from_utf8_lossy(&out).into_owned(),
                    data.fault,
                    octets.len() - before - end,
                ));
            }
            before += piece.len();
        }
        None
    }

    #[test]
    fn the_dot_alone_ends_it() {
        assert_eq!(read(b"a\r\n..b\r\n.c\r\n.\r\nQUIT", 99), Some(("a\r\n.b\r\nc\r\n".into(), None, 4)));
        assert_eq!(read(b".\r\n", 1), Some((String::new(), None, 0)));
        assert_eq!(read(b"a\r\n.\r\n", 2), Some(("a\r\n".into(), None, 0)));
        assert_eq!(read(b"a\r\n.", 9), None);
    }

    #[test]
    fn nothing_else_ends_it() {
        for trick in [
            "\n.\n",
            "\n.\r\n",
            "\r\n.\n",
            "\r.\r",
            "\r\n.\r",
            "\n.\r",
            "\r.\r\n",
            "\r\r\n.\r\r\n",
            "\r\n.\r\r\n",
            "\r\n\0.\r\n",
            "\r\n.\0\r\n",
            "\n\n.\n\n",
        ] {
            let octets = format!("a{trick}MAIL FROM:<b@x>\r\n.\r\nrest");
            for pieces in [1, 2, 3, 99] {
                let (_, fault, left) = read(octets.as_bytes(), pieces).unwrap();
                assert_eq!((fault, left), (Some(Fault::Bare), 4), "{trick:?}");
            }
        }
    }

    #[test]
    fn long_lines_are_noticed() {
        let line = |n: usize| format!("{}\r\n.\r\n", "x".repeat(n));
        assert_eq!(read(line(1998).as_bytes(), 7).unwrap().1, None);
        assert_eq!(read(line(1999).as_bytes(), 7).unwrap().1, Some(Fault::LongLine));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_reads_the_same(
            octets in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0)], 0..60), pieces in 1..9_usize,
        ) {
            prop_assert_eq!(read(&octets, pieces), read(&octets, 1000));
            let end = octets.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 5);
            let end = if octets.starts_with(b".\r\n") { Some(3) } else { end };
            prop_assert_eq!(read(&octets, pieces).map(|(_, _, left)| octets.len() - left), end);
        }

        #[test]
        fn what_was_stuffed_comes_back(text in "(\\.|a|\r\n){0,60}") {
            let text = format!("{text}\r\n");
            let stuffed: String = text.split_inclusive('\n').map(|l| if l.starts_with('.') { format!(".{l}") } else { l.to_owned() }).collect();
            prop_assert_eq!(read(format!("{stuffed}.\r\n").as_bytes(), 3), Some((text, None, 0)));
        }
    }
}
