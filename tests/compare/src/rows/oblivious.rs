//! Stores through a relay: what they cost the CPS, against stores that come directly.

use std::cell::RefCell;

use bytes::Bytes;
use http::StatusCode;
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_http::{FreshClients, Request};
use pennyblack_ohttp::binary_http;
use pennyblack_protocol::store_request::SignedStoreRequest;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::process::Role;
use pennyblack_tests::sealed::inner_store;
use reqwest::Client;

use crate::finding::{Finding, Goal, Unit};
use crate::floor_process::FloorProcess;
use crate::machine::on_core;
use crate::pairs::{Pairs, Spread};
use crate::relayed::{AT_ONCE, Relayed, all, as_the_relay, expect};
use crate::report::number;
use crate::services::cpu_per_item;
use crate::setting::Setting;
use crate::{floors, handshakes};

/// Stores in one turn.
const STORES: usize = 1_000;

/// Most bytes of an answer to a direct store.
const MAX_ANSWER: usize = 4_096;

/// The ways to the CPS, and the floor of a fresh one.
struct Ways<'a> {
    setting: &'a Setting,
    scene: Relayed,
    kept: Client,
    fresh: FreshClients,
    handshakes: FloorProcess,
    mailbox: Mailbox,
    stores: usize,
}

impl<'a> Ways<'a> {
    fn open(setting: &'a Setting) -> Self {
        let scene = Relayed::start(setting.cores.service, setting.cores.load);
        let world = &scene.services.world;
        let tls = world.cps.public.tls.as_ref().unwrap();
        Self {
            setting,
            kept: as_the_relay(world),
            fresh: world.http_options().fresh_clients().unwrap(),
            handshakes: handshakes::start(setting.cores.service, tls),
            mailbox: scene.services.wait(world.mailbox()),
            stores: setting.scaled(STORES),
            scene,
        }
    }

    /// Requests of one turn, each with a token of its own.
    fn signed(&self) -> Vec<SignedStoreRequest> {
        let world = &self.scene.services.world;
        let tokens = self.scene.services.wait(world.draw(self.stores));
        let requests = tokens
            .iter()
            .map(|token| world.spend(token, &self.mailbox, "a.passport.as.long.as.needed"));
        requests.collect()
    }

    fn inner(&self, signed: &SignedStoreRequest) -> binary_http::Request {
        inner_store(&self.scene.services.world, signed)
    }

    /// Processor time of the CPS for a store, which `work` does.
    fn cost(&self, work: impl FnOnce()) -> f64 {
        let services = &self.scene.services;
        cpu_per_item(|| services.cpu_time(Role::Cps), self.stores, work)
    }

    /// Through the relay.
    fn relayed(&self) -> f64 {
        let signed = self.signed();
        let sealed = signed
            .iter()
            .map(|signed| self.scene.seal(self.inner(signed)));
        let sealed = sealed.collect();
        let mut answers = Vec::new();
        let cost = self.cost(|| answers = self.scene.exchange(sealed));
        expect(answers, StatusCode::CREATED);
        cost
    }

    /// On one kept connection of HTTP/2.
    fn kept(&self) -> f64 {
        let world = &self.scene.services.world;
        let signed = self.signed();
        let requests = signed
            .iter()
            .map(|signed| world.store_request(signed).build().unwrap());
        let sent = all(requests.collect::<Vec<_>>(), async |_, request| {
            let answer = self.kept.execute(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::CREATED);
            answer.bytes().await.unwrap()
        });
        self.cost(|| drop(self.scene.services.wait(sent)))
    }

    /// What a gateway does besides.
    fn opening_and_sealing(&self) -> f64 {
        let signed = self.signed_once();
        on_core(self.setting.cores.service, || {
            floors::opening_and_sealing(&signed, 2_000)
        })
    }

    fn signed_once(&self) -> binary_http::Request {
        let world = &self.scene.services.world;
        let token = self.scene.services.wait(world.draw_one());
        self.inner(&world.spend(&token, &self.mailbox, "a.passport.as.long.as.needed"))
    }

    /// Over a fresh connection each, as clients store directly.
    fn fresh(&self) -> f64 {
        let world = &self.scene.services.world;
        let url = format!("{}{STORE_PATH}", world.url_of(world.cps_name().as_str()));
        let signed = self.signed();
        let sent = all(&signed, async |_, signed| {
            let body = Bytes::copy_from_slice(signed.body());
            let request = Request::post(url.clone(), body, MAX_ANSWER).headers(signed.headers());
            let answer = self.fresh.client().unwrap().exchange(&request).await;
            assert_eq!(answer.unwrap().status, StatusCode::CREATED);
        });
        self.cost(|| drop(self.scene.services.wait(sent)))
    }

    /// A TLS connection without a request.
    fn handshake(&self) -> f64 {
        let tls = self.scene.services.world.cps.public.tls.as_ref().unwrap();
        let connect = || handshakes::connect(self.handshakes.address(), tls, self.stores);
        cpu_per_item(|| self.handshakes.cpu_time(), self.stores, connect)
    }
}

pub(super) fn measure(setting: &Setting) -> Vec<Finding> {
    let ways = Ways::open(setting);
    vec![against_kept(&ways), against_fresh(&ways)]
}

fn against_kept(ways: &Ways<'_>) -> Finding {
    let gateway = RefCell::new(Vec::new());
    let floor = || {
        let kept = ways.kept();
        let opening_and_sealing = ways.opening_and_sealing();
        gateway.borrow_mut().push(opening_and_sealing);
        kept + opening_and_sealing
    };
    let pairs = Pairs::measure(ways.setting.pairs, || ways.relayed(), floor);
    Finding::measured(
        "store through a relay, durable: processor time of the CPS",
        "the same store on one kept TLS connection of HTTP/2 + opening the request and sealing \
         its answer",
        Goal::AtMost(1.25),
        Unit::Times,
        pairs.cost(),
    )
    .note(format!(
        "{} µs of the CPS's processor time a store, the floor {} µs, of which {} µs open and \
         seal; {AT_ONCE} at one time",
        number(pairs.ours().median * 1e6),
        number(pairs.floor().median * 1e6),
        number(Spread::of(gateway.take()).median * 1e6),
    ))
}

fn against_fresh(ways: &Ways<'_>) -> Finding {
    let costs = RefCell::new(Vec::new());
    let saved = || {
        let (fresh, relayed) = (ways.fresh(), ways.relayed());
        costs.borrow_mut().push((fresh, relayed));
        fresh - relayed
    };
    let pairs = Pairs::measure(ways.setting.pairs, saved, || ways.handshake());
    // The first turn does not count.
    let stores = Pairs::of(costs.take().split_off(1));
    Finding::measured(
        "what a relay saves the CPS of a store over a fresh TLS connection",
        "a TLS handshake: rustls and AWS-LC, no HTTP, the same P-256 certificate, no resumption",
        Goal::AtLeast(0.8),
        Unit::Times,
        pairs.cost(),
    )
    .note(format!(
        "{} µs of the CPS's processor time a store over a fresh connection, {} µs through the \
         relay: {} times as much; a handshake alone {} µs",
        number(stores.ours().median * 1e6),
        number(stores.floor().median * 1e6),
        number(stores.cost().median),
        number(pairs.floor().median * 1e6),
    ))
}
