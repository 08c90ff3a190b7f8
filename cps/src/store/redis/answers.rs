//! What the scripts answer, read: bytes and numbers become outcomes or an error.
//! Nothing is asked here.

use pennyblack_evidence::double_spend::SpendRecord;
use pennyblack_redis::{RedisError, Value};
use zeroize::Zeroizing;

use super::fence::{Changes, Reading, StoreId};

/// What spending a token has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    /// It was not spent, and is now.
    Now(Changes),
    /// It was spent before, with this record.
    Before(SpendRecord, Changes),
    /// Its epoch is closed.
    Closed,
    /// The shard has forgotten something; nothing was done.
    Older,
}

impl Spent {
    /// How many changes of the shard this answer rests on. Also one that changed
    /// nothing does: what it found may be a change whose own answer was lost.
    pub(super) const fn changes(&self) -> Option<Changes> {
        match self {
            Self::Now(changes) | Self::Before(_, changes) => Some(*changes),
            Self::Closed | Self::Older => None,
        }
    }
}

/// What closing an epoch in a shard has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing {
    /// Whether its buckets may still be there.
    pub(super) has_buckets: bool,
    /// The change, when there was one.
    pub(super) changes: Option<Changes>,
}

fn form(what: &str, value: &[Value]) -> RedisError {
    RedisError::Form(format!("{what}: {} parts", value.len()))
}

fn word(value: Option<&Value>) -> &[u8] {
    match value {
        Some(Value::BulkString(bytes)) => bytes,
        _ => &[],
    }
}

fn number(value: Option<&Value>) -> Option<u64> {
    match value {
        Some(Value::Int(number)) => u64::try_from(*number).ok(),
        Some(Value::BulkString(digits)) => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    }
}

fn changes(own: Option<&Value>, total: Option<&Value>) -> Option<Changes> {
    Some(Changes {
        own: number(own)?,
        total: number(total)?,
    })
}

/// Of `spend.lua`.
pub(super) fn spent(answer: &[Value]) -> Result<Spent, RedisError> {
    let read = match word(answer.first()) {
        b"new" => changes(answer.get(1), answer.get(2)).map(Spent::Now),
        b"spent" => {
            let record = SpendRecord::from_bytes(word(answer.get(1)));
            let changes = changes(answer.get(2), answer.get(3));
            record
                .ok()
                .zip(changes)
                .map(|(first, changes)| Spent::Before(first, changes))
        }
        b"closed" => Some(Spent::Closed),
        b"older" => Some(Spent::Older),
        _ => None,
    };
    read.ok_or_else(|| form("a spend", answer))
}

/// Of `close.lua`; `None` when the shard has forgotten something.
pub(super) fn closing(answer: &[Value]) -> Result<Option<Closing>, RedisError> {
    let has_buckets = match word(answer.first()) {
        b"closing" => true,
        b"closed" => false,
        b"older" => return Ok(None),
        _ => return Err(form("closing an epoch", answer)),
    };
    Ok(Some(Closing {
        has_buckets,
        changes: changes(answer.get(1), answer.get(2)),
    }))
}

/// Of `HMGET` for id, own changes, all changes, halted, accepted.
pub(super) fn reading(answer: &[Value]) -> Result<Reading, RedisError> {
    let [id, own, total, halted, accepted] = answer else {
        return Err(form("a fence", answer));
    };
    // The word is about a store of this id; a later one was accepted since.
    let is_halted = *halted != Value::Nil && (halted == id || *id == Value::Nil);
    let id = match id {
        Value::Nil => None,
        id => Some(store_id(word(Some(id))).ok_or_else(|| form("a store's id", answer))?),
    };
    let count = |value: &Value| match value {
        Value::Nil => Some(0),
        value => number(Some(value)),
    };
    let changes = count(own).zip(count(total));
    let (own, total) = changes.ok_or_else(|| form("a fence's counts", answer))?;
    Ok(Reading {
        id,
        changes: Changes { own, total },
        halted: is_halted,
        accepted: word(Some(accepted))
            .chunks(16)
            .filter_map(store_id)
            .collect(),
    })
}

fn store_id(bytes: &[u8]) -> Option<StoreId> {
    bytes.try_into().ok().map(StoreId)
}

/// A window of a mailbox.
#[derive(Debug)]
pub(super) struct NumberedPage {
    /// Entries, then filler.
    pub(super) slots: Zeroizing<Vec<u8>>,
    pub(super) filled: usize,
    pub(super) more: bool,
    pub(super) dropped: bool,
    /// The number of the last entry, if there is one.
    pub(super) last: u64,
}

/// Of `page.lua`.
pub(super) fn page(answer: Vec<Value>) -> Result<NumberedPage, RedisError> {
    let Ok([more, dropped, filled, last, slots]) = <[Value; 5]>::try_from(answer) else {
        return Err(RedisError::Form("a page that is not in 5 parts".to_owned()));
    };
    let wrong = || RedisError::Form("a page's head".to_owned());
    let read = |value: &Value| number(Some(value)).ok_or_else(wrong);
    let Value::BulkString(slots) = slots else {
        return Err(RedisError::Form("slots that are no string".to_owned()));
    };
    Ok(NumberedPage {
        slots: Zeroizing::new(slots),
        filled: usize::try_from(read(&filled)?).map_err(|_| wrong())?,
        more: read(&more)? == 1,
        dropped: read(&dropped)? == 1,
        last: read(&last)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn answers_of_the_scripts_are_read() {
        let changes = Changes { own: 3, total: 9 };
        let new = [text("new"), Value::Int(3), Value::Int(9)];
        assert_eq!(spent(&new), Ok(Spent::Now(changes)));
        assert_eq!(spent(&[text("older")]), Ok(Spent::Older));
        assert_eq!(spent(&new).unwrap().changes(), Some(changes));
        assert!(spent(&[text("spent"), text("short")]).is_err());
        assert_eq!(closing(&[text("older")]), Ok(None));
        let head = [1, 0, 1].map(Value::Int);
        let page = page([&head[..], &[text("0017"), text("slots")]].concat()).unwrap();
        assert!(page.more && !page.dropped && page.last == 17 && page.filled == 1);
        assert_eq!(page.slots.as_slice(), b"slots");
    }

    #[test]
    fn a_fence_that_was_never_written_reads_as_nothing() {
        assert_eq!(reading(&vec![Value::Nil; 5]), Ok(Reading::default()));
        assert!(
            reading(&[
                text("short"),
                Value::Nil,
                Value::Nil,
                Value::Nil,
                Value::Nil
            ])
            .is_err()
        );
    }

    #[test]
    fn a_halt_is_about_the_store_that_it_names() {
        let read = |id: Value, halted: Value| {
            let nothing = Value::Nil;
            reading(&[id, nothing.clone(), nothing.clone(), halted, nothing]).unwrap()
        };
        let (one, other) = (text("0123456789abcdef"), text("fedcba9876543210"));
        assert!(read(one.clone(), one.clone()).halted);
        assert!(read(Value::Nil, text("none")).halted);
        assert!(!read(one.clone(), other).halted);
        assert!(!read(one, Value::Nil).halted);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Nil),
            any::<i64>().prop_map(Value::Int),
            proptest::collection::vec(any::<u8>(), 0..120).prop_map(Value::BulkString),
            prop_oneof!["new", "spent", "closed", "closing", "older"].prop_map(|t| text(&t)),
        ]
    }

    proptest! {
        #[test]
        fn no_answer_makes_them_panic(answer in proptest::collection::vec(any_value(), 0..7)) {
            let _ = (spent(&answer), closing(&answer), reading(&answer));
            let _ = page(answer);
        }
    }
}
