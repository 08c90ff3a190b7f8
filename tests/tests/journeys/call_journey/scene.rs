//! An issuer, a CPS, a carrier with tokens and an office with a mailbox.

use std::net::SocketAddr;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_client::assignments::CallName;
use pennyblack_client::auth_service::{
    KeyLookup, OobAuthenticationError, SecondAttempt, ShakenCall,
};
use pennyblack_client::follower::{Follower, FollowerVerdict};
use pennyblack_client::verification_service::PublishError;
use pennyblack_client::wallet::Wallet;
use pennyblack_http::{HttpOptions, RetryPolicy};
use pennyblack_passport::{Attestation, Call, UnverifiedPassport};
use pennyblack_privacypass::directory::DirectoryKey;
use pennyblack_protocol::key_record::Coverage;
use pennyblack_runtime::clock::{Clock, ClockHand};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_service::start::RunningService;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_tests::federation::{Federation, cps_name, issuer_name};

use super::{CALLEE, CALLER, NOW, QUICK};

/// Everything runs, the carrier has tokens, and the office has a mailbox.
pub(super) struct Scene {
    pub(super) federation: Federation,
    pub(super) issuer: RunningService,
    pub(super) cps: RunningService,
    pub(super) wallet: Wallet,
    pub(super) office: RecipientKey,
}

impl Scene {
    pub(super) async fn set(tokens: usize) -> Self {
        Self::set_by(Clock::by_hand(NOW).0, tokens).await
    }

    pub(super) async fn set_by(clock: Clock, tokens: usize) -> Self {
        let federation = Federation::found(clock).unwrap();
        let issuer = federation.start_issuer(1000).await.unwrap();
        let cps = federation
            .start_cps(issuer.addresses().public)
            .await
            .unwrap();
        let wallet = Wallet::open(&federation.home().join("wallet.db")).unwrap();
        let carrier = federation
            .carrier(issuer.addresses().public, tokens, QUICK)
            .unwrap();
        let client = HttpOptions::default().client().unwrap();
        carrier
            .draw(&client, &wallet, &cps_name().unwrap(), NOW)
            .await
            .unwrap();
        let scene = Self {
            office: RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap(),
            federation,
            issuer,
            cps,
            wallet,
        };
        scene
            .register("office", &scene.office, office_numbers())
            .await
            .unwrap();
        scene
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.cps.addresses().public
    }

    pub(super) async fn register(
        &self,
        name: &str,
        key: &RecipientKey,
        coverage: Coverage,
    ) -> Result<UnixTime, PublishError> {
        let publisher = self
            .federation
            .publisher(name, key, coverage, self.address())
            .unwrap();
        let client = HttpOptions::default().client().unwrap();
        publisher.register(&client, NOW).await
    }

    pub(super) fn passport(&self) -> UnverifiedPassport {
        self.passport_at(NOW)
    }

    pub(super) fn passport_at(&self, now: UnixTime) -> UnverifiedPassport {
        let call = ShakenCall {
            orig: number(CALLER),
            dest: number(CALLEE),
            attest: Attestation::Full,
            x5u: Some("https://certs.test/carrier.pem".parse().unwrap()),
        };
        let identity = self.federation.identity("carrier").unwrap();
        UnverifiedPassport::parse(&call.sign(&identity, now).unwrap()).unwrap()
    }

    /// Stores the PASSporT once for each key of the callee, through `address`.
    pub(super) async fn place_call(
        &self,
        address: SocketAddr,
        retry: RetryPolicy,
    ) -> Result<usize, OobAuthenticationError> {
        let caller = self.federation.caller(address, retry).unwrap();
        let found = caller
            .keys_of(&number(CALLEE), KeyLookup::Number, NOW)
            .await?;
        assert_eq!(found.refused.count, 0);
        let second = SecondAttempt::default();
        for key in &found.keys {
            caller
                .store(&self.wallet, &self.passport(), key, &second, NOW)
                .await?;
        }
        Ok(found.keys.len())
    }

    /// What is known of a call from `orig` after one look at the mailbox of `key`.
    pub(super) async fn verify(&self, key: &RecipientKey, orig: &str) -> FollowerVerdict {
        let follower = self.look(key).await;
        let (call, name) = (call_from(orig), CallName::random());
        follower.verdict(&call, name).await.unwrap()
    }

    pub(super) async fn entries(&self, key: &RecipientKey) -> u64 {
        let totals = self.look(key).await.totals();
        assert_eq!(totals.unreadable, 0);
        totals.passports + totals.no_passports
    }

    async fn look(&self, key: &RecipientKey) -> Follower {
        let follower = self.federation.follow(key, self.address(), Some(1));
        let follower = follower.unwrap();
        follower.finished().await;
        follower
    }

    /// Lets the issuer's key be followed by another, and draws under that.
    pub(super) async fn draw_two_under_another_key(&self, hand: &ClockHand) {
        let client = HttpOptions::default().client().unwrap();
        let issuer = self.issuer.addresses().public;
        let carrier = self.federation.carrier(issuer, 2, QUICK).unwrap();
        let held = self.wallet.holdings(Duration::ZERO, NOW).unwrap();
        hand.advance(Duration::from_secs(86_400));
        let follows = async {
            loop {
                let listed = carrier.directory(&client).await.unwrap().token_keys;
                let known = |key: &DirectoryKey| held[0].token_key_id == key.id().to_string();
                if let Some(next) = listed.iter().find(|key| !known(key)) {
                    return next.not_before.unwrap();
                }
            }
        };
        let begins = tokio::time::timeout(Duration::from_secs(60), follows)
            .await
            .expect("no key follows");
        hand.advance(begins.since(self.federation.clock().now()));
        let now = self.federation.clock().now();
        let cps = cps_name().unwrap();
        carrier
            .draw(&client, &self.wallet, &cps, now)
            .await
            .unwrap();
        assert_eq!(self.wallet.holdings(Duration::ZERO, now).unwrap().len(), 2);
    }

    pub(super) fn tokens(&self) -> u64 {
        self.wallet
            .count(&issuer_name().unwrap(), cps_name().unwrap())
            .unwrap()
    }

    pub(super) async fn end(self) {
        self.cps.stop().await;
        self.issuer.stop().await;
    }
}

/// A call to the office.
pub(super) fn call_from(orig: &str) -> Call {
    Call {
        orig: number(orig).into(),
        dest: number(CALLEE).into(),
    }
}

pub(super) fn number(text: &str) -> TelephoneNumber {
    text.parse().unwrap()
}

pub(super) fn office_numbers() -> Coverage {
    Coverage::Range(NumberRange::new(number("12125550100"), 100).unwrap())
}
