//! **The walk of docs/federation.md works as it is written**: a shell is given its blocks of
//! commands, one after the other, and what each of them prints has in it what the page shows below
//! it. Only the ports are others. The services are those of the program, under the names by which
//! the page calls them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pennyblack_tests::port::free_port;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/federation.md");
/// Where the page shows this, anything may be printed.
const ANYTHING: char = '…';
/// Seconds after which the walk is given up.
const LIMIT: &str = "300";

/// Before the commands of the page. What a block prints is in a file of its number, and the exit
/// code of each command that fails in another.
const BEGIN: &str = r#"
set -o pipefail
walk=$PWD
begin() { block=$1; exec > "$walk/$block.printed" 2>&1; }
trap 'echo $? >> "$walk/$block.codes"' ERR
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
log_size() { curl -sf "http://localhost:$1/log/checkpoint" | sed -n 2p; }
"#;

/// Commands, and what the page shows of their output.
struct Block {
    commands: String,
    shown: String,
}

/// The blocks of the walk, at ports that are free.
fn blocks() -> Vec<Block> {
    let page = at_free_ports(&fs::read_to_string(PAGE).unwrap());
    let (_, walk) = page.split_once("\n## Three carriers").unwrap();
    let (walk, _) = walk.split_once("\n## Serving rosters").unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    for fenced in walk.split("\n```").skip(1).step_by(2) {
        match fenced.split_once('\n').unwrap() {
            ("sh", commands) => blocks.push(Block {
                commands: commands.to_owned(),
                shown: String::new(),
            }),
            ("", shown) => blocks.last_mut().unwrap().shown.push_str(shown),
            (kind, _) => panic!("{kind:?} is neither commands nor what they print"),
        }
    }
    blocks
}

/// The page with a free port in place of each from 8701 to 8799.
fn at_free_ports(page: &str) -> String {
    let (mut ports, mut text, mut rest) = (BTreeMap::new(), String::new(), page);
    while let Some(at) = rest.find(|one: char| one.is_ascii_digit()) {
        let (before, number) = rest.split_at(at);
        let end = number.find(|one: char| !one.is_ascii_digit());
        let (number, after) = number.split_at(end.unwrap_or(number.len()));
        text.push_str(before);
        match number.parse() {
            Ok(port @ 8701..=8799_u16) => {
                let free = ports.entry(port).or_insert_with(free_port);
                text.push_str(&free.to_string());
            }
            _ => text.push_str(number),
        }
        rest = after;
    }
    text + rest
}

impl Block {
    /// The ports of the CPSs at which it registers a mailbox.
    fn registers_at(&self) -> Vec<&str> {
        let is_one = self.commands.contains("mailbox register");
        let named = self.commands.split("cps http://localhost:").skip(1);
        let ports = named.filter_map(|text| text.split_whitespace().next());
        ports.filter(|_| is_one).collect()
    }

    /// As a part of the script. A reader who has registered a mailbox takes longer to go on than
    /// the CPSs take to write that into their logs; here that is waited for.
    fn write(&self, number: usize, script: &mut String) {
        for port in self.registers_at() {
            writeln!(script, "before_{port}=$(log_size {port})").unwrap();
        }
        writeln!(script, "begin {number}\n{}", self.commands).unwrap();
        for port in self.registers_at() {
            let failed = "[ -e \"$walk/$block.codes\" ]";
            let grown = format!("[ \"$(log_size {port})\" -gt \"$before_{port}\" ]");
            writeln!(script, "until {failed} || {grown}; do sleep 0.05; done").unwrap();
        }
    }

    /// Whether this was printed, and these commands failed, as the page shows.
    fn check(&self, printed: &str, codes: &str) {
        let (mut found, shown) = (words(printed), words(&self.shown));
        for part in shown.split(ANYTHING).map(str::trim) {
            let at = found.find(part);
            let said = format!("{}\nhas not printed {part:?}:\n{printed}", self.commands);
            found = found.split_off(at.expect(&said) + part.len());
        }
        let shown_codes = self.shown.lines();
        let shown_codes = shown_codes.filter_map(|line| line.strip_prefix("exit code "));
        assert!(
            codes.lines().eq(shown_codes),
            "{}\nfailed with {codes:?}:\n{printed}",
            self.commands
        );
    }
}

/// However lines are broken, and without the lines of tables.
fn words(text: &str) -> String {
    let words = text.split_whitespace();
    let words = words.filter(|word| word.chars().any(|one| one != '─'));
    words.collect::<Vec<_>>().join(" ")
}

/// A clone in which the programs were built.
fn clone_at(home: &Path) {
    let programs = home.join("target/release");
    fs::create_dir_all(&programs).unwrap();
    let program = env!("CARGO_BIN_EXE_pennyblack");
    for (name, service) in [
        ("pennyblack", ""),
        ("pennyblack-issuer", "service issuer"),
        ("pennyblack-cps", "service cps"),
        ("pennyblack-relay", "service relay"),
    ] {
        let file = programs.join(name);
        fs::write(
            &file,
            format!("#!/bin/sh\nexec {program} {service} \"$@\"\n"),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn the_walk_of_three_carriers_goes_as_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    clone_at(home.path());
    let blocks = blocks();
    assert!(blocks.len() > 20, "{} blocks", blocks.len());
    let mut script = BEGIN.to_owned();
    for (number, block) in blocks.iter().enumerate() {
        block.write(number, &mut script);
    }
    fs::write(home.path().join("script"), script).unwrap();
    let walked = Command::new("timeout")
        .args([LIMIT, "bash", "script"])
        .current_dir(home.path())
        .env_remove("http_proxy")
        .status();
    let in_time = walked.unwrap().success();
    let read = |number, end| fs::read_to_string(home.path().join(format!("{number}.{end}")));
    for (number, block) in blocks.iter().enumerate() {
        let printed = read(number, "printed").unwrap_or_default();
        block.check(&printed, &read(number, "codes").unwrap_or_default());
    }
    assert!(in_time, "the walk was not done in {LIMIT} s");
}
