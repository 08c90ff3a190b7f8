//! The roster of a federation: a signed text that says who belongs to it (docs/protocol.md
//! section 12). How it is written, when a roster follows another, and the files in which
//! rosters are kept. Not here: where they are fetched, and what is done with a member.

pub mod chain;
pub mod directory;
pub mod draft;
pub mod governors;
pub mod member;
pub mod pin;
pub mod position;
mod reached;
pub mod roster;
pub mod signed;
mod statement;
pub mod validity;

pub use chain::{Chain, ChainError, Offered};
pub use directory::{KeptRosters, RosterDirectoryError, read_chain};
pub use draft::RosterDraft;
pub use governors::{Governors, GovernorsError};
pub use member::{Member, MemberError, Members, OperatorName, Role};
pub use pin::{Pin, RosterDigest, Sequence};
pub use position::Position;
pub use roster::{MAX_ROSTER_SIZE, Roster, RosterError};
pub use signed::SignedRoster;
pub use validity::{STORING_AFTER_END, Standing, Validity};

/// Where a member serves the newest roster; behind a slash and its sequence, each other.
pub const ROSTER_PATH: &str = "/v1/roster";
/// Media type of a roster.
pub const ROSTER_MEDIA_TYPE: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests;
