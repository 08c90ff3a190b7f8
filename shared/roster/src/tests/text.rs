//! The text of a roster, which has one spelling.

use proptest::prelude::*;

use super::*;

/// The SHA-256 of the text before the sample's.
const BEFORE: &str = "5e0d91f25e0d91f25e0d91f25e0d91f25e0d91f25e0d91f25e0d91f25e0d91f2";

fn log_key(authority: &str) -> VerifierKey {
    signer(&format!("{authority}/log")).verifier().clone()
}

fn member(role: Role, uri: &str, keys: Vec<VerifierKey>) -> Result<Member, MemberError> {
    Member::new(
        role,
        uri.parse().unwrap(),
        "operator".parse().unwrap(),
        keys,
    )
}

fn sample() -> Roster {
    let council = Council::new();
    let names = ["c.example", "a.example", "b.example"];
    let keys = vec![
        log_key("cps-b.example"),
        signer("cps-b.example/keys").verifier().clone(),
    ];
    let members = vec![
        relay("https://relay.example", "operator-r"),
        member(
            Role::Issuer,
            "https://issuer.example",
            vec![log_key("issuer.example")],
        )
        .unwrap(),
        member(Role::Cps, "https://cps-b.example", keys).unwrap(),
        member(
            Role::Cps,
            "https://cps-a.example",
            vec![log_key("cps-a.example")],
        )
        .unwrap(),
    ];
    Roster {
        origin: "fed.example".parse().unwrap(),
        position: format!("17 after {BEFORE}").parse().unwrap(),
        validity: Validity::new(UnixTime(1_795_000_000), UnixTime(1_797_592_000)).unwrap(),
        governors: Governors::new(2, names.map(|name| council.public(name)).into()).unwrap(),
        members: Members::new(members).unwrap(),
    }
}

#[test]
fn a_roster_is_written_as_the_protocol_shows_it() {
    let text = sample().to_string();
    let words: Vec<_> = text
        .lines()
        .map(|line| line.split('+').next().unwrap())
        .collect();
    let expected = [
        "pennyblack-roster/v1",
        "fed.example",
        "17 after 5e0d91f25e0d91f25e0d91f25e0d91f25e0d91f25e0d91f25e0d91f25e0d91f2",
        "1795000000 1797592000",
        "threshold 2",
        "governor a.example",
        "governor b.example",
        "governor c.example",
        "cps https://cps-a.example operator cps-a.example/log",
        "cps https://cps-b.example operator cps-b.example/keys",
        "issuer https://issuer.example operator issuer.example/log",
        "relay https://relay.example operator-r",
    ];
    assert_eq!(words, expected);
    assert_eq!(text.parse::<Roster>(), Ok(sample_of(&text)));
}

fn sample_of(text: &str) -> Roster {
    text.parse().unwrap()
}

#[test]
fn every_other_spelling_is_refused_with_its_line() {
    let text = sample().to_string();
    let lines: Vec<_> = text.lines().collect();
    let swapped = |one: usize, other: usize| {
        let mut lines = lines.clone();
        lines.swap(one, other);
        lines.join("\n") + "\n"
    };
    for (other, line) in [
        (text.replacen("v1", "v2", 1), 1),
        (text.replacen("fed.example", "Fed.example", 1), 2),
        (text.replacen("fed.example", "fed.example:443", 1), 2),
        (text.replacen("\n17 ", "\n017 ", 1), 3),
        (text.replacen("\n17 ", "\n0 ", 1), 3),
        (text.replacen("\n17 ", "\n1 ", 1), 3),
        (text.replacen(" after ", " ", 1), 3),
        (text.replacen(&format!(" after {BEFORE}"), "", 1), 3),
        (text.replacen(BEFORE, &BEFORE.to_uppercase(), 1), 3),
        (text.replacen("1795000000", "01795000000", 1), 4),
        (text.replacen("1795000000 ", "1795000000  ", 1), 4),
        (text.replacen("1797592000", "1797592001", 1), 4),
        (text.replacen("threshold 2", "threshold 02", 1), 5),
        (swapped(5, 6), 6),
        (swapped(4, 5), 5),
        (swapped(8, 9), 9),
        (swapped(10, 11), 11),
        (
            text.replacen("https://cps-a.example ", "https://cps-a.example/ ", 1),
            9,
        ),
        (text.replacen("https://cps-a", "https://CPS-a", 1), 9),
        (text.replacen("operator-r", "Operator-r", 1), 12),
        (text.replacen("operator-r", "operator-r ", 1), 12),
        (text.replacen("a.example+", "a.ex\u{e4}mple+", 1), 6),
        (text.replacen("operator-r", "operator-r\u{202e}", 1), 12),
        (text.clone() + "\n", 13),
        (text.clone() + "witness https://w.example o\n", 13),
        (text.trim_end().to_owned(), 12),
    ] {
        let Err(RosterError::Line { number, why }) = other.parse::<Roster>() else {
            panic!("{other}");
        };
        assert_eq!(number, line, "{why}\n{other}");
    }
}

#[test]
fn a_service_has_one_line_and_so_one_operator() {
    let roster = sample();
    let operator = roster.operator_of(&"relay.example".parse().unwrap());
    assert_eq!(
        operator.map(ToString::to_string).as_deref(),
        Some("operator-r")
    );
    assert_eq!(
        roster.operator_of(&"stranger.example".parse().unwrap()),
        None
    );
    let twice = vec![
        relay("https://relay.example", "operator-r"),
        member(
            Role::Cps,
            "https://relay.example",
            vec![log_key("relay.example")],
        )
        .unwrap(),
    ];
    let refused = Members::new(twice).unwrap_err();
    assert!(matches!(refused, MemberError::Twice(_)), "{refused}");
}

#[test]
fn the_keys_of_a_member_are_of_its_own_logs() {
    let good = log_key("cps.example");
    let uri = "https://cps.example";
    let many: Vec<_> = (0..5).map(|_| log_key("cps.example")).collect();
    for (role, keys, why) in [
        (Role::Cps, vec![], "missing"),
        (Role::Cps, vec![good.clone(), good.clone()], "twice"),
        (
            Role::Cps,
            vec![good.clone(), log_key("other.example")],
            "not named",
        ),
        (
            Role::Cps,
            vec![good.clone(), log_key("cps.example.evil")],
            "not named",
        ),
        (Role::Issuer, many, "at most 4"),
        (Role::Relay, vec![good], "no key"),
    ] {
        let refused = member(role, uri, keys).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn a_draft_has_its_lines_in_any_order_and_comments() {
    let roster = sample();
    let text = roster.to_string();
    let mut lines: Vec<_> = text.lines().skip(4).map(str::to_owned).collect();
    lines.reverse();
    lines.insert(2, "  # a comment".to_owned());
    lines.insert(0, "federation   fed.example # its name\n\n".to_owned());
    let draft: RosterDraft = lines.join("\n").parse().unwrap();
    assert_eq!(draft.into_roster(roster.position, roster.validity), roster);
    for (wrong, why) in [
        ("threshold 1\n", "federation"),
        ("federation fed.example\n", "threshold"),
        ("federation fed.example\nfederation fed.example\n", "line 2"),
        (
            "federation fed.example\nthreshold 1\nthreshold 1\n",
            "line 3",
        ),
        (
            "federation fed.example\ncpss https://a.example o\n",
            "line 2",
        ),
    ] {
        let refused = wrong.parse::<RosterDraft>().unwrap_err().to_string();
        assert!(refused.contains(why), "{wrong}: {refused}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let head = "pennyblack-roster/v1\nfed.example\n1\n1 2\nthreshold 1\n";
    let long = format!("{head}{}", "x".repeat(MAX_ROSTER_SIZE));
    assert!(matches!(long.parse::<Roster>(), Err(RosterError::Size(_))));
    let relays: String = (0..600)
        .map(|number| format!("relay https://r{number}.example o\n"))
        .collect();
    let governor = signer("a.example").verifier().clone();
    let many = format!("{head}governor {governor}\n{relays}").parse::<Roster>();
    assert!(many.unwrap_err().to_string().contains("at most 512"));
    let governors: String = (0..20)
        .map(|number| format!("governor {}\n", signer(&format!("g{number}")).verifier()))
        .collect();
    let many = format!("{head}{governors}").parse::<Roster>();
    assert!(many.unwrap_err().to_string().contains("at most 16"));
}

proptest! {
    #[test]
    fn what_is_read_is_written_in_the_same_way(text in "\\PC{0,200}|(pennyblack-roster/v1\n)?(a\\.example\n|[0-9 ]{1,5}\n|threshold [0-9]\n|relay https://[a-c] o\n){0,6}") {
        if let Ok(roster) = text.parse::<Roster>() {
            prop_assert_eq!(roster.to_string(), text);
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        before in proptest::option::of((1_u64..u64::MAX, "[0-9a-f]{64}")),
        from in 0..u64::MAX / 2,
        days in 1_u64..=30,
        governors in 1_usize..6,
        members in proptest::collection::btree_map("[a-z]{1,9}", "[a-z0-9.-]{1,63}", 0..8),
    ) {
        let keys = (0..governors).map(|n| signer(&format!("g{n}.example")).verifier().clone());
        let members = members.iter().map(|(host, operator)| relay(&format!("https://{host}"), operator));
        let roster = Roster {
            origin: "fed.example".parse().unwrap(),
            position: before.map_or(Position::First, |(sequence, digest)| {
                Position::After(format!("{sequence}:{digest}").parse().unwrap())
            }),
            validity: Validity::new(UnixTime(from), UnixTime(from + days * DAY)).unwrap(),
            governors: Governors::new(governors, keys.collect()).unwrap(),
            members: Members::new(members.collect()).unwrap(),
        };
        let note = signed(roster.clone(), [&signer("g.example")]);
        prop_assert_eq!(note.to_string().parse(), Ok(note));
        prop_assert_eq!(roster.to_string().parse(), Ok(roster));
    }
}
