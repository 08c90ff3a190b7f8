//! `pennyblack verify` from run to run: a PASSporT is good for one call.

use super::polls::{CALLED, CALLING, Scene, end, verify_with};

#[test]
fn a_passport_is_good_for_the_call_that_asked_first_and_for_no_other() {
    let scene = Scene::set();
    let cps = scene.cps(true);
    let home = scene.home.path();
    let run = |more: &[&str]| {
        let (told, _, code) = end(verify_with(home, &cps.url, 0, more));
        (code, told)
    };
    let (first, told) = run(&["--call=a84b4c76@pc33.example"]);
    assert_eq!(first, Some(0), "{told}");
    assert!(told.contains(r#""unrecorded":null"#), "{told}");
    for more in [&[][..], &["--call=another"]] {
        let (second, told) = run(more);
        assert_eq!(second, Some(3), "{told}");
        assert!(told.contains(r#""of_other_calls":1"#), "{told}");
    }
    let (again, told) = run(&["--call=a84b4c76@pc33.example"]);
    assert_eq!(again, Some(0), "{told}");

    let used = std::fs::read(home.join("box.used")).unwrap();
    for text in [CALLING, CALLED, "a84b4c76"] {
        let mut parts = used.windows(text.len());
        assert!(!parts.any(|part| part == text.as_bytes()), "{text}");
    }
    let (nowhere, told) = run(&["--used=nowhere/file"]);
    assert_eq!(nowhere, Some(1), "{told}");
    assert!(
        told.contains("--used: file of assignments nowhere/file"),
        "{told}"
    );
}
