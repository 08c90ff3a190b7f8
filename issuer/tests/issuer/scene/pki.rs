//! A certification authority for tests, carriers with its certificates, and its
//! revocation lists: real X.509, judged by the real code.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use pennyblack_stir::jws::{CertificateReference, StirSigningKey, X5c};
use pennyblack_stir::test_pki::tlv;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber,
};

/// id-pe-TNAuthList (RFC 8226 section 9).
const TN_AUTH_LIST: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 1, 26];

pub(crate) struct Pki {
    root: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// Holder of a STIR certificate.
pub(crate) struct Carrier {
    pub(crate) key: StirSigningKey,
    pub(crate) certificate: CertificateReference,
    serial: SerialNumber,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = params("Test STI root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&key).unwrap();
        Self {
            root,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes the root certificate into a directory of roots.
    pub(crate) fn install_root(&self, directory: &Path) {
        self.install_root_as(directory, "root");
    }

    /// The same under another file name.
    pub(crate) fn install_root_as(&self, directory: &Path, name: &str) {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join(format!("{name}.pem")), self.root.pem()).unwrap();
    }

    /// A carrier with authority for a service provider code.
    pub(crate) fn carrier(&self, spc: &str) -> Carrier {
        self.certified(&tlv(0x30, &tlv(0xa0, &tlv(0x16, spc.as_bytes()))))
    }

    /// A carrier with authority for `count` numbers from `start`.
    pub(crate) fn number_holder(&self, start: &str, count: u8) -> Carrier {
        let range = [tlv(0x16, start.as_bytes()), tlv(0x02, &[count])].concat();
        self.certified(&tlv(0x30, &tlv(0xa1, &tlv(0x30, &range))))
    }

    /// A carrier with authority for each of these numbers by itself.
    pub(crate) fn holder_of_single(&self, numbers: impl Iterator<Item = u64>) -> Carrier {
        let one = |number: u64| tlv(0xa2, &tlv(0x16, number.to_string().as_bytes()));
        self.certified(&tlv(0x30, &numbers.flat_map(one).collect::<Vec<_>>()))
    }

    fn certified(&self, tn_auth_list: &[u8]) -> Carrier {
        let key = StirSigningKey::generate(&mut rand::rng());
        let pair = KeyPair::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
        let serial = SerialNumber::from(rand::random::<u64>() >> 1);
        let mut params = params("SHAKEN test");
        params.serial_number = Some(serial.clone());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let extension = CustomExtension::from_oid_content(&TN_AUTH_LIST, tn_auth_list.to_vec());
        params.custom_extensions = vec![extension];
        let leaf = params.signed_by(&pair, &self.issuer).unwrap();
        let x5c = X5c::new(vec![leaf.der().to_vec()]).unwrap();
        Carrier {
            key,
            certificate: CertificateReference::X5c(x5c),
            serial,
        }
    }

    /// Puts a list that revokes `revoked` and holds for a day from `now` into a
    /// directory of lists, in place of the one before.
    pub(crate) fn publish_list(&self, directory: &Path, now: UnixTime, revoked: &[&Carrier]) {
        self.publish_list_as(directory, "list", now, revoked);
    }

    /// The same under another file name.
    pub(crate) fn publish_list_as(
        &self,
        directory: &Path,
        name: &str,
        now: UnixTime,
        revoked: &[&Carrier],
    ) {
        let time = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        let params = CertificateRevocationListParams {
            this_update: time(now.0),
            next_update: time(now.0 + 86_400),
            crl_number: SerialNumber::from(now.0),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|carrier| RevokedCertParams {
                    serial_number: carrier.serial.clone(),
                    revocation_time: time(now.0),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        fs::create_dir_all(directory).unwrap();
        let list = params.signed_by(&self.issuer).unwrap();
        fs::write(directory.join("unfinished"), list.der()).unwrap();
        fs::rename(
            directory.join("unfinished"),
            directory.join(format!("{name}.crl")),
        )
        .unwrap();
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    params
}
