use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    call: CallArguments,
}

fn parse(more: &[&str]) -> CallArguments {
    let min = [
        "call",
        "--cps=https://cps.example",
        "--wallet=wallet.db",
        "--roots=roots",
    ];
    Line::try_parse_from(min.iter().chain(more)).unwrap().call
}

#[test]
fn tokens_must_be_an_hour_old_unless_told_otherwise() {
    assert_eq!(parse(&[]).minimum_age, 3600);
    assert_eq!(parse(&["--minimum-age=0"]).minimum_age, 0);
}

#[test]
fn a_call_costs_eight_tokens_at_most_unless_told_otherwise() {
    assert_eq!(parse(&[]).max_copies, 8);
    assert_eq!(parse(&["--max-copies=1"]).max_copies, 1);
    for refused in ["--max-copies=0", "--max-copies=33"] {
        let line = [
            "call",
            "--cps=https://cps.example",
            "--wallet=w",
            "--roots=r",
        ];
        let more = [refused, "--resend"];
        assert!(Line::try_parse_from(line.iter().chain(&more)).is_err());
    }
}

#[test]
fn what_is_to_be_sent_again_is_sent_by_the_command_that_was_printed() {
    let call = parse(&["--ca-file=it's ours.pem", "--proxy=http://127.0.0.1:1"]);
    let command = call.resend_command();
    let printed = r"pennyblack call --resend --wallet wallet.db --ca-file 'it'\''s ours.pem' --proxy http://127.0.0.1:1";
    assert_eq!(command, printed);
    let words = printed.split(' ').skip(1).take(4);
    assert!(Line::try_parse_from(words).unwrap().call.resend);
    let nothing = Line::try_parse_from(["call", "--wallet=wallet.db"]);
    let nothing = nothing.unwrap_err().to_string();
    assert!(nothing.contains("--cps") && nothing.contains("--roots"));
}

#[test]
fn a_number_of_ten_digits_is_asked_about() {
    let line = [
        "call",
        "--cps=https://cps.example",
        "--wallet=w",
        "--roots=r",
    ];
    let dest = |number| line.iter().copied().chain(["--dest", number]);
    let refused = Line::try_parse_from(dest("2155550100")).unwrap_err();
    assert!(refused.to_string().contains("12155550100"), "{refused}");
    assert!(Line::try_parse_from(dest("+2155550100")).is_ok());
}

#[test]
fn no_repository_is_asked_unless_it_is_named() {
    let repositories = |more: &[&str]| {
        let arguments = parse(more);
        let stores = arguments.trust.certificates(arguments.network.http());
        stores.repositories.is_some()
    };
    assert!(!repositories(&[]));
    assert!(repositories(&[
        "--certificate-host=a.example,b.example:8443"
    ]));
}
