//! The CPS as an oblivious gateway (docs/protocol.md section 8): requests that come
//! sealed, through a relay that does not see what is in them, from clients that are not seen
//! here. Opened, they go to the router that direct requests go to. Not here: the forms,
//! which are in `pennyblack_ohttp`, and what the router does.

mod gateway;
mod inner;
mod offered;
mod outcome;
mod refusal;
mod rotation;
mod sealer;
mod seed;

pub(crate) use self::gateway::{Gateway, router};
pub(crate) use self::offered::OfferedKeys;
pub(crate) use self::rotation::Rotation;
pub(crate) use self::seed::{SeedError, SeedFile};

#[cfg(test)]
pub(crate) use self::refusal::own_problem_types;
