//! A holder of numbers with a real certificate, and the directories that trust its root.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::{Coverage, KeyRecord, Placement};
use pennyblack_sealing::mailbox::{Kem, RecipientKey};
use pennyblack_stir::jws::{CertificateReference, StirSigningKey, X5c};
use pennyblack_trust::{Trust, TrustConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
};

use super::super::{KeyDirectory, RecordDigest, RecordPolicy};

/// 2026-09-21, when all of it is valid.
pub(crate) const NOW: UnixTime = UnixTime(1_790_000_000);
pub(super) const NUMBER: &str = "12125550100";
const CAPACITY: usize = 100_000;
/// The serial number of each holder's certificate.
const SERIAL: u64 = 1_001;
/// id-pe-TNAuthList (RFC 8226 section 9).
const TN_AUTH_LIST: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 26];

pub(crate) struct Holder {
    root: String,
    authority: Issuer<'static, KeyPair>,
    key: StirSigningKey,
    certificate: CertificateReference,
}

impl Holder {
    /// Of [`NUMBER`].
    pub(crate) fn new() -> Self {
        // TNAuthorizationList of one number: [2] IA5String.
        let number = [&[0x16, 11], NUMBER.as_bytes()].concat();
        Self::of("one", &[&[0x30, 15, 0xa2, 13], number.as_slice()].concat())
    }

    /// Of the ten numbers from [`NUMBER`].
    pub(super) fn of_block() -> Self {
        // [1] SEQUENCE of an IA5String and an INTEGER.
        let number = [&[0x16, 11], NUMBER.as_bytes(), &[2, 1, 10]].concat();
        let list = [&[0x30, 20, 0xa1, 18, 0x30, 16], number.as_slice()].concat();
        Self::of("block", &list)
    }

    /// Of the SPC 683G.
    pub(super) fn of_spc() -> Self {
        Self::of(
            "spc",
            &[&[0x30, 8, 0xa0, 6, 0x16, 4], b"683G".as_slice()].concat(),
        )
    }

    /// Of so many numbers, from [`NUMBER`] on, that are far from each other.
    pub(super) fn of_scattered(count: u64) -> Self {
        Self::of_all(count, |number| [&[0xa2, 13, 0x16, 11], number].concat())
    }

    /// Of so many ranges of ten numbers that are cut into ten blocks each.
    pub(super) fn of_ranges(count: u64) -> Self {
        Self::of_all(count, |number| {
            // The last digit becomes 5.
            let number = [&number[..10], b"5"].concat();
            [
                &[0xa1, 18, 0x30, 16, 0x16, 11],
                number.as_slice(),
                &[2, 1, 10],
            ]
            .concat()
        })
    }

    fn of_all(count: u64, entry: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let first: u64 = NUMBER.parse().unwrap();
        let numbers = (0..count).map(|n| (first + n * 70_001_000).to_string());
        let entries: Vec<u8> = numbers.flat_map(|n| entry(n.as_bytes())).collect();
        let [high, low] = u16::try_from(entries.len()).unwrap().to_be_bytes();
        Self::of(
            "many",
            &[[0x30, 0x82, high, low].as_slice(), &entries].concat(),
        )
    }

    fn of(name: &str, tn_auth_list: &[u8]) -> Self {
        let root_key = KeyPair::generate().unwrap();
        let mut root = params(&format!("Test STI root {name}"));
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let key = StirSigningKey::generate(&mut rand::rng());
        let pair = KeyPair::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        let mut leaf = params("SHAKEN holder");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        let list = CustomExtension::from_oid_content(&TN_AUTH_LIST, tn_auth_list.to_vec());
        leaf.custom_extensions = vec![list];
        leaf.serial_number = Some(SERIAL.into());
        let authority = Issuer::new(root, root_key);
        let leaf = leaf.signed_by(&pair, &authority).unwrap();
        let x5c = X5c::new(vec![leaf.der().to_vec()]).unwrap();
        Self {
            root: root_pem,
            authority,
            key,
            certificate: CertificateReference::X5c(x5c),
        }
    }

    /// The list of its root, in PEM, with that number: whether it revokes the certificate.
    pub(crate) fn list(&self, number: u64, is_revoked: bool) -> String {
        let revoked = RevokedCertParams {
            serial_number: SERIAL.into(),
            revocation_time: rcgen::date_time_ymd(2026, 9, 20),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 9, 20),
            next_update: rcgen::date_time_ymd(2026, 10, 20),
            crl_number: number.into(),
            issuing_distribution_point: None,
            revoked_certs: is_revoked.then_some(revoked).into_iter().collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.authority).unwrap().pem().unwrap()
    }

    /// Its root, in PEM.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// A directory that trusts the root, in which nothing was read yet.
    pub(crate) fn directory(&self, home: &Path) -> Arc<KeyDirectory> {
        Arc::new(KeyDirectory::unread(policy(&[self], home)))
    }

    /// What it publishes of a new key, for a day; in the first shard like all others.
    pub(crate) fn record(&self) -> KeyRecord {
        loop {
            let key = RecipientKey::generate(Kem::DhkemX25519, &mut rand::rng()).unwrap();
            let id = RecordDigest::of(&(key.mailbox(), NUMBER.to_owned()));
            // The remainder is the shard.
            if id.0[0].is_multiple_of(64) {
                return KeyRecord {
                    iat: NOW,
                    exp: NOW.plus(Duration::from_secs(86_400)),
                    iss: NUMBER.to_owned(),
                    coverage: Coverage::Number(NUMBER.parse().unwrap()),
                    key: key.config().clone(),
                    placement: Placement::at("https://cps.example".parse().unwrap()),
                };
            }
        }
    }

    pub(crate) fn sign(&self, record: &KeyRecord) -> String {
        record.sign(&self.certificate, &self.key)
    }
}

/// What a directory judges by that trusts the roots of these holders.
pub(crate) fn policy(holders: &[&Holder], home: &Path) -> RecordPolicy {
    let roots = home.join("roots");
    std::fs::create_dir_all(&roots).unwrap();
    for (number, holder) in holders.iter().enumerate() {
        std::fs::write(roots.join(format!("{number}.pem")), &holder.root).unwrap();
    }
    let config = TrustConfig::new(roots);
    RecordPolicy {
        authority: "cps.example".parse().unwrap(),
        trust: Arc::new(Trust::open(&config, &home.join("trust"), NOW).unwrap()),
        numbering: None,
        asked: None,
        capacity: CAPACITY,
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}
