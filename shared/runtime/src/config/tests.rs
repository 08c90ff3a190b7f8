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
    #[serde(default)]
    name: String,
}

const SAMPLE: Description = Description {
    name: "sample",
    version: "1",
    about: "A sample of a service.",
    examples: "Example:\n  sample --config sample.toml",
};

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
fn an_unknown_key_is_refused_with_its_place_and_the_keys_that_there_are() {
    let said = sample(GOOD, &[], &["public.limits.idel=5s"]).unwrap_err();
    assert!(
        said.starts_with("public.limits.idel: there is no key idel"),
        "{said}"
    );
    assert!(said.contains("idle"), "{said}");
    assert!(said.ends_with("(--set public.limits.idel=5s)"), "{said}");
}

#[test]
fn a_missing_key_is_named_with_the_ways_to_set_it() {
    let said = sample("[public]\n", &[], &[]).unwrap_err();
    assert!(said.starts_with("public.listen is not set"), "{said}");
    for way in [
        "/tmp",
        "--set public.listen=VALUE",
        "PENNYBLACK_SAMPLE__PUBLIC__LISTEN",
    ] {
        assert!(said.contains(way), "{said}");
    }
    let said = sample("", &[], &[]).unwrap_err();
    assert!(said.starts_with("public is not set"), "{said}");
}

#[test]
fn a_wrong_value_is_named_with_its_key_and_with_one_that_would_be_right() {
    for (setting, right) in [
        ("public.limits.streams=many", "a whole number from 0 on"),
        ("public.limits.streams=-1", "a whole number from 0 on"),
        ("public.limits.idle=5 parsecs", "\"30s\", \"10m\" or \"1h\""),
        ("public.limits.idle=5", "\"30s\", \"10m\" or \"1h\""),
        ("public.listen=localhost", "\"127.0.0.1:8711\""),
        ("public.behind_proxy=maybe", "true or false"),
        ("log.level=verbose", "off, error, warn, info, debug"),
        ("names=a", "a list, such as"),
    ] {
        let said = sample(GOOD, &[], &[setting]).unwrap_err();
        let (key, _) = setting.split_once('=').unwrap();
        assert!(said.starts_with(&format!("{key}: ")), "{said}");
        assert!(said.contains(right), "{said}");
        assert!(said.contains(&format!("(--set {setting})")), "{said}");
    }
    let section = "[public]\nlisten = \"127.0.0.1:1\"\n[names]\na = \"b\"\n";
    let said = sample(section, &[], &[]).unwrap_err();
    assert!(said.starts_with("names: ") && said.contains("[["), "{said}");
}

#[test]
fn the_place_that_set_a_wrong_value_is_named() {
    let file = "[public]\nlisten = \"127.0.0.1:1\"\n\n[log]\n# how much\nlevel = \"chatty\"\n";
    let said = sample(file, &[], &[]).unwrap_err();
    assert!(said.contains(", line 6)"), "{said}");
    let variables = [("PENNYBLACK_SAMPLE__LOG__LEVEL", "chatty")];
    let said = sample(GOOD, &variables, &[]).unwrap_err();
    assert!(
        said.contains("(the environment variable PENNYBLACK_SAMPLE__LOG__LEVEL)"),
        "{said}"
    );
    let said = sample(file, &variables, &["log.level=chatty"]).unwrap_err();
    assert!(said.contains("(--set log.level=chatty)"), "{said}");
    let refused = "[public]\nlisten = \"0.0.0.0:80\"\n";
    let said = sample(refused, &[], &[]).unwrap_err();
    assert!(said.contains(", line 2)"), "{said}");
}

#[test]
fn an_override_that_looks_like_a_number_may_be_text() {
    let loaded = sample(GOOD, &[], &["names=[\"a\"]", "name=12155550100"]).unwrap();
    assert_eq!(loaded.name, "12155550100");
    let variables = [("PENNYBLACK_SAMPLE__NAME", "true")];
    assert_eq!(sample(GOOD, &variables, &[]).unwrap().name, "true");
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
fn the_command_line_checks_a_configuration_instead_of_running_it() {
    let arguments = [
        "sample",
        "--set",
        "public.listen=127.0.0.1:5",
        "--check-config",
    ];
    let line = CommandLine::parse_for(&SAMPLE, arguments.map(Into::into)).unwrap();
    let Invocation::Check(configuration) = line.invocation::<Sample>().unwrap() else {
        panic!("--check-config must not run the service");
    };
    let text = to_toml(&configuration).unwrap();
    assert!(text.contains("listen = \"127.0.0.1:5\""), "{text}");
    assert!(text.contains("idle = \"10s\""), "{text}");
}

/// What a sample can be told besides the usual.
#[derive(Debug, clap::Args)]
struct Verbs {
    /// Forgets everything.
    #[arg(long)]
    forget: bool,
}

#[test]
fn the_help_begins_with_what_the_program_is_and_ends_with_an_example() {
    let arguments = ["sample", "--help"].map(Into::into);
    let error = CommandLine::parse_with::<Verbs>(&SAMPLE, arguments).unwrap_err();
    let help = error.to_string();
    assert!(help.starts_with("A sample of a service."), "{help}");
    assert!(
        help.trim_end().ends_with("sample --config sample.toml"),
        "{help}"
    );
    assert!(
        help.contains("--forget") && help.contains("--config"),
        "{help}"
    );
    assert!(!help.contains("besides the usual"), "{help}");
}
