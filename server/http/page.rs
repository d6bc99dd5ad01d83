//! Pages of lists: the limit, and cursors that are opaque and bound to the caller and the filter.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use uuid::Uuid;

use super::problem::{self, Problem};
use crate::mail::id::digest;

/// Items of a page when the caller does not say.
const DEFAULT: i64 = 50;
/// The most items of a page.
pub const MOST: i64 = 200;
/// Octets of the seal.
const SEAL: usize = 16;

/// A place in a list: after the row with this key.
pub trait Position: Sized {
    /// As octets.
    fn write(&self) -> Vec<u8>;
    /// Reads what `write` gives.
    fn read(octets: &[u8]) -> Option<Self>;
}

impl Position for (i64, Uuid) {
    fn write(&self) -> Vec<u8> {
        [&self.0.to_be_bytes()[..], self.1.as_bytes()].concat()
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let (time, id) = octets.split_at_checked(8)?;
        Some((i64::from_be_bytes(time.try_into().ok()?), Uuid::from_slice(id).ok()?))
    }
}

impl Position for (i64, String) {
    fn write(&self) -> Vec<u8> {
        [&self.0.to_be_bytes()[..], self.1.as_bytes()].concat()
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let (number, name) = octets.split_at_checked(8)?;
        Some((i64::from_be_bytes(number.try_into().ok()?), String::from_utf8(name.to_vec()).ok()?))
    }
}

impl Position for (Uuid, Uuid) {
    fn write(&self) -> Vec<u8> {
        [&self.0.as_bytes()[..], self.1.as_bytes()].concat()
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let (owner, id) = octets.split_at_checked(16)?;
        Some((Uuid::from_slice(owner).ok()?, Uuid::from_slice(id).ok()?))
    }
}

/// What a cursor is not bound to: it is left out of the filter that it is bound to.
pub fn unbound<T>(_: &Option<T>) -> bool {
    true
}

/// A page of a list in the order of time and id.
pub type Page = PageBy<(i64, Uuid)>;

/// One page of a list that is being made.
#[derive(Debug)]
pub struct PageBy<P> {
    /// How many items.
    pub limit: i64,
    /// After which row.
    pub after: Option<P>,
    bound: [u8; 32],
}

/// A list's answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; null at the end.
    pub next_cursor: Option<String>,
    /// Where the event log stood before the items were read: go on from here to stay up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
}

impl<P: Position> PageBy<P> {
    /// Reads `limit` and `cursor` of a list called `name`, asked for by `account` with `filter`.
    ///
    /// # Errors
    /// `invalid_parameter` for the limit, `invalid_cursor` for a cursor that is broken, or of another caller,
    /// list or filter.
    pub fn read(
        account: Uuid,
        name: &str,
        filter: &str,
        limit: Option<i64>,
        cursor: Option<&str>,
    ) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&limit) {
            let detail = format!("limit is a number from 1 to {MOST}");
            return Err(Problem::at(&problem::INVALID_PARAMETER, "?limit", detail));
        }
        // The position gives nothing away that the caller could not ask for, so the seal needs no secret: it
        // keeps a cursor from being used where it means something else.
        let bound = digest(&[b"cursor", account.as_bytes(), name.as_bytes(), filter.as_bytes()]);
        let after = cursor.map(|text| open(&bound, text)).transpose()?;
        Ok(Self { limit, after, bound })
    }

    /// One row more than the page has, which tells whether there is another page.
    pub fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// Cuts what was fetched to the page; the cursor of the next one.
    pub fn cut<T>(&self, rows: &mut Vec<T>, position: impl Fn(&T) -> P) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(0);
        if rows.len() <= limit {
            return None;
        }
        rows.truncate(limit);
        rows.last().map(|row| self.seal(&position(row)))
    }

    fn seal(&self, position: &P) -> String {
        let mut bytes = position.write();
        let seal = digest(&[&self.bound, &bytes]);
        bytes.extend(&seal[..SEAL]);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn open<P: Position>(bound: &[u8; 32], text: &str) -> Result<P, Problem> {
    let opened = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (position, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        if digest(&[bound, position])[..SEAL] != *seal {
            return None;
        }
        P::read(position)
    };
    opened().ok_or_else(|| {
        Problem::at(
            &problem::INVALID_CURSOR,
            "?cursor",
            "this cursor was not given for this list, filter and caller",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_list_only() {
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let page = Page::read(me, "messages", "seen=true", Some(2), None).unwrap();
        let mut rows = vec![3_i64, 2, 1];
        let cursor = page.cut(&mut rows, |n| (*n, other)).unwrap();
        assert_eq!(rows, [3, 2]);
        assert_eq!(page.cut(&mut rows, |n| (*n, other)), None);
        let again =
            |account, name, filter, cursor: &str| Page::read(account, name, filter, None, Some(cursor));
        assert_eq!(again(me, "messages", "seen=true", &cursor).unwrap().after, Some((2, other)));
        assert!(again(other, "messages", "seen=true", &cursor).is_err());
        assert!(again(me, "threads", "seen=true", &cursor).is_err());
        assert!(again(me, "messages", "", &cursor).is_err());
        for n in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[n] = if forged[n] == b'A' { b'B' } else { b'A' };
            assert!(
                again(me, "messages", "seen=true", std::str::from_utf8(&forged).unwrap()).is_err(),
                "{n}"
            );
        }
        for bad in ["", "x", "é", &cursor[1..], &format!("{cursor}A")] {
            assert_eq!(again(me, "messages", "seen=true", bad).unwrap_err().kind.code, "invalid_cursor");
        }
        for limit in [0, -1, 201, 1_000_000_000] {
            assert!(Page::read(me, "m", "", Some(limit), None).is_err());
        }
    }
}
