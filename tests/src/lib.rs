//! What whole-system tests stand on: a PKI, an issuer and a CPS on real loopback
//! sockets. `federation` is for stories told with the client library; `world` is
//! for those told in plain HTTP, where a request can be anything, with the
//! services in this process (`scene`) or in some that can be killed (`process`).
//! Not here: any test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's scenery has no better answer to a failure than to end the test"
)]

pub mod answer;
pub mod browser;
pub mod cores;
pub mod drawing;
pub mod faulty_proxy;
pub mod federation;
pub mod feed_cps;
pub mod gateway_load;
pub mod gateway_numbers;
pub mod gateway_scene;
pub mod history;
pub mod lossy_path;
pub mod lossy_proxy;
pub mod mailbox;
pub mod meddler;
pub mod needles;
pub mod nodes;
pub mod one_roster;
pub mod port;
pub mod prepared_answers;
pub mod process;
pub mod record_feed;
pub mod redis_faults;
pub mod scene;
pub mod schedule;
pub mod sealed;
pub mod sip_caller;
pub mod three_cpss;
pub mod traffic;
pub mod two_faced_issuer;
pub mod wait;
pub mod world;
