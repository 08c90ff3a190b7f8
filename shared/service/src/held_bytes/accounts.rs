//! Who holds how many bytes, and who gives way when there is no room. No clock and no
//! lock here.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use crate::exchanges::{ExchangeId, Exchanges};
use crate::stream::Work;
use crate::untaken::Untaken;

/// So many parts of all bytes are freed at a time, so that looking for what gives
/// way, which looks at every exchange, is rare.
const PARTS: usize = 16;

/// So many parts of all bytes may be there beyond the maximum, while those that have
/// given way are not gone yet.
const PARTS_LEAVING: usize = 4;

/// There is no room, and nothing can give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// All that is held.
pub(super) struct Accounts {
    max: usize,
    /// Of everything below.
    total: usize,
    /// Of what was told to end and is not gone yet.
    leaving: usize,
    /// What was told to end, to be dropped when these accounts are not locked.
    ended: Vec<Work>,
    begun: u64,
    exchanges: HashMap<u64, Account>,
    sent: HashMap<ConnectionId, Sent>,
}

/// Where the connection is in memory: what is sent keeps it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionId(usize);

/// What one exchange holds.
#[derive(Debug)]
struct Account {
    exchange: ExchangeId,
    sum: Sum,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The client has to send more, or the work has to wait for its turn.
    Request,
    /// This side has to answer.
    Work,
    /// The client has to take it.
    Answer(Arc<Untaken>),
    /// It was told to end.
    Ended,
}

/// What the HTTP stack has of one connection's answers.
#[derive(Debug)]
struct Sent {
    connection: Arc<Exchanges>,
    bytes: usize,
    /// It was told to end.
    ended: bool,
}

/// Bytes, and the microseconds at which they came, added up byte by byte.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    bytes: usize,
    births: u128,
}

impl Sum {
    const fn born(bytes: usize, now: u128) -> Self {
        let births = bytes as u128 * now;
        Self { bytes, births }
    }

    const fn add(&mut self, bytes: usize, now: u128) {
        self.bytes += bytes;
        self.births += bytes as u128 * now;
    }

    /// Takes away so many of average age, or all if there are fewer; how many.
    fn take(&mut self, bytes: usize) -> usize {
        let taken = bytes.min(self.bytes);
        let births = (self.births * taken as u128).checked_div(self.bytes as u128);
        self.births -= births.unwrap_or(0);
        self.bytes -= taken;
        taken
    }

    /// Byte-microseconds; of those that came this very moment, the more bytes.
    const fn weight(self, now: u128) -> (u128, usize) {
        let weight = (self.bytes as u128 * now).saturating_sub(self.births);
        (weight, self.bytes)
    }
}

impl Accounts {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            total: 0,
            leaving: 0,
            ended: Vec::new(),
            begun: 0,
            exchanges: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    /// A new account; its number.
    pub(super) fn open(
        &mut self,
        exchange: &ExchangeId,
        bytes: usize,
        now: u128,
    ) -> Result<u64, NoRoom> {
        self.make_room(bytes, None, now)?;
        self.total += bytes;
        self.begun += 1;
        let account = Account {
            exchange: exchange.clone(),
            sum: Sum::born(bytes, now),
            stage: Stage::Request,
        };
        self.exchanges.insert(self.begun, account);
        Ok(self.begun)
    }

    pub(super) fn grow(&mut self, number: u64, bytes: usize, now: u128) -> Result<(), NoRoom> {
        self.make_room(bytes, Some(number), now)?;
        self.wanted(number)?.sum.add(bytes, now);
        self.total += bytes;
        Ok(())
    }

    pub(super) fn connection(&self, number: u64) -> Option<Arc<Exchanges>> {
        let account = self.exchanges.get(&number)?;
        Some(Arc::clone(account.exchange.of_connection()))
    }

    pub(super) fn begin_work(
        &mut self,
        number: u64,
        bytes: usize,
        now: u128,
    ) -> Result<(), NoRoom> {
        self.grow(number, bytes, now)?;
        let account = self.wanted(number)?;
        account.stage = Stage::Work;
        account.exchange.working(true);
        Ok(())
    }

    pub(super) fn pause_work(&mut self, number: u64, bytes: usize) -> Result<(), NoRoom> {
        let account = self.wanted(number)?;
        account.stage = Stage::Request;
        account.exchange.working(false);
        let given_back = account.sum.take(bytes);
        self.total -= given_back;
        Ok(())
    }

    pub(super) fn wait_for_client(
        &mut self,
        number: u64,
        beside: usize,
        untaken: &Arc<Untaken>,
        now: u128,
    ) -> Result<(), NoRoom> {
        let bytes = beside + untaken.len();
        let held = self.wanted(number)?.sum.bytes;
        self.make_room(bytes.saturating_sub(held), Some(number), now)?;
        let account = self.wanted(number)?;
        account.sum = Sum::born(bytes, now);
        account.stage = Stage::Answer(Arc::clone(untaken));
        account.exchange.working(false);
        self.total = self.total - held + bytes;
        Ok(())
    }

    /// Moves bytes from an exchange to what its connection has been given; nothing if
    /// there is no such exchange.
    pub(super) fn send(&mut self, number: u64, bytes: usize) -> Option<ConnectionId> {
        let account = self.exchanges.get_mut(&number)?;
        let moved = account.sum.take(bytes);
        if matches!(account.stage, Stage::Ended) {
            self.leaving -= moved;
        }
        self.total += bytes - moved;
        let connection = account.exchange.of_connection();
        let id = ConnectionId(Arc::as_ptr(connection).addr());
        let sent = self.sent.entry(id).or_insert_with(|| Sent {
            connection: Arc::clone(connection),
            bytes: 0,
            ended: false,
        });
        sent.bytes += bytes;
        if sent.ended {
            self.leaving += bytes;
        }
        Some(id)
    }

    /// Notes that the HTTP stack has done with so many bytes of a connection.
    pub(super) fn sent(&mut self, connection: ConnectionId, bytes: usize) {
        let Some(sent) = self.sent.get_mut(&connection) else {
            return;
        };
        self.total -= bytes;
        sent.bytes -= bytes;
        if sent.ended {
            self.leaving -= bytes;
        }
        if sent.bytes == 0 {
            self.sent.remove(&connection);
        }
    }

    pub(super) fn close(&mut self, number: u64) {
        let Some(account) = self.exchanges.remove(&number) else {
            return;
        };
        self.total -= account.sum.bytes;
        if matches!(account.stage, Stage::Ended) {
            self.leaving -= account.sum.bytes;
        }
    }

    /// What was told to end since the last time, to be dropped when these accounts are not
    /// locked: its end changes them.
    pub(super) fn take_ended(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.ended)
    }

    /// An account that was not told to end.
    fn wanted(&mut self, number: u64) -> Result<&mut Account, NoRoom> {
        let account = self.exchanges.get_mut(&number).ok_or(NoRoom)?;
        match account.stage {
            Stage::Ended => Err(NoRoom),
            _ => Ok(account),
        }
    }

    /// How many bytes are too many, if so many more come.
    const fn excess(&self, bytes: usize) -> usize {
        (self.total - self.leaving + bytes).saturating_sub(self.max)
    }

    /// Lets give way what must, but not the one that needs the room.
    fn make_room(&mut self, bytes: usize, needs: Option<u64>, now: u128) -> Result<(), NoRoom> {
        if bytes > self.max {
            return Err(NoRoom);
        }
        while self.excess(bytes) > 0 {
            let enough = self.excess(bytes) + self.max / PARTS;
            if !self.end_heaviest_exchanges(enough, needs, now) {
                self.end_fullest_connections(enough);
                break;
            }
        }
        let with_leaving = self.max + self.max / PARTS_LEAVING;
        if self.excess(bytes) == 0 && self.total + bytes <= with_leaving {
            Ok(())
        } else {
            Err(NoRoom)
        }
    }

    /// False when no other exchange waits for its client.
    fn end_heaviest_exchanges(&mut self, enough: usize, needs: Option<u64>, now: u128) -> bool {
        let others = self.exchanges.iter().filter(|(n, _)| Some(**n) != needs);
        let waiting = others.filter(|(_, account)| account.waits());
        let mut waiting: Vec<(Sum, u64)> = waiting.map(|(n, a)| (a.sum, *n)).collect();
        let bytes: usize = waiting.iter().map(|(sum, _)| sum.bytes).sum();
        let Some(average) = bytes.checked_div(waiting.len()) else {
            return false;
        };
        waiting.retain(|(sum, _)| sum.bytes >= average / 2);
        waiting.sort_unstable_by_key(|(sum, number)| (Reverse(sum.weight(now)), *number));
        let mut freed = 0;
        for (sum, number) in waiting {
            self.end(number);
            freed += sum.bytes;
            if freed >= enough {
                break;
            }
        }
        true
    }

    fn end(&mut self, number: u64) {
        let Some(account) = self.exchanges.get_mut(&number) else {
            return;
        };
        if let Stage::Answer(untaken) = std::mem::replace(&mut account.stage, Stage::Ended) {
            self.total -= account.sum.take(untaken.give_up());
        }
        self.leaving += account.sum.bytes;
        self.ended.extend(account.exchange.end());
        metrics::counter!("pennyblack_exchanges_displaced_total").increment(1);
    }

    /// Closes the connections whose clients read least; those of known clients last, as long
    /// as each has less than its part.
    fn end_fullest_connections(&mut self, enough: usize) {
        let part = self.max / PARTS;
        let stays = |sent: &Sent| sent.connection.known().is_some() && sent.bytes < part;
        let mut sent: Vec<_> = self.sent.values_mut().filter(|sent| !sent.ended).collect();
        sent.sort_unstable_by_key(|sent| (stays(sent), Reverse(sent.bytes)));
        let mut freed = 0;
        for sent in sent {
            if freed >= enough {
                break;
            }
            sent.ended = true;
            sent.connection.dismiss();
            self.leaving += sent.bytes;
            freed += sent.bytes;
        }
    }
}

impl Account {
    const fn waits(&self) -> bool {
        matches!(self.stage, Stage::Request | Stage::Answer(_))
    }
}

#[cfg(test)]
impl Accounts {
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    /// Whether the sums are those of what is there.
    pub(super) fn add_up(&self) -> bool {
        let exchanges = self.exchanges.values();
        let ended = |account: &&Account| matches!(account.stage, Stage::Ended);
        let held: usize = exchanges.clone().map(|account| account.sum.bytes).sum();
        let held_ended: usize = exchanges
            .filter(ended)
            .map(|account| account.sum.bytes)
            .sum();
        let sent: usize = self.sent.values().map(|sent| sent.bytes).sum();
        let left = self.sent.values().filter(|sent| sent.ended);
        let sent_ended: usize = left.map(|sent| sent.bytes).sum();
        self.total == held + sent && self.leaving == held_ended + sent_ended
    }
}
