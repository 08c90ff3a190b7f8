//! Where the frames of an HTTP/2 connection begin and end (RFC 9113 section 4.1), whatever
//! pieces they arrive in, and what the HTTP stack must not be given. Nothing is decoded.

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a frame before its payload.
const HEAD: usize = 9;

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// Bytes that a stranger's connection takes. The stack's table of header fields keeps the buffers
/// that its fields came in, hundreds of times as large as what the table counts.
pub(crate) const MOST_BYTES: usize = 128 * 1024;

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
    /// Most bytes in all.
    most: usize,
    taken: usize,
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
    pub(crate) const fn new(header_bytes: usize, most: usize) -> Self {
        Self {
            place: Place::Preface(0),
            header_bytes,
            most,
            taken: 0,
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
        let [a, b, c, kind, _flags, d, e, f, g] = head;
        let left = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([d & 0x7f, e, f, g]);
        let is_read_apart = self.closed && self.given == 0;
        let held_back = is_read_apart && stream > self.newest;
        self.head = (is_read_apart && !held_back).then_some(head);
        self.given = 0;
        self.place = Place::Payload { left, held_back };
        if !held_back {
            self.look_at(kind, stream, left)?;
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

    const fn end_if_over(&mut self) {
        if let Place::Payload { left: 0, .. } = self.place {
            self.place = Place::Head([0; HEAD], 0);
        }
    }

    /// Whether the connection has taken all that it may.
    pub(crate) const fn are_enough(&self) -> bool {
        self.taken >= self.most && !matches!(self.place, Place::Unwatched)
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
