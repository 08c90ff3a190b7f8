//! Who may ask the gateway, and on which trunk: by the address that a request comes from,
//! and by its API key. **A switch that may ask spends tokens**, so an open gateway is refused
//! before it starts (`config`). Not here: what a trunk is.

pub mod api_keys;

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ipnet::IpNet;

use crate::stir_rest::Refusal;
use api_keys::{ApiKeys, KeyName};

/// The header field that carries an API key, beside `Authorization: Bearer`.
const API_KEY_HEADER: &str = "X-API-Key";

/// Most bytes of an API key.
pub(crate) const MAX_API_KEY: usize = 256;

/// Who may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The networks that requests may come from; all if there is none.
    pub allow: Vec<IpNet>,
    /// The API keys, one of which a request must have if there are any.
    pub keys: Option<Arc<ApiKeys>>,
}

impl Access {
    /// The name of a request's API key, by its header fields or by the key that stands in a
    /// form; nothing if no key is needed.
    ///
    /// # Errors
    /// [`Refusal::ApiKey`].
    pub fn admit_key(
        &self,
        headers: &HeaderMap,
        in_form: Option<&str>,
    ) -> Result<Option<KeyName>, Refusal> {
        let Some(keys) = &self.keys else {
            return Ok(None);
        };
        let given = given_key(headers).or(in_form);
        let name = given.and_then(|given| keys.find(given));
        Ok(Some(name.ok_or(Refusal::ApiKey)?))
    }

    /// Whether requests may come from `address`.
    ///
    /// # Errors
    /// [`Refusal::Address`].
    pub fn admit_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let is_in = |network: &IpNet| network.contains(&address);
        match self.allow.is_empty() || self.allow.iter().any(is_in) {
            true => Ok(()),
            false => Err(Refusal::Address),
        }
    }
}

/// The key in the header section. Two of them are none: a proxy could act on the other.
fn given_key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(API_KEY_HEADER).iter();
    let bearer = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| key.trim())
    });
    let named = values.by_ref().filter_map(|value| value.to_str().ok());
    let mut all = named.chain(bearer);
    match (all.next(), all.next()) {
        (Some(key), None) if key.len() <= MAX_API_KEY => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(http::HeaderName, http::HeaderValue)>>()
            .into_iter()
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            })
    }

    fn with_keys() -> Access {
        Access {
            allow: Vec::new(),
            keys: Some(Arc::new(ApiKeys::of(&[("sbc-1", "secret-of-sbc-1")]))),
        }
    }

    #[test]
    fn an_address_is_in_one_of_the_networks_or_not() {
        let access = Access {
            allow: vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ],
            keys: None,
        };
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("2001:db8::7", true),
            ("2001:db9::7", false),
            ("127.0.0.1", false),
        ] {
            let admitted = access.admit_address(address.parse().unwrap());
            assert_eq!(admitted.is_ok(), is_in, "{address}");
        }
    }

    #[test]
    fn a_key_may_stand_in_three_places_but_once() {
        let access = with_keys();
        let admit = |fields: &[(&'static str, &'static str)], form| {
            access.admit_key(&headers(fields), form)
        };
        let key = "secret-of-sbc-1";
        let name = admit(&[("x-api-key", key)], None).unwrap();
        assert_eq!(name.unwrap().as_str(), "sbc-1");
        admit(&[("authorization", "bearer secret-of-sbc-1")], None).unwrap();
        admit(&[], Some(key)).unwrap();
        for (fields, form) in [
            (&[][..], None),
            (&[("x-api-key", "other")][..], None),
            (&[("x-api-key", "other")][..], Some(key)),
            (&[("x-api-key", key), ("x-api-key", key)][..], None),
            (&[("authorization", "Basic secret-of-sbc-1")][..], None),
            (&[("x-api-key", "")][..], None),
        ] {
            assert_eq!(
                admit(fields, form).unwrap_err(),
                Refusal::ApiKey,
                "{fields:?}"
            );
        }
    }
}
