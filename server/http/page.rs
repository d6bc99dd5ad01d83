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
/// Octets of a position: a time and an id.
const POSITION: usize = 24;
/// Octets of the seal.
const SEAL: usize = 16;

/// A place in a list: after the row with this time and id.
pub type Position = (i64, Uuid);

/// One page of a list that is being made.
#[derive(Debug)]
pub struct Page {
    /// How many items.
    pub limit: i64,
    /// After which row.
    pub after: Option<Position>,
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

impl Page {
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
    pub fn cut<T>(&self, rows: &mut Vec<T>, position: impl Fn(&T) -> Position) -> Option<String> {
        let limit = usize::try_from(self.limit).unwrap_or(0);
        if rows.len() <= limit {
            return None;
        }
        rows.truncate(limit);
        rows.last().map(|row| self.seal(position(row)))
    }

    fn seal(&self, (time, id): Position) -> String {
        let mut bytes = Vec::with_capacity(POSITION + SEAL);
        bytes.extend(time.to_be_bytes());
        bytes.extend(id.as_bytes());
        let seal = digest(&[&self.bound, &bytes]);
        bytes.extend(&seal[..SEAL]);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn open(bound: &[u8; 32], text: &str) -> Result<Position, Problem> {
    let broken = || {
        Problem::at(&problem::INVALID_CURSOR, "?cursor", "this cursor was not given for this list, filter and caller")
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| broken())?;
    if bytes.len() != POSITION + SEAL {
        return Err(broken());
    }
    let (position, seal) = bytes.split_at(POSITION);
    if digest(&[bound, position])[..SEAL] != *seal {
        return Err(broken());
    }
    let time = i64::from_be_bytes(position[..8].try_into().map_err(|_| broken())?);
    Ok((time, Uuid::from_slice(&position[8..]).map_err(|_| broken())?))
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
        let again = |account, name, filter, cursor: &str| Page::read(account, name, filter, None, Some(cursor));
        assert_eq!(again(me, "messages", "seen=true", &cursor).unwrap().after, Some((2, other)));
        assert!(again(other, "messages", "seen=true", &cursor).is_err());
        assert!(again(me, "threads", "seen=true", &cursor).is_err());
        assert!(again(me, "messages", "", &cursor).is_err());
        for n in 0..cursor.len() {
            let mut forged = cursor.clone().into_bytes();
            forged[n] = if forged[n] == b'A' { b'B' } else { b'A' };
            assert!(again(me, "messages", "seen=true", std::str::from_utf8(&forged).unwrap()).is_err(), "{n}");
        }
        for bad in ["", "x", "é", &cursor[1..], &format!("{cursor}A")] {
            assert_eq!(again(me, "messages", "seen=true", bad).unwrap_err().kind.code, "invalid_cursor");
        }
        for limit in [0, -1, 201, 1_000_000_000] {
            assert!(Page::read(me, "m", "", Some(limit), None).is_err());
        }
    }
}
