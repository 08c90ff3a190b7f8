//! Keys for mailboxes that do not exist, so that a CPS answers for them with the
//! same work and the same length as for any X25519 mailbox (docs/protocol.md section 4).

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::hmac;
use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::mailbox::{Kem, KeyConfig, KeyError, MailboxId};
use pennyblack_base::encoding;

/// Bytes of the secret that decoy keys are derived from.
pub const DECOY_SECRET_SIZE: usize = 32;

const LABEL: &[u8] = b"pennyblack decoy key v1";
const CREDENTIAL_LABEL: &[u8] = b"pennyblack node credential v1";

/// Derives, for each mailbox id, a fixed X25519 public key to which nobody holds
/// the private key.
///
/// The key is `HMAC-SHA-256(secret, "pennyblack decoy key v1" || mailbox ||
/// attempt)` taken as a public key as it stands: every 32 bytes are one
/// (RFC 7748 section 5), so no scalar multiplication is spent that a mailbox
/// with a registered key would not need, and not even the CPS can open the
/// envelope. `attempt` is a byte counting up from zero until the bytes are the
/// canonical form of a key that is not of small order; as the top bit is
/// cleared first, the first attempt all but always is.
///
/// The decoy is X25519's, the KEM of most mailboxes. That an id belongs to a
/// mailbox of another KEM is public anyhow: key records are.
pub struct DecoyKeys {
    key: hmac::Key,
    secret: Zeroizing<[u8; DECOY_SECRET_SIZE]>,
}

impl DecoyKeys {
    /// Starts from the CPS's secret. Every process of one CPS must have the same,
    /// and it must not change while pollers watch.
    #[must_use]
    pub fn new(secret: &[u8; DECOY_SECRET_SIZE]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            secret: Zeroizing::new(*secret),
        }
    }

    /// Starts from a fresh secret.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; DECOY_SECRET_SIZE]);
        rng.fill_bytes(secret.as_mut_slice());
        Self::new(&secret)
    }

    /// The secret, to be kept in a file of mode 0600.
    #[must_use]
    pub fn secret(&self) -> &[u8; DECOY_SECRET_SIZE] {
        &self.secret
    }

    /// By what the nodes of one CPS know each other, which all have this secret:
    /// `HMAC-SHA-256(secret, "pennyblack node credential v1")` in unpadded base64url.
    #[must_use]
    pub fn node_credential(&self) -> Zeroizing<String> {
        let tag = hmac::sign(&self.key, CREDENTIAL_LABEL);
        Zeroizing::new(encoding::base64url(tag.as_ref()))
    }

    /// The key to seal an envelope to: the registered one, or this mailbox's decoy.
    ///
    /// The decoy is derived in both cases, so that both do the same work.
    ///
    /// # Errors
    /// When 256 attempts all gave unusable bytes: never, short of a broken HMAC.
    pub fn or_decoy<'a>(
        &self,
        mailbox: MailboxId,
        registered: Option<&'a KeyConfig>,
    ) -> Result<Cow<'a, KeyConfig>, KeyError> {
        let decoy = self.derive(mailbox)?;
        Ok(registered.map_or(Cow::Owned(decoy), Cow::Borrowed))
    }

    fn derive(&self, mailbox: MailboxId) -> Result<KeyConfig, KeyError> {
        (0..=u8::MAX)
            .find_map(|attempt| {
                let public = self.candidate(mailbox, attempt)?;
                KeyConfig::new(Kem::DhkemX25519, &public).ok()
            })
            .ok_or(KeyError::InvalidPublicKey(Kem::DhkemX25519))
    }

    fn candidate(&self, mailbox: MailboxId, attempt: u8) -> Option<[u8; 32]> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [LABEL, &mailbox.0, &[attempt]] {
            context.update(part);
        }
        let mut public: [u8; 32] = context.sign().as_ref().try_into().ok()?;
        let [.., highest] = &mut public;
        *highest &= 0x7f;
        Some(public)
    }
}

impl fmt::Debug for DecoyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecoyKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_keeps_its_decoy_and_shares_it_with_no_other() {
        let keys = DecoyKeys::new(&[1; 32]);
        let decoy = keys.derive(MailboxId([2; 32])).unwrap();
        assert_eq!(keys.derive(MailboxId([2; 32])), Ok(decoy.clone()));
        assert_ne!(keys.derive(MailboxId([3; 32])), Ok(decoy.clone()));
        let other_cps = DecoyKeys::new(&[4; 32]);
        assert_ne!(other_cps.derive(MailboxId([2; 32])), Ok(decoy));
    }

    #[test]
    fn a_registered_key_goes_before_the_decoy() {
        let keys = DecoyKeys::new(&[1; 32]);
        let registered = keys.derive(MailboxId([9; 32])).unwrap();
        let mailbox = MailboxId([2; 32]);
        let chosen = keys.or_decoy(mailbox, Some(&registered)).unwrap();
        assert_eq!(chosen.as_ref(), &registered);
        assert_eq!(
            keys.or_decoy(mailbox, None).unwrap().into_owned(),
            keys.derive(mailbox).unwrap()
        );
    }

    #[test]
    fn the_derivation_is_the_documented_one() {
        // HMAC-SHA-256 computed with another implementation.
        let keys = DecoyKeys::new(&[1; 32]);
        let decoy = keys.derive(MailboxId([2; 32])).unwrap();
        assert_eq!(
            hex::encode(decoy.public_key()),
            "55452f3ebcdebbf589478cc60eb0a17b1123241554f1e65a7acdfa7540ba3125"
        );
    }

    #[test]
    fn debug_output_does_not_hold_the_secret() {
        assert_eq!(
            format!("{:?}", DecoyKeys::new(&[1; 32])),
            "DecoyKeys { .. }"
        );
    }
}
