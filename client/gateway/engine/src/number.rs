//! Which telephone number a text of a switch means: a number as REST clients write it, or a
//! `tel:`, `sip:` or `sips:` URI. **Nothing is guessed**: what has no country code, by itself
//! or by its trunk, is no number here, and nothing is matched by its last digits. Not here:
//! header fields and display names (the interfaces cut those away).

use pennyblack_stir::telephone_number::TelephoneNumber;
use percent_encoding::percent_decode_str;

/// Longest text that is looked at.
const MAX_TEXT: usize = 512;

/// Digits of a whole number, country code included (E.164).
const MAX_DIGITS: usize = 15;

/// Fewer digits than this are a short code: no country's numbers are as short as its
/// service numbers, once the country code is in front.
const MIN_NATIONAL_DIGITS: usize = 6;

/// User parts that say that the calling number is withheld.
const WITHHELD: [&str; 5] = [
    "anonymous",
    "restricted",
    "unavailable",
    "unknown",
    "withheld",
];

/// Numbers that no gateway may touch, wherever it is: whatever else is wrong, these calls go
/// on at once.
const EMERGENCY: [&str; 10] = [
    "911", "112", "933", "999", "000", "110", "118", "119", "116117", "988",
];

/// Why a text is no number to sign, store or look for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotANumber {
    /// Nothing is there.
    #[error("there is no number: send it as +<country code><number>")]
    Missing,
    /// The calling number is withheld.
    #[error("the number is withheld")]
    Anonymous,
    /// An emergency number, a short code, or one of the trunk's `never`: passed over at once.
    #[error("an emergency number or short code: it is passed over")]
    PassedOver,
    /// A URI that names no telephone number.
    #[error(
        "the address names no telephone number: send a tel: URI, or a sip: URI whose user part is a number"
    )]
    OtherAddress,
    /// Characters that no number has.
    #[error("{0:?} is not allowed in a telephone number")]
    Character(char),
    /// Neither the text nor the trunk says which country it is of.
    #[error(
        "the number has no country code, and is not guessed: send it as +<country code><number>, or set country_code, national_prefix and international_prefix of the trunk"
    )]
    NoCountryCode,
    /// More digits than a number has.
    #[error("a telephone number has at most {MAX_DIGITS} digits, not {0}")]
    TooLong(usize),
    /// Longer than any address.
    #[error("the address has more than {MAX_TEXT} characters")]
    TooMuchText,
}

/// How numbers are written on a trunk.
pub(crate) struct NumberingPlan<'t> {
    pub(crate) country_code: Option<&'t str>,
    pub(crate) national_prefix: Option<&'t str>,
    pub(crate) international_prefix: Option<&'t str>,
    pub(crate) never: &'t [String],
}

impl NumberingPlan<'_> {
    /// The number that `text` means, in canonical form.
    pub(crate) fn canonical(&self, text: &str) -> Result<TelephoneNumber, NotANumber> {
        let address = Address::read(text)?;
        if self.passes_over(&address.number) {
            return Err(NotANumber::PassedOver);
        }
        let whole = match &address.context {
            _ if address.is_global => address.number,
            Some(context) => format!("{context}{}", address.number),
            None => self.with_country_code(&address.number)?,
        };
        if self.passes_over(&whole) {
            return Err(NotANumber::PassedOver);
        }
        if whole.len() > MAX_DIGITS {
            return Err(NotANumber::TooLong(whole.len()));
        }
        // No country code begins with 0, and none is followed by nothing.
        if whole.starts_with('0') || whole.len() < MIN_NATIONAL_DIGITS {
            return Err(NotANumber::NoCountryCode);
        }
        TelephoneNumber::from_canonical(&whole).map_err(|_| NotANumber::TooLong(whole.len()))
    }

    /// By the trunk's prefixes. A number as long as a whole one with this country code, and
    /// beginning with it, is one: so switches of North America write 1 and ten digits.
    fn with_country_code(&self, number: &str) -> Result<String, NotANumber> {
        let international = self.international_prefix;
        if let Some(whole) = international.and_then(|prefix| strip(number, prefix)) {
            return Ok(whole.to_owned());
        }
        let country = self.country_code.ok_or(NotANumber::NoCountryCode)?;
        if country == "1" {
            return north_american(number);
        }
        match self.national_prefix {
            Some(prefix) => strip(number, prefix)
                .map(|rest| format!("{country}{rest}"))
                .ok_or(NotANumber::NoCountryCode),
            // Without a trunk prefix in the country, national numbers stand as they are.
            None => Ok(format!("{country}{number}")),
        }
    }

    fn passes_over(&self, number: &str) -> bool {
        let never = self.never.iter().map(String::as_str);
        let mut never = never.chain(EMERGENCY);
        never.any(|never| never == number) || is_short_code(number)
    }
}

/// Ten digits, or 1 and ten: nothing else has a meaning in North America.
fn north_american(number: &str) -> Result<String, NotANumber> {
    match number.len() {
        10 => Ok(format!("1{number}")),
        11 if number.starts_with('1') => Ok(number.to_owned()),
        _ => Err(NotANumber::NoCountryCode),
    }
}

/// What follows a prefix that is one.
fn strip<'t>(number: &'t str, prefix: &str) -> Option<&'t str> {
    let rest = number.strip_prefix(prefix)?;
    (!prefix.is_empty() && !rest.is_empty()).then_some(rest)
}

/// Three to five digits, or a service code of the exchange such as `*67`.
fn is_short_code(number: &str) -> bool {
    number.len() < MIN_NATIONAL_DIGITS || number.starts_with(['*', '#'])
}

/// What a text says before a trunk is asked.
struct Address {
    number: String,
    /// With a plus sign: the country code is in it.
    is_global: bool,
    /// The country code, and what else comes before the number (RFC 3966 section 5.1.5).
    context: Option<String>,
}

impl Address {
    fn read(text: &str) -> Result<Self, NotANumber> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(NotANumber::TooMuchText);
        }
        let user = user_part(text)?;
        let user = percent_decode_str(user).decode_utf8();
        let user = user.map_err(|_| NotANumber::OtherAddress)?;
        let mut parts = user.split(';');
        let number = parts.next().unwrap_or_default().trim();
        if number.is_empty() {
            return Err(NotANumber::Missing);
        }
        if is_one_of(number, &WITHHELD) {
            return Err(NotANumber::Anonymous);
        }
        let (is_global, number) = match number.strip_prefix('+') {
            Some(rest) => (true, digits(rest)?),
            None => (false, digits(number)?),
        };
        Ok(Self {
            number,
            is_global,
            context: parts.find_map(context),
        })
    }
}

/// What stands before the host, or all of it if there is no host.
fn user_part(text: &str) -> Result<&str, NotANumber> {
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => (String::new(), text),
    };
    match scheme.as_str() {
        "tel" => Ok(rest),
        "sip" | "sips" => {
            let (user, host) = rest.rsplit_once('@').ok_or(NotANumber::OtherAddress)?;
            let host = host.split([';', '?', ':']).next().unwrap_or_default();
            if host.eq_ignore_ascii_case("anonymous.invalid") {
                return Err(NotANumber::Anonymous);
            }
            // A password stands behind the user's name.
            Ok(user.split(':').next().unwrap_or_default())
        }
        "urn" if is_emergency_service(rest) => Err(NotANumber::PassedOver),
        "" => Ok(text.rsplit_once('@').map_or(text, |(user, _)| user)),
        _ => Err(NotANumber::OtherAddress),
    }
}

/// `urn:service:sos`, `urn:service:sos.fire` (RFC 5031).
fn is_emergency_service(urn: &str) -> bool {
    let urn = urn.to_ascii_lowercase();
    let service = urn.strip_prefix("service:sos");
    service.is_some_and(|more| more.is_empty() || more.starts_with('.'))
}

fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Without visual separators.
fn digits(text: &str) -> Result<String, NotANumber> {
    let mut digits = String::with_capacity(MAX_DIGITS);
    for character in text.chars() {
        match character {
            ' ' | '-' | '.' | '(' | ')' | '/' => {}
            '0'..='9' => digits.push(character),
            // They begin a service code, and stand nowhere else.
            '*' | '#' if digits.is_empty() => return Err(NotANumber::PassedOver),
            _ if digits.is_empty() && character.is_alphabetic() => {
                return Err(NotANumber::OtherAddress);
            }
            other => return Err(NotANumber::Character(other)),
        }
    }
    match digits.is_empty() {
        true => Err(NotANumber::Missing),
        false => Ok(digits),
    }
}

/// `phone-context=+1`; a domain says nothing of a country.
fn context(parameter: &str) -> Option<String> {
    let (name, value) = parameter.split_once('=')?;
    let is_context = name.trim().eq_ignore_ascii_case("phone-context");
    let global = value.trim().strip_prefix('+').filter(|_| is_context)?;
    digits(global).ok()
}

#[cfg(test)]
mod tests;
