//! Who holds a number: what a caller is told when nothing here says, and a table from a
//! numbering service.

use std::fs;

use pennyblack_pki::{LeafRequest, PkiDirectory, TnAuthEntry};

use crate::terminal::{FAILED, NETWORK, NO_KEY, Scene, answer, cps_with, now, run, serve};

const UNCHECKED: i32 = 12;

#[test]
fn a_key_of_a_provider_whose_numbers_are_not_known_here_is_told_so() {
    let scene = Scene::new();
    let mut pki = PkiDirectory::open(&scene.home.path().join("pki")).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
    pki.issue("provider", &request, None, now()).unwrap();
    drop(pki);
    let record = scene.record_by("provider", now(), "https://cps.example");
    let cps = cps_with(now(), vec![record]);
    let said = scene.call(&cps);
    said.exits_with(UNCHECKED)
        .has("a key for 12155550100 is published")
        .has("cannot check that SPC 683G holds the number")
        .has("--numbering");
    let by_table = |spc: &str| {
        let table = format!("spc,first,count\n{spc},12155550000,1000\n");
        fs::write(scene.path("numbering.csv"), table).unwrap();
        scene.call_with(&cps, &["--numbering", "numbering.csv"])
    };
    by_table("709J").exits_with(NO_KEY).has("does not hold");
    // A table that does not tell of the number is as none.
    let other = "spc,first,count\n709J,12155550101,10\n683G,12155550050,50\n";
    fs::write(scene.path("numbering.csv"), other).unwrap();
    for block in [&[][..], &["--block", "7"]] {
        let table = ["--numbering", "numbering.csv"];
        scene
            .call_with(&cps, &[&table, block].concat())
            .exits_with(UNCHECKED)
            .has("numbering.csv has no line for it")
            .has("pennyblack numbering import");
    }
    // The call itself fails later: its PASSporT does not fit.
    by_table("683g").exits_with(FAILED);
}

/// A numbering service by which 683G holds what ends in an even digit, and 404 is the rest.
fn numbering_service() -> String {
    let json = "content-type: application/json\r\n";
    serve(move |path, _| match path.strip_prefix("/numbers/") {
        Some(number) if number.ends_with(['0', '2', '4', '6', '8']) => {
            answer("200 OK", json, r#"{"spc": "683G", "since": 2026}"#)
        }
        Some(_) => answer("404 Not Found", "", ""),
        None => answer("200 OK", json, "{}"),
    })
}

#[test]
fn a_table_is_written_from_the_answers_of_a_numbering_service() {
    let scene = Scene::new();
    let table = scene.path("numbering.csv");
    fs::write(
        &table,
        "# old\nspc,first,count\n709J,12155550100,3\n4529,+0,1\n",
    )
    .unwrap();
    let import = |service: &str| {
        let numbers = ["12155550100+2", "12155550104"];
        let import = [
            "numbering",
            "import",
            "--service",
            service,
            "--table",
            &table,
        ];
        run(scene.home.path(), &[&import, numbers.as_slice()].concat())
    };
    import(&numbering_service()).exits_with(0);
    let expected = "spc,first,count\n4529,+0,1\n683G,12155550100,1\n683G,12155550104,1\n\
                    709J,12155550102,1\n";
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);

    // A service that does not answer, or with something else, changes nothing.
    import("http://localhost:1").exits_with(NETWORK);
    let json = "content-type: application/json\r\n";
    let other = serve(move |_, _| answer("200 OK", json, "{\"holder\": 1}"));
    import(&other)
        .exits_with(FAILED)
        .has("did not answer with {\"spc\"");
    assert_eq!(fs::read_to_string(&table).unwrap(), expected);
}
