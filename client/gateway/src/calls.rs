//! The seam between the interfaces to switches and the engine: what both HTTP and SIP ask
//! for. Tests put a stand-in here.

use std::time::Instant;

use futures_util::future::BoxFuture;
use pennyblack_engine::{BadParameter, IncomingCall, OutgoingCall, SignOutcome, Trunk, Verdict};

/// Does with calls what a gateway is for.
pub trait Calls: Send + Sync {
    /// Signs and stores a call, or stores what it came with. The answer comes within the
    /// deadline, counted from when the call arrived.
    fn sign<'a>(
        &'a self,
        arrived: Instant,
        trunk: &'a Trunk,
        call: OutgoingCall,
    ) -> BoxFuture<'a, Result<SignOutcome, BadParameter>>;

    /// Says whether a PASSporT for a call has come.
    fn verify<'a>(
        &'a self,
        arrived: Instant,
        trunk: &'a Trunk,
        call: IncomingCall,
    ) -> BoxFuture<'a, Verdict>;
}
