//! What serde says of a value, in an operator's words, with an example of a value
//! that would be right.

const ADDRESS: &str =
    "expected an IP address and a port, such as \"127.0.0.1:8711\" or \"[::1]:8711\"";
const COUNT: &str = "expected a whole number from 0 on";
const POSITIVE: &str = "expected a whole number from 1 on";

/// What serde says, and what an operator understands.
const WORDS: [(&str, &str); 21] = [
    (
        "expected a duration",
        "expected a number with its unit, such as \"30s\", \"10m\" or \"1h\"",
    ),
    ("invalid socket address syntax", ADDRESS),
    ("expected socket address", ADDRESS),
    ("expected a boolean", "expected true or false"),
    ("expected path string", "expected the path of a file"),
    ("expected a nonzero usize", POSITIVE),
    ("expected a nonzero u64", POSITIVE),
    ("expected a nonzero u32", POSITIVE),
    ("expected a nonzero u16", POSITIVE),
    ("expected usize", COUNT),
    ("expected u64", COUNT),
    ("expected u32", COUNT),
    ("expected u16", COUNT),
    (
        "invalid type: map, expected a sequence",
        "one section, expected a list of them: write its name in double brackets, as in [[trunk]]",
    ),
    (
        "invalid IP address syntax",
        "no network, expected an address and the length of its prefix, such as \"192.0.2.7/32\" or \"10.0.0.0/8\"",
    ),
    (
        "expected a sequence",
        "expected a list, such as [\"one\", \"two\"]",
    ),
    ("unknown field ", "there is no key "),
    ("unknown variant ", "there is no value "),
    ("invalid value: ", ""),
    ("invalid type: ", ""),
    ("`", ""),
];

/// Says it again for an operator.
pub(super) fn in_plain_words(message: &str) -> String {
    WORDS
        .iter()
        .fold(message.trim().to_owned(), |text, (of_serde, plain)| {
            text.replace(of_serde, plain)
        })
}
