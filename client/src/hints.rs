//! Hints where the keys of numbers are, from certificates and advertisements, held against a
//! roster. **A hint chooses among CPSs that the roster has, and leads nowhere else**: what is
//! connected to is the roster's own address, never the hint's. Not here: what a hint is
//! (`pennyblack_stir`), and asking a CPS.

use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::{
    Advertisement, AdvertisementError, Certificate, CertificateError, CpsUriError, DirectoryHint,
    HintedCps, ObjectIdentifier, TrustError, certificates_of_file,
};

use crate::rosters::{RosterCps, RosterCpss};

/// A file that hints at nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HintsError {
    /// It begins as JSON does, and is no advertisement.
    #[error(transparent)]
    Advertisement(#[from] AdvertisementError),
    /// It is no file of certificates.
    #[error("neither a CPS advertisement (JSON) nor a certificate: {0}")]
    File(#[from] TrustError),
    /// The first certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Its extension is malformed.
    #[error(transparent)]
    Extension(#[from] CpsUriError),
    /// It has no such extension, or no TNAuthList.
    #[error(
        "the certificate names no CPS: it has no TNAuthList with the extension {0}; name another \
         extension with --cps-uri-oid"
    )]
    NoHint(ObjectIdentifier),
}

/// What a file hints at: a CPS advertisement, or a certificate in PEM or DER, with others
/// behind it or not. `oid` is the certificate's extension.
///
/// # Errors
/// [`HintsError`].
pub fn read_hints(file: &[u8], oid: &ObjectIdentifier) -> Result<Vec<DirectoryHint>, HintsError> {
    if file.trim_ascii_start().starts_with(b"{") {
        return Ok(Advertisement::parse(file)?.hints().collect());
    }
    let certificates = certificates_of_file(file)?;
    let leaf = certificates.first().map_or(&[][..], Vec::as_slice);
    let hint = DirectoryHint::of_certificate(&Certificate::parse(leaf)?, oid)?;
    match hint {
        Some(hint) => Ok(vec![hint]),
        None => Err(HintsError::NoHint(oid.clone())),
    }
}

/// The CPS of the roster that is hinted at. `None`: no member is.
#[must_use]
pub fn hinted_member<'r>(hint: &HintedCps, roster: &'r RosterCpss) -> Option<&'r RosterCps> {
    let mut cpss = roster.all().iter();
    cpss.find(|cps| hint.names(cps.address.authority()))
}

/// The CPSs of the roster at which the keys of `number` are by these hints, each once, the one
/// of the narrowest hint first. `numbering` says which numbers an SPC holds.
#[must_use]
pub fn directories_of<'r>(
    number: &TelephoneNumber,
    hints: &[DirectoryHint],
    numbering: Option<&NumberingTable>,
    roster: &'r RosterCpss,
) -> Vec<&'r RosterCps> {
    let hints = hints.iter();
    let mut of_number: Vec<_> = hints
        .filter_map(|hint| Some((hint.breadth_for(number, numbering)?, hint)))
        .collect();
    of_number.sort_by_key(|(breadth, _)| *breadth);
    let cpss = of_number.into_iter().flat_map(|(_, hint)| &hint.cpss);
    let mut members: Vec<&RosterCps> = Vec::new();
    for member in cpss.filter_map(|cps| hinted_member(cps, roster)) {
        if !members.contains(&member) {
            members.push(member);
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use pennyblack_pki::{CaNames, CpsUris, DevelopmentCa, LeafRequest, TnAuthEntry};
    use pennyblack_roster::Role;
    use pennyblack_stir::EXPERIMENTAL_CPS_URI_OID;

    use super::*;
    use crate::rosters::RosterUse;
    use crate::rosters::testing::{BEGIN, directory_with, member_of};

    fn roster() -> RosterCpss {
        let home = directory_with(vec![
            member_of(Role::Cps, "https://cps-a.example", "operator-a"),
            member_of(Role::Cps, "https://cps-b.example", "operator-b"),
            member_of(Role::Relay, "https://relay.example", "operator-r"),
        ]);
        RosterCpss::read(home.path(), RosterUse::Storing, BEGIN).unwrap()
    }

    fn found(json: &str, number: &str, table: Option<&NumberingTable>) -> Vec<String> {
        let oid = EXPERIMENTAL_CPS_URI_OID.parse().unwrap();
        let hints = read_hints(json.as_bytes(), &oid).unwrap();
        let number = number.parse().unwrap();
        let roster = roster();
        let members = directories_of(&number, &hints, table, &roster);
        members.iter().map(|one| one.address.to_string()).collect()
    }

    #[test]
    fn a_hint_leads_to_a_cps_of_the_roster_and_to_nothing_else() {
        let json = r#" {"1-12155550100-100":"https://cps-b.example/oob/v1",
            "1-12155550200-100":"https://stranger.example",
            "1-12155550300-100":"https://relay.example"}"#;
        assert_eq!(found(json, "12155550150", None), ["https://cps-b.example"]);
        for (number, why) in [
            ("12155550250", "a stranger"),
            ("12155550350", "a member that is no CPS"),
            ("12155550450", "no hint"),
        ] {
            assert!(found(json, number, None).is_empty(), "{why}");
        }
    }

    #[test]
    fn the_narrowest_hint_comes_first() {
        let json = r#"{"0-683G":"https://cps-b.example","2-12155550100":"https://cps-a.example",
            "1-12155550000-1000":"https://cps-b.example"}"#;
        let (a, b) = ("https://cps-a.example", "https://cps-b.example");
        assert_eq!(found(json, "12155550100", None), [a, b]);
        let table = NumberingTable::parse(b"spc,first,count\n683G,12155560000,10\n").unwrap();
        assert_eq!(found(json, "12155560001", Some(&table)), [b]);
        assert!(found(json, "12155560001", None).is_empty());
    }

    #[test]
    fn a_certificate_of_the_development_ca_hints_at_its_cps() {
        let ca = DevelopmentCa::generate(&CaNames::default(), BEGIN).unwrap();
        let oid: ObjectIdentifier = "1.3.6.1.4.1.32473.7".parse().unwrap();
        let uris = ["https://cps-a.example/oob", "https://stranger.example"];
        let request = LeafRequest {
            cps_uris: Some(CpsUris {
                oid: oid.clone(),
                uris: uris.map(|uri| uri.parse().unwrap()).to_vec(),
            }),
            ..LeafRequest::new(vec![TnAuthEntry::range("12155550100+100").unwrap()])
        };
        let credential = ca.issue(&request, BEGIN).unwrap();
        let hints = read_hints(credential.path_pem().as_bytes(), &oid).unwrap();
        let texts: Vec<_> = hints[0].cpss.iter().map(ToString::to_string).collect();
        assert_eq!(texts, uris);
        let (roster, number) = (roster(), "12155550199".parse().unwrap());
        let members = directories_of(&number, &hints, None, &roster);
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].address.to_string(), "https://cps-a.example");

        let other = EXPERIMENTAL_CPS_URI_OID.parse().unwrap();
        let leaf = &credential.path()[0];
        let refused = read_hints(leaf, &other).unwrap_err();
        assert!(matches!(refused, HintsError::NoHint(_)), "{refused}");
        assert!(read_hints(leaf, &oid).is_ok());
    }

    #[test]
    fn what_is_neither_is_refused() {
        let oid = EXPERIMENTAL_CPS_URI_OID.parse().unwrap();
        for wrong in [&b""[..], b"{", b"hello", b"-----BEGIN CERTIFICATE-----"] {
            assert!(read_hints(wrong, &oid).is_err(), "{wrong:?}");
        }
    }
}
