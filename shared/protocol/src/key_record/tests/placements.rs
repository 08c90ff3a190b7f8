//! The CPSs that a record names, and how many of them get a copy.

use super::*;

#[test]
fn a_record_names_up_to_three_cpss_and_how_many_of_them_get_a_copy() {
    let placed = |claims: Value| {
        let parsed = parse_changed(claims)?;
        let placement = &parsed.record().placement;
        Ok((placement.cpss().count(), placement.copies()))
    };
    let (b, c) = ("https://b.example", "https://c.example");
    for (claims, expected) in [
        (json!({}), (1, 1)),
        (json!({"copies": 1}), (1, 1)),
        (json!({"more_cps": [b]}), (2, 2)),
        (json!({"more_cps": [b, c], "copies": 2}), (3, 2)),
        (json!({"more_cps": [b, c], "copies": 3}), (3, 3)),
    ] {
        assert_eq!(placed(claims), Ok(expected));
    }
    for (claims, text) in [
        (json!({"more_cps": []}), "leave it out"),
        (json!({"more_cps": b}), "an array of strings"),
        (json!({"more_cps": [1]}), "an array of strings"),
        (json!({"more_cps": ["http://b.example"]}), "\"more_cps\": "),
        (json!({"more_cps": [b, b]}), "named twice"),
        (
            json!({"more_cps": ["https://cps.example.net"]}),
            "named twice",
        ),
        (
            json!({"more_cps": [b, c, "https://d.example"]}),
            "at most 3",
        ),
        (json!({"copies": 2}), "2 copies at 1 CPSs"),
        (json!({"more_cps": [b], "copies": 0}), "0 copies at 2 CPSs"),
        (json!({"more_cps": [b], "copies": "1"}), "a whole number"),
        (json!({"more_cps": [b], "copies": 1.5}), "a whole number"),
    ] {
        let refused: KeyRecordError = placed(claims.clone()).unwrap_err();
        assert!(refused.to_string().contains(text), "{claims}: {refused}");
    }
}

#[test]
fn a_record_of_one_cps_is_written_as_it_was_before_there_were_more() {
    let claims = record("683G", Coverage::Number(number("12155550100"))).to_json();
    let names: Vec<_> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["iat", "exp", "iss", "tn", "hpke", "cps"]);
}
