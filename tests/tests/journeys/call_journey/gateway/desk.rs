//! An engine with both roles at the federation of a scene, and calls for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_client::assignments::{Assignments, CallName};
use pennyblack_client::follower::{FollowedMailbox, FollowerConfig};
use pennyblack_client::identity::StirIdentity;
use pennyblack_engine::{
    AttestPolicy, Engine, EngineParts, IncomingCall, KeyRecordsConfig, OutgoingCall, SigningConfig,
    SigningIdentity, SigningParts, StoreConfig, Trunk, VerifyConfig, VerifyingParts,
};
use pennyblack_http::{HttpOptions, RetryPolicy};
use pennyblack_passport::Attestation;
use pennyblack_runtime::reload::FromFiles;
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_tests::faulty_proxy::FaultyProxy;
use pennyblack_tests::federation::{address_of, cps_name};
use pennyblack_tests::wait::until;

use super::super::scene::Scene;
use super::CALLEE;

/// Longest wait for something that happens at once.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// An engine, and the proxy between it and its CPS.
pub(super) struct Desk {
    pub(super) engine: Engine,
    pub(super) proxy: FaultyProxy,
}

impl Desk {
    /// It is ready: key records are read, and the mailbox of the office.
    pub(super) async fn open(scene: &Scene, change: impl FnOnce(&mut EngineParts)) -> Self {
        let proxy = FaultyProxy::start(scene.address()).await.unwrap();
        let mut parts = parts(scene, proxy.address());
        change(&mut parts);
        let engine = Engine::start(parts).unwrap();
        until("a ready engine", SOON, async || {
            let status = engine.status(&[]).await;
            status.not_ready.is_empty().then_some(())
        })
        .await;
        Self { engine, proxy }
    }

    /// Signs a call, which must be stored.
    pub(super) async fn stores(&self, trunk: &Trunk, call: OutgoingCall) {
        let signed = self.engine.sign(trunk, call).await.unwrap();
        assert!(signed.oob.is_stored(), "{signed:?}");
    }
}

/// Both sides, through the CPS's door at `address`.
pub(super) fn parts(scene: &Scene, address: SocketAddr) -> EngineParts {
    let retry = RetryPolicy {
        retries: 20,
        longest_pause: Duration::from_millis(500),
        within: None,
    };
    let http = HttpOptions::default();
    let cps = address_of(&cps_name().unwrap(), address).unwrap();
    let signing = SigningParts {
        service: scene.federation.caller(address, retry).unwrap(),
        wallet: scene.wallet.clone(),
        transport: Arc::new(http.fresh_clients().unwrap()),
        signing: SigningConfig::default(),
        store: StoreConfig {
            minimum_age: Duration::ZERO,
            key_records: KeyRecordsConfig {
                prefixes: vec!["1212555".parse().unwrap()],
                ..KeyRecordsConfig::default()
            },
            ..StoreConfig::default()
        },
        key_records_file: None,
    };
    let mailbox = FollowedMailbox {
        key: Arc::new(RecipientKey::from_bytes(&scene.office.to_bytes()).unwrap()),
        cps,
        source: Arc::new(http.client().unwrap()),
    };
    let verifying = VerifyingParts {
        mailboxes: vec![mailbox],
        rules: scene.federation.rules().unwrap(),
        assignments: Arc::new(Assignments::in_memory()),
        config: VerifyConfig {
            follow: FollowerConfig {
                every: Duration::from_millis(20),
                ..FollowerConfig::default()
            },
            // Other tests run beside this one.
            deadline: SOON,
            ..VerifyConfig::default()
        },
    };
    EngineParts {
        signing: Some(signing),
        verifying: Some(verifying),
        clock: scene.federation.clock().clone(),
    }
}

/// A trunk of North America, which signs as `signer` if there is one.
pub(super) fn trunk(scene: &Scene, signer: Option<&str>) -> Trunk {
    let identity = signer.map(|name| {
        let issued = scene.federation.pki().join("issued");
        let (certificate, key) = (
            issued.join(format!("{name}.pem")),
            issued.join(format!("{name}.key")),
        );
        let read = move || StirIdentity::load(&certificate, &key, None);
        SigningIdentity {
            files: FromFiles::open("trunk.certificate", read).unwrap(),
            x5u: format!("https://certs.test/{name}.pem").parse().unwrap(),
        }
    });
    Trunk {
        name: "test".to_owned(),
        country_code: Some("1".to_owned()),
        international_prefix: Some("011".to_owned()),
        attest: AttestPolicy::AsRequested {
            otherwise: Attestation::Partial,
        },
        identity,
        ..Trunk::default()
    }
}

pub(super) fn outgoing(from: &str, to: &str) -> OutgoingCall {
    OutgoingCall {
        from: from.to_owned(),
        dest: vec![to.to_owned()],
        ..OutgoingCall::default()
    }
}

/// A call to the office.
pub(super) fn incoming(name: &str, from: &str) -> IncomingCall {
    IncomingCall {
        call: CallName::new(name),
        asserted: Vec::new(),
        from: from.to_owned(),
        to: vec![CALLEE.to_owned()],
        request_uri: None,
        identities: Vec::new(),
    }
}
