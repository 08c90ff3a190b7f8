//! Where revocation lists are to be found, as certificates and lists name it (RFC 5280
//! section 4.2.1.13). A list of one of several points speaks only of the certificates
//! that name the point too.

use std::collections::BTreeSet;

use x509_parser::prelude::{DistributionPointName, GeneralName};

/// How many names a distribution point has, the same ones counted each time.
pub(super) fn count_names(point: &DistributionPointName<'_>) -> usize {
    match point {
        DistributionPointName::FullName(names) => names.len(),
        DistributionPointName::NameRelativeToCRLIssuer(_) => 1,
    }
}

/// The URLs of a distribution point, if it has at least one.
pub(super) fn urls(point: &DistributionPointName<'_>) -> Option<BTreeSet<String>> {
    let DistributionPointName::FullName(names) = point else {
        return None;
    };
    let urls = names.iter().filter_map(|name| match name {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    });
    Some(urls.collect()).filter(|urls: &BTreeSet<_>| !urls.is_empty())
}
