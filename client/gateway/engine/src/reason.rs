//! Why a call was not signed, not stored or not verified, in words that stay the same: they
//! are labels of metrics and members of answers.

use std::fmt;

/// Declares the reasons with their names, so that none is without.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why something was not done for a call. The call goes on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])* $reason,)* }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason,)*];

            /// Its name, in answers and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$reason => $name,)* }
            }
        }
    };
}

reasons! {
    /// An emergency number, a short code, or one of the trunk's `never`.
    PassedOver = "passed-over",
    /// The calling number is withheld.
    Anonymous = "anonymous",
    /// Verifying: calling or called number cannot be made canonical.
    NoNumber = "no-number",
    /// The gateway does not have this role.
    OtherRole = "other-role",

    /// The trunk has no certificate, and the call came without an Identity.
    NoCertificate = "no-certificate",
    /// The trunk's certificate has ended, has not begun, or is revoked by the lists here.
    CertificateNotCurrent = "certificate-not-current",
    /// An Identity that came with the call is in compact form, which cannot be stored.
    CompactForm = "compact-form",
    /// An Identity that came with the call is too old, or of the future.
    StaleIdentity = "stale-identity",
    /// An Identity that came with the call is no PASSporT.
    BadIdentity = "bad-identity",
    /// A diverted call came without the PASSporT of the call before it was diverted: without it
    /// a `div` is good for nothing, and is not stored.
    NoOriginal = "no-original",
    /// The call came with more Identity header fields than are stored.
    TooManyIdentities = "too-many-identities",

    /// Nobody has published a key for the called number, or its block is not followed.
    NoKeyRecords = "no-key-records",
    /// Key records have not been read yet.
    KeyRecordsUnread = "key-records-unread",
    /// The wallet has no token for this CPS that is old enough.
    NoToken = "no-token",
    /// The wallet cannot be used: locked, damaged, or its disk is full.
    Wallet = "wallet",
    /// The PASSporT does not fit a slot.
    TooLarge = "too-large",
    /// The clocks of this machine and of the CPS are too far apart.
    Clock = "clock",
    /// The key record names a CPS without https.
    PlainCps = "plain-cps",
    /// The called number's key records lead to CPSs that are not in the roster alone: nothing was
    /// sent.
    CpsNotInRoster = "cps-not-in-roster",
    /// The CPS refused for good.
    Refused = "refused",
    /// The CPS has too much to do.
    CpsBusy = "cps-busy",
    /// The CPS has not answered for a while: no token was spent.
    CpsAway = "cps-away",
    /// No relay is named for the CPS, or no key of it is known that its log announces: no token
    /// was spent.
    NoObliviousKey = "no-oblivious-key",
    /// None of the CPS's relays was reached, or they refused.
    NoRelay = "no-relay",
    /// No answer of the CPS, as long as trying was of use.
    NoAnswer = "no-answer",
    /// The deadline came first. A store goes on.
    Deadline = "deadline",
    /// As many stores as may be are under way.
    Busy = "busy",
    /// Not done for another reason, which a log line has.
    Internal = "internal",

    /// No PASSporT was found for the call.
    NoPassport = "no-passport",
    /// PASSporTs were found that name the call, and none is good. Anyone can store such.
    NotVerifiable = "not-verifiable",
    /// PASSporTs wait for a certificate that is not at hand.
    CertificateAwaited = "certificate-awaited",
    /// No certificate can be judged: a revocation list is missing or too old.
    NoRevocationList = "no-revocation-list",
    /// A mailbox was not read to its end lately.
    MailboxUnread = "mailbox-unread",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_different_and_made_of_words() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        let is_words = |name: &&str| {
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        assert!(names.iter().all(is_words), "{names:?}");
    }
}
