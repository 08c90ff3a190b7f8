//! The same work by another implementation from the package registry.

use std::sync::Arc;

use http::StatusCode;
use pennyblack_tests::process::Role;
use privacypass::TokenType;
use privacypass::auth::authenticate::TokenChallenge;
use privacypass::public_tokens::TokenRequest;
use privacypass::public_tokens::server::IssuerServer;
use privacypass::test_utils::public_memory_store::IssuerMemoryKeyStore;

use super::issuing::prepare;
use crate::cpu_time;
use crate::finding::{Finding, Goal, Unit};
use crate::http_load::{CONNECTIONS, closed_loop};
use crate::machine::on_core;
use crate::pairs::Pairs;
use crate::report::number;
use crate::services::{Services, cpu_per_item};
use crate::setting::Setting;

const BATCH: usize = 64;
const BATCHES: usize = 16;
const PEERS_TOKENS: usize = 200;

pub(super) fn issuing(setting: &Setting) -> Vec<Finding> {
    let services = Services::on_its_core(setting);
    let batches = setting.scaled(BATCHES);
    let issuer = services.target(Role::Issuer, StatusCode::OK);
    let ours = || {
        let requests = prepare(&services, batches, BATCH);
        let draw = || drop(services.wait(closed_loop(issuer, CONNECTIONS, &requests)));
        cpu_per_item(|| services.cpu_time(Role::Issuer), batches * BATCH, draw)
    };
    let peer = Arc::new(Peer::new());
    let theirs = || on_core(setting.cores.service, || peer.seconds_per_token(setting));
    let pairs = Pairs::measure(setting.pairs, ours, theirs);
    vec![
        Finding::measured(
            "blind RSA tokens over HTTP, attested, per core",
            "the `privacypass` crate's issuer, without HTTP or attestation",
            Goal::AtLeast(6.5),
            Unit::Times,
            pairs.speed(),
        )
        .note(format!(
            "{} tokens a second and core, the peer {}",
            number(1.0 / pairs.ours().median),
            number(1.0 / pairs.floor().median)
        )),
    ]
}

struct Peer {
    issuer: IssuerServer,
    store: IssuerMemoryKeyStore,
    requests: Vec<TokenRequest>,
    runtime: tokio::runtime::Runtime,
}

impl Peer {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let (issuer, store) = (IssuerServer::new(), IssuerMemoryKeyStore::default());
        let rng = &mut rand::rng();
        let key = runtime
            .block_on(issuer.create_keypair(rng, &store))
            .unwrap();
        let origins = ["cps.example".to_owned()];
        let challenge = TokenChallenge::new(TokenType::Public, "issuer.example", None, &origins);
        let request = || {
            let (request, _) =
                TokenRequest::new(&mut rand::rng(), key.clone(), &challenge).unwrap();
            request
        };
        Self {
            requests: std::iter::repeat_with(request).take(PEERS_TOKENS).collect(),
            issuer,
            store,
            runtime,
        }
    }

    fn seconds_per_token(&self, setting: &Setting) -> f64 {
        let requests = &self.requests[..setting.scaled(PEERS_TOKENS)];
        let start = cpu_time::of_this_thread();
        for request in requests {
            let answer = self
                .issuer
                .issue_token_response(&self.store, request.clone());
            self.runtime.block_on(answer).unwrap();
        }
        (cpu_time::of_this_thread() - start).as_secs_f64() / requests.len() as f64
    }
}
