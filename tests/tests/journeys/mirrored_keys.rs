//! Keys at hand: the feeds of a federation's CPSs are mirrored, and calls ask nobody. Also when a
//! CPS lies: about its log, its feed, or where a record leads.

mod calls;
mod crowding;
mod feeds;
mod growth;
mod hostile;
mod lies;
mod scene;
