use std::fs;

use pennyblack_service::start_error::StartError;

use super::*;
use crate::config::tests::example_with;

fn sections(trunks: &str) -> Vec<TrunkSection> {
    let setting = format!("trunk={trunks}");
    example_with(&["http.api_keys=keys", &setting])
        .unwrap()
        .trunk
}

fn read(trunks: &str) -> Result<Trunks, StartError> {
    let mut findings = Findings::new();
    let identities = Identities::new(Reload::new());
    let read = Trunks::read(&sections(trunks), &identities, &mut findings);
    findings.conclude(read)
}

#[test]
fn a_request_belongs_to_the_first_trunk_that_fits() {
    let trunks = r#"[{name="both", addresses=["10.0.0.0/8"], api_keys=["one"]},
        {name="address", addresses=["10.0.0.0/8", "2001:db8::/32"]},
        {name="key", api_keys=["one", "two"]},
        {name="any"}]"#;
    let trunks = read(&trunks.replace('\n', " ")).unwrap();
    let keys = crate::access::api_keys::ApiKeys::of(&[("one", "1"), ("two", "2")]);
    for (address, key, expected) in [
        ("10.1.1.1", Some("1"), "both"),
        ("10.1.1.1", Some("2"), "address"),
        ("10.1.1.1", None, "address"),
        ("2001:db8::1", None, "address"),
        ("192.0.2.1", Some("2"), "key"),
        ("192.0.2.1", None, "any"),
    ] {
        let key = key.map(|key| keys.find(key).unwrap());
        let found = trunks.of(address.parse().unwrap(), key.as_ref());
        assert_eq!(found.unwrap().trunk.name, expected);
    }
}

#[test]
fn what_a_file_lacks_is_named_with_its_trunk_and_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("numbers");
    fs::write(
        &path,
        "12155550100\n+1 215 555 0101,Philadelphia\n\n// more\n",
    )
    .unwrap();
    let trunks = format!("[{{name=\"a\", orig_numbers=\"{}\"}}]", path.display());
    let known = read(&trunks).unwrap();
    let trunk = known.iter().next().unwrap();
    assert_eq!(trunk.orig_numbers.as_ref().unwrap().len(), 2);

    fs::write(&path, "12155550100\nnumber\n").unwrap();
    let said = read(&trunks).unwrap_err().to_string();
    assert!(
        said.contains("trunk a") && said.contains("line 2"),
        "{said}"
    );
    let missing =
        r#"[{name="a", certificate="/none/a", key="/none/b", x5u="https://c.example/a"}]"#;
    let said = read(missing).unwrap_err().to_string();
    assert!(
        said.contains("trunk a") && said.contains("/none/a"),
        "{said}"
    );
}
