use std::io::Write as _;
use std::time::Duration;

use serde::Deserialize;
use tempfile::NamedTempFile;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    public: PublicConfig,
    #[serde(default)]
    admin: AdminConfig,
    #[serde(default)]
    log: LogConfig,
    #[serde(default)]
    names: Vec<String>,
}

impl Configuration for Sample {
    const SERVICE: &'static str = "sample";

    fn check(&self) -> Result<(), ConfigurationError> {
        self.public.check()?;
        self.admin.check()
    }
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn sample(text: &str, variables: &[(&str, &str)], settings: &[&str]) -> Result<Sample, String> {
    let file = file(text);
    let environment: Vec<_> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let settings: Vec<_> = settings.iter().map(|text| (*text).to_owned()).collect();
    load(Sources {
        file: Some(file.path()),
        environment: &environment,
        settings: &settings,
    })
    .map_err(|error: ConfigurationError| error.to_string())
}

const GOOD: &str = "[public]\nlisten = \"127.0.0.1:8080\"\nlimits.idle = \"1m\"\n";

#[test]
fn the_environment_overrides_the_file_and_a_setting_overrides_both() {
    let variables = [
        ("PENNYBLACK_SAMPLE__PUBLIC__LISTEN", "127.0.0.1:1"),
        ("PENNYBLACK_SAMPLE__PUBLIC__LIMITS__STREAMS", "7"),
        ("PENNYBLACK_OTHER__PUBLIC__LISTEN", "nonsense"),
    ];
    let settings = [
        "public.listen=127.0.0.1:2",
        "names=[\"a\", \"b\"]",
        "log.level = debug",
    ];
    let loaded = sample(GOOD, &variables, &settings).unwrap();
    assert_eq!(loaded.public.listen, "127.0.0.1:2".parse().unwrap());
    assert_eq!(loaded.public.limits.streams, 7);
    assert_eq!(loaded.public.limits.idle, Duration::from_secs(60));
    assert_eq!(loaded.names, ["a", "b"]);
    assert_eq!(loaded.log.level, LogLevel::Debug);
}

#[test]
fn without_a_file_settings_suffice() {
    let settings = ["public.listen=127.0.0.1:0".to_owned()];
    let loaded: Sample = load(Sources {
        file: None,
        environment: &[],
        settings: &settings,
    })
    .unwrap();
    assert_eq!(
        loaded.public,
        PublicConfig::plain("127.0.0.1:0".parse().unwrap())
    );
}

#[test]
fn what_is_printed_loads_to_the_same() {
    let loaded = sample(GOOD, &[], &[]).unwrap();
    let printed = to_toml(&loaded).unwrap();
    assert_eq!(sample(&printed, &[], &[]).unwrap(), loaded);
}

#[test]
fn an_unknown_key_is_refused_by_name_and_place() {
    let said = sample(GOOD, &[], &["public.limits.idel=5s"]).unwrap_err();
    assert!(said.contains("idel"), "{said}");
    assert!(said.contains("idle"), "{said}");
    assert!(said.contains("public.limits"), "{said}");
    assert!(said.contains("/tmp"), "the file is not named: {said}");
}

#[test]
fn a_missing_key_is_named() {
    let said = sample("[public]\n", &[], &[]).unwrap_err();
    assert!(said.contains("public.listen"), "{said}");
}

#[test]
fn a_value_of_another_type_is_named_with_its_key() {
    for (setting, key) in [
        ("public.limits.streams=many", "public.limits.streams"),
        ("public.limits.idle=5 parsecs", "public.limits.idle"),
        ("public.listen=localhost", "public.listen"),
        ("log.level=chatty", "log.level"),
    ] {
        let said = sample(GOOD, &[], &[setting]).unwrap_err();
        assert!(said.contains(key), "{said}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    let said = sample(GOOD, &[], &["public.listen=0.0.0.0:80"]).unwrap_err();
    assert!(said.contains("public.tls.certificate"), "{said}");
}

#[test]
fn a_file_that_is_not_toml_or_not_there_is_named() {
    let said = sample("[public\n", &[], &[]).unwrap_err();
    assert!(said.contains("/tmp") && said.contains("line 1"), "{said}");
    let missing = load::<Sample>(Sources {
        file: Some(Path::new("/nowhere/at/all.toml")),
        environment: &[],
        settings: &[],
    });
    let said = missing.unwrap_err().to_string();
    assert!(said.contains("/nowhere/at/all.toml"), "{said}");
}

#[test]
fn a_setting_without_an_equals_sign_is_refused() {
    let said = sample(GOOD, &[], &["public.listen"]).unwrap_err();
    assert!(said.contains("section.key=value"), "{said}");
}

#[test]
fn the_command_line_prints_the_effective_configuration() {
    let arguments = [
        "sample",
        "--set",
        "public.listen=127.0.0.1:5",
        "--check-config",
    ];
    let line =
        CommandLine::parse_for("sample", "1", "A sample", arguments.map(Into::into)).unwrap();
    let Invocation::Print(text) = line.invocation::<Sample>().unwrap() else {
        panic!("--check-config must not run the service");
    };
    assert!(text.contains("listen = \"127.0.0.1:5\""), "{text}");
    assert!(text.contains("idle = \"10s\""), "{text}");
}
