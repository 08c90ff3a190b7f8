//! Where the frames of an HTTP/2 connection begin and end (RFC 9113 section 4.1), whatever
//! pieces they arrive in, and what the HTTP stack must not be given. Nothing is decoded.

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame before its payload.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;

/// The flag of SETTINGS that are the client's answer to this side's.
const ACK: u8 = 0x1;
/// The flags of HEADERS with something in front of the fields.
const PADDED_OR_PRIORITY: u8 = 0x8 | 0x20;

/// How a header section begins whose client keeps no fields in a table from now on: a dynamic
/// table size update to zero (RFC 7541 section 6.3).
const NO_TABLE: u8 = 0x20;

/// Bytes that a connection takes on which the stack may keep header fields. Its table keeps the
/// buffers that the fields came in, hundreds of times as large as what the table counts.
pub(crate) const MOST_BYTES: usize = 128 * 1024;

/// How long a connection lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// As long as its client wants.
    Always,
    /// So long that [`MOST_BYTES`] come of all that may fill its [`Table`], which the stack has
    /// asked to be empty, and of all that is no part of a request.
    WithoutTable,
    /// For [`MOST_BYTES`].
    Briefly,
}

/// The stack's table of a client's header fields (RFC 7541 section 2.3.2), where the stack has
/// asked for one of zero bytes. **It does as the client says**, and only refuses a larger one
/// than it has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    /// The client may fill it. It has not read what was asked for, or does not do it.
    InUse,
    /// The client has read what was asked for, and has to do it with its next header section
    /// (RFC 7541 section 4.2). Nothing else comes into the table, so a burst of bodies that were
    /// begun before does not count.
    Settled,
    /// Empty for good: the client has said so, and the stack takes nothing else any more.
    Empty,
}

/// What a connection ends for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The stack makes a map of them before anybody can count it.
    #[error("trailers, which no service takes")]
    Trailers,
    /// The stack keeps all of it until it ends.
    #[error("a header section that is too large")]
    HeaderSection,
}

impl Fault {
    /// The label of the metric that counts it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Trailers => "trailers",
            Self::HeaderSection => "header_section",
        }
    }
}

/// What may be read next from a connection that takes no more streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// At most so many bytes for the stack.
    Given(usize),
    /// At most so many of a frame's head: whom it is for is not known.
    Head(usize),
    /// At most so many for nobody.
    HeldBack(usize),
}

/// The frames of one connection.
#[derive(Debug)]
pub(crate) struct Frames {
    place: Place,
    /// Most bytes of a header section as it is sent.
    header_bytes: usize,
    lasting: Lasting,
    table: Table,
    /// Whether the next byte is the first of a header section.
    at_fields: bool,
    taken: usize,
    /// Bytes of it that are of requests and cannot fill the table.
    uncounted: usize,
    /// The largest number of a stream; each new one has a larger one.
    newest: u32,
    /// Bytes of the header section that is arriving.
    section: usize,
    closed: bool,
    /// How much of the head that was incomplete at the close the stack has: it gets
    /// the rest of that frame, too.
    given: usize,
    /// A head that is complete since the close and that the stack is to have.
    head: Option<[u8; HEAD]>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// So many bytes of the preface have arrived.
    Preface(usize),
    Head([u8; HEAD], usize),
    Payload {
        left: usize,
        held_back: bool,
    },
    /// It is not HTTP/2.
    Unwatched,
}

impl Frames {
    pub(crate) const fn new(header_bytes: usize, lasting: Lasting) -> Self {
        Self {
            place: Place::Preface(0),
            header_bytes,
            lasting,
            table: Table::InUse,
            at_fields: false,
            taken: 0,
            uncounted: 0,
            newest: 0,
            section: 0,
            closed: false,
            given: 0,
            head: None,
        }
    }

    /// Goes on by what has arrived.
    ///
    /// # Errors
    /// [`Fault`]; the stack must not see these bytes.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        self.taken = self.taken.saturating_add(bytes.len());
        while !bytes.is_empty() {
            let used = match &mut self.place {
                Place::Unwatched => return Ok(()),
                Place::Preface(seen) => {
                    let rest = PREFACE.get(*seen..).unwrap_or_default();
                    let used = rest.len().min(bytes.len());
                    if rest.get(..used) != bytes.get(..used) {
                        self.place = Place::Unwatched;
                        return Ok(());
                    }
                    *seen += used;
                    if used == rest.len() {
                        self.place = Place::Head([0; HEAD], 0);
                    }
                    used
                }
                Place::Head(head, seen) => {
                    let room = head.get_mut(*seen..).unwrap_or_default();
                    let used = room.len().min(bytes.len());
                    for (place, byte) in room.iter_mut().zip(bytes) {
                        *place = *byte;
                    }
                    *seen += used;
                    if *seen == HEAD {
                        let head = *head;
                        self.begin(head)?;
                    }
                    used
                }
                Place::Payload { left, .. } => {
                    let used = (*left).min(bytes.len());
                    *left -= used;
                    if std::mem::take(&mut self.at_fields) && bytes.first() == Some(&NO_TABLE) {
                        self.table = Table::Empty;
                    }
                    self.end_if_over();
                    used
                }
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Looks at the head of a frame.
    fn begin(&mut self, head: [u8; HEAD]) -> Result<(), Fault> {
        let [a, b, c, kind, flags, d, e, f, g] = head;
        let left = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([d & 0x7f, e, f, g]);
        let is_read_apart = self.closed && self.given == 0;
        let held_back = is_read_apart && stream > self.newest;
        self.head = (is_read_apart && !held_back).then_some(head);
        self.given = 0;
        self.place = Place::Payload { left, held_back };
        if !held_back {
            self.look_at(kind, stream, left)?;
            self.look_at_table(kind, flags, left);
        }
        self.end_if_over();
        Ok(())
    }

    fn look_at(&mut self, kind: u8, stream: u32, length: usize) -> Result<(), Fault> {
        match kind {
            HEADERS if stream <= self.newest => return Err(Fault::Trailers),
            HEADERS => {
                self.newest = stream;
                self.section = length;
            }
            CONTINUATION => self.section = self.section.saturating_add(length),
            _ => return Ok(()),
        }
        if self.section > self.header_bytes {
            return Err(Fault::HeaderSection);
        }
        Ok(())
    }

    /// HEADERS say that the table is empty if they have nothing in front of the fields: the stack
    /// passes over the fields of some others.
    const fn look_at_table(&mut self, kind: u8, flags: u8, length: usize) {
        let is_asked = matches!(self.lasting, Lasting::WithoutTable);
        match (self.table, kind) {
            (Table::InUse, SETTINGS) if is_asked && flags & ACK != 0 => {
                self.table = Table::Settled;
            }
            (Table::Settled, HEADERS) => {
                // Unless the first of its bytes says otherwise.
                self.table = Table::InUse;
                self.at_fields = length > 0 && flags & PADDED_OR_PRIORITY == 0;
            }
            (Table::Settled, DATA) | (Table::Empty, DATA | HEADERS | CONTINUATION) => {
                self.uncounted = self.uncounted.saturating_add(HEAD + length);
            }
            _ => {}
        }
    }

    const fn end_if_over(&mut self) {
        if let Place::Payload { left: 0, .. } = self.place {
            self.place = Place::Head([0; HEAD], 0);
        }
    }

    /// Whether the connection has taken all that it may.
    pub(crate) const fn are_enough(&self) -> bool {
        let counted = match self.lasting {
            Lasting::Always => return false,
            Lasting::WithoutTable => self.taken.saturating_sub(self.uncounted),
            Lasting::Briefly => self.taken,
        };
        counted >= MOST_BYTES && !matches!(self.place, Place::Unwatched)
    }

    /// From now on frames of streams that have not begun are held back.
    pub(crate) const fn close(&mut self) {
        self.closed = true;
        if let Place::Head(_, seen) = self.place {
            self.given = seen;
        }
    }

    /// The head that was completed last, if the stack is to have it.
    pub(crate) const fn take_head(&mut self) -> Option<[u8; HEAD]> {
        self.head.take()
    }

    /// What comes next after the close.
    pub(crate) const fn next(&self) -> Next {
        match self.place {
            Place::Preface(_) | Place::Unwatched => Next::Given(usize::MAX),
            Place::Head(_, seen) if self.given > 0 => Next::Given(HEAD - seen),
            Place::Head(_, seen) => Next::Head(HEAD - seen),
            Place::Payload {
                left,
                held_back: false,
            } => Next::Given(left),
            Place::Payload { left, .. } => Next::HeldBack(left),
        }
    }
}

#[cfg(test)]
mod tests;
