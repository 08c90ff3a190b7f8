//! Identities that calls come with.

use pennyblack_base::time::UnixTime;
use pennyblack_passport::{
    Attestation, Claims, Destinations, Extension, IdentityHeader, OrigId, Party, UnverifiedPassport,
};
use pennyblack_stir::jws::CertificateReference;

use super::super::scene::Scene;
use super::super::{CALLEE, CALLER, NOW};

/// A PASSporT for a call from the caller; the carrier's for the office, if nothing else is
/// said.
pub(super) struct Signed {
    /// A credential of the PKI.
    pub(super) by: &'static str,
    /// Where the certificate is.
    pub(super) x5u: &'static str,
    pub(super) dest: &'static str,
    pub(super) iat: UnixTime,
    pub(super) extension: Extension,
}

impl Default for Signed {
    fn default() -> Self {
        let extension = Extension::Shaken {
            attest: Attestation::Full,
            origid: OrigId::random(),
        };
        Self {
            by: "carrier",
            x5u: "https://certs.test/carrier.pem",
            dest: CALLEE,
            iat: NOW,
            extension,
        }
    }
}

impl Signed {
    /// The value of its Identity header.
    pub(super) fn identity(self, scene: &Scene) -> String {
        let claims = Claims {
            orig: party(CALLER),
            dest: Destinations::new([party(self.dest)]).unwrap(),
            iat: self.iat,
            mky: Vec::new(),
            extension: self.extension,
            others: serde_json::Map::new(),
        };
        let signer = scene.federation.identity(self.by).unwrap();
        let certificate = CertificateReference::X5u(self.x5u.parse().unwrap());
        let token = claims.sign(&certificate, signer.key());
        let passport = UnverifiedPassport::parse_to_carry(&token).unwrap();
        IdentityHeader::new(passport).unwrap().to_string()
    }
}

pub(super) fn party(text: &str) -> Party {
    Party::Number(text.parse().unwrap())
}
