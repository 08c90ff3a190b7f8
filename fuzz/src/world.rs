//! The world that inputs are judged in: one root, one carrier under it, one
//! issuer, one CPS, one mailbox and one oblivious key of each kind, one moment. Keys
//! are the same in every run, so that an input found in one run fails in the next.

mod issuer;
mod stir;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use hpke::aead::AesGcm128;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, OpModeS};
use pennyblack_base::authority::Authority;
use pennyblack_stir::jws::{StirSigningKey, X5c, X5u};
use pennyblack_hpke::PrivateKey;
use pennyblack_ohttp::key_config::GatewayKey;
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_passport::CertificateSource;
use pennyblack_stir::{TrustAnchors, TrustPolicy, VerifiedChain, verify_chain};
use pennyblack_evidence::spend::{SpendKey};
use pennyblack_protocol::store_request::{Freshness, SpendPolicy};
use pennyblack_base::time::UnixTime;
use pennyblack_privacypass::token::ChallengeDigest;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

pub use issuer::Issuer;
pub use stir::Root;

/// When everything in the world is valid: 2026-11-17.
pub const NOW: UnixTime = UnixTime(1_795_000_000);

/// What the carrier's certificate names: an SPC, and ten numbers.
pub const CARRIER_SPC: &str = "683G";

/// The first of the carrier's ten numbers.
pub const CARRIER_NUMBER: &str = "12155551210";

/// See the module.
pub struct World {
    /// The roots to trust: the world's own.
    pub trust: TrustPolicy,
    /// The root itself.
    pub root: Root,
    /// The carrier's certificate, and nothing else.
    pub carrier_chain: Vec<Vec<u8>>,
    /// The same chain, judged.
    pub chain: Arc<VerifiedChain>,
    /// The carrier's STIR key.
    pub carrier_key: StirSigningKey,
    carrier_signer: EcdsaKeyPair,
    /// Gives the carrier's SPC a block of numbers.
    pub numbering: NumberingTable,
    /// The issuer of RFC 9578 appendix A.2.
    pub issuer: Issuer,
    /// The one CPS.
    pub cps: Authority,
    /// What that CPS demands of a store request.
    pub policy: SpendPolicy,
    /// The OOB-AS's key, whose public half is the nonce of its token.
    pub spend_key: SpendKey,
    /// A mailbox for each KEM.
    pub recipients: Vec<RecipientKey>,
    /// A key for each KEM with which the CPS opens oblivious requests, X25519 first.
    pub gateway_keys: Vec<GatewayKey>,
}

/// The world, made when it is first asked for.
///
/// # Panics
/// When it cannot be made, which is a bug of the harness.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::make)
}

impl World {
    fn make() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let carrier_key = StirSigningKey::generate(&mut rng);
        let root = Root::make(&mut rng);
        let anchors = TrustAnchors::from_der(&[&root.certificate]).expect("a root");
        let trust = TrustPolicy::new(Arc::new(anchors));
        let carrier_chain = vec![root.certify(&carrier_key)];
        let table = format!("spc,first,count\n{CARRIER_SPC},12125550000,10000\n");
        let cps: Authority = "cps.example.net".parse().expect("an authority");
        Self {
            chain: verify_chain(&carrier_chain, &trust, NOW).expect("a chain"),
            trust,
            root,
            carrier_chain,
            carrier_signer: stir::signer(&ECDSA_P256_SHA256_FIXED_SIGNING, &carrier_key),
            carrier_key,
            numbering: NumberingTable::parse(table.as_bytes()).expect("a table"),
            issuer: Issuer::of_rfc_9578(),
            policy: SpendPolicy {
                cps: cps.clone(),
                challenges: vec![ChallengeDigest([0xc4; 32])],
                freshness: Freshness::default(),
            },
            cps,
            spend_key: SpendKey::generate(&mut rng),
            recipients: Kem::ALL
                .map(|kem| RecipientKey::generate(kem, &mut rng).expect("a key"))
                .into(),
            gateway_keys: Kem::ALL
                .map(|kem| GatewayKey::new(7, PrivateKey::derive(kem, &[9; 32])).expect("a key"))
                .into(),
        }
    }

    /// The carrier's ES256 signature, 64 bytes.
    ///
    /// # Panics
    /// Never: the key is good.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.carrier_signer.sign(&SystemRandom::new(), message);
        signature.expect("a signature").as_ref().to_vec()
    }

    /// The X25519 mailbox.
    ///
    /// # Panics
    /// Never: there is one.
    #[must_use]
    pub fn recipient(&self) -> &RecipientKey {
        let mut recipients = self.recipients.iter();
        let is_x25519 = |key: &&RecipientKey| key.config().kem() == Kem::DhkemX25519;
        recipients.find(is_x25519).expect("an X25519 mailbox")
    }

    /// Seals any plaintext to [`Self::recipient`], well-formed or not, as
    /// an attacker with another HPKE library would.
    ///
    /// # Panics
    /// Never: the key is good.
    #[must_use]
    pub fn seal(&self, label: &[u8], plaintext: &[u8]) -> Vec<u8> {
        type PublicKey = <X25519HkdfSha256 as hpke::Kem>::PublicKey;
        let recipient = self.recipient();
        let key = PublicKey::from_bytes(recipient.config().public_key()).expect("a key");
        let info = [label, &recipient.mailbox().0].concat();
        let (enc, ciphertext) =
            hpke::single_shot_seal_with_rng::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &key,
                &info,
                plaintext,
                self.cps.as_bytes(),
                &mut StdRng::seed_from_u64(2),
            )
            .expect("a sealed message");
        [hpke::Serializable::to_bytes(&enc).as_slice(), &ciphertext].concat()
    }
}

/// Finds the carrier's certificate behind every URL.
pub struct EveryUrl;

impl CertificateSource for EveryUrl {
    fn certificates(&self, _url: &X5u) -> Option<X5c> {
        X5c::new(world().carrier_chain.clone()).ok()
    }
}
