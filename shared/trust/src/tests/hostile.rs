//! What somebody does who may put files where lists and roots are, or who has a certificate
//! of the authority's.

use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::reload::Reload;
use pennyblack_runtime::shutdown::Shutdown;
use pennyblack_service::admin::Readiness;
use pennyblack_stir::test_lists::{IndirectList, issuer_and_serial, subject};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);
const MISSED: &str = "is in no file of lists";

/// Another signer of lists below our root, in the name of ours.
struct Namesake {
    key: String,
    pem: String,
    der: Vec<u8>,
}

impl Namesake {
    fn new(scene: &Scene) -> Self {
        let key = KeyPair::generate().unwrap();
        let own = fs::read(scene.path("ours/crl-signer.pem")).unwrap();
        let own = certificates_of_file(&own).unwrap();
        let signer = Self::below(scene, "ours", key);
        assert_eq!(subject(&signer.der), subject(&own[0]));
        signer
    }

    /// One with this key, below the root of `authority`.
    fn below(scene: &Scene, authority: &str, key: KeyPair) -> Self {
        let read = |name| fs::read_to_string(scene.path(authority).join(name)).unwrap();
        let root_key = KeyPair::from_pem(&read("root.key")).unwrap();
        let root = Issuer::from_ca_cert_pem(&read("roots/root.pem"), root_key).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (part, value) in [
            (DnType::CountryName, "US"),
            (DnType::OrganizationName, "ours"),
            (DnType::CommonName, "STI-PA Development CRL"),
        ] {
            params.distinguished_name.push(part, value);
        }
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2028, 1, 1);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::KeyCertSign];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &root).unwrap();
        Self {
            key: key.serialize_pem(),
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
        }
    }

    fn list(&self, number: u8, revoked: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
        let list = list_of(&self.der, number, revoked).sign(&self.key);
        [pem("X509 CRL", &list), self.pem.clone()]
            .concat()
            .into_bytes()
    }
}

fn list_of(signer: &[u8], number: u8, revoked: Vec<(Vec<u8>, Vec<u8>)>) -> IndirectList {
    IndirectList {
        issuer: subject(signer),
        this_update: NOW,
        number,
        revoked,
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = pennyblack_base::encoding::base64_standard(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

/// A certificate of ours, as a list names it.
fn named(scene: &Scene, name: &str) -> (Vec<u8>, Vec<u8>) {
    let credential = scene.ours.credential(name).unwrap();
    issuer_and_serial(&credential.path()[0])
}

#[test]
fn another_keys_list_in_the_same_name_makes_no_list_be_forgotten() {
    let mut scene = Scene::new();
    let before = scene.revoke();
    let trust = scene.open();
    let namesake = Namesake::new(&scene);
    scene.put_list("zz", &namesake.list(100, Vec::new()));
    trust.reload(NOW);
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    fs::remove_file(scene.path("lists/ours.crl")).unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    assert!(lack(&trust).contains(MISSED), "{}", lack(&trust));
    drop(trust);
    // Nor after a restart, nor in favour of an older list.
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.ours, "bad"), UNTOLD);
    scene.put_list("ours", &before);
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "bad"), UNTOLD);
    drop(trust);
    // A key that is given up is the operator's decision.
    Trust::accept_older_lists(&scene.path("trust")).unwrap();
    fs::remove_file(scene.path("lists/ours.crl")).unwrap();
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
}

#[test]
fn one_of_two_lists_of_one_age_is_missed_also_after_a_restart() {
    let scene = Scene::new();
    let namesake = Namesake::new(&scene);
    let bad = vec![named(&scene, "bad")];
    scene.put_list("one", &namesake.list(7, bad));
    scene.put_list("other", &namesake.list(7, Vec::new()));
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    fs::remove_file(scene.path("lists/one.crl")).unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert!(lack(&trust).contains(MISSED), "{}", lack(&trust));
    drop(trust);
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.ours, "bad"), UNTOLD);
    scene.put_list("other", &namesake.list(8, Vec::new()));
    trust.reload(NOW);
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), Ok(()));
}

#[test]
fn a_retired_list_beside_the_current_one_stops_nothing() {
    let scene = Scene::new();
    let retired = Namesake::new(&scene);
    let list = IndirectList {
        this_update: NOW.minus(5 * DAY),
        ..list_of(&retired.der, 1, Vec::new())
    };
    let list = pem("X509 CRL", &list.sign(&retired.key));
    scene.put_list("retired", [list, retired.pem].concat().as_bytes());
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    let said = trust.warnings(NOW).unwrap();
    assert!(said.contains("was due at"), "{said}");
}

#[test]
fn a_list_of_a_minute_from_now_counts_and_a_later_one_is_refused_by_itself() {
    let scene = Scene::new();
    let ahead = Namesake::new(&scene);
    let put = |seconds| {
        let list = IndirectList {
            this_update: NOW.plus(Duration::from_secs(seconds)),
            ..list_of(&ahead.der, 1, vec![named(&scene, "bad")])
        };
        let list = pem("X509 CRL", &list.sign(&ahead.key));
        scene.put_list("ahead", [list, ahead.pem.clone()].concat().as_bytes());
    };
    put(61);
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), Ok(()));
    assert!(trust.warnings(NOW).unwrap().contains("ahead.crl"));
    put(60);
    trust.reload(NOW);
    assert_eq!(trust.warnings(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
}

#[test]
fn a_list_whose_signer_is_revoked_is_not_missed() {
    let scene = Scene::new();
    let namesake = Namesake::new(&scene);
    let read = |name| fs::read_to_string(scene.path("ours").join(name)).unwrap();
    let signer = certificates_of_file(read("crl-signer.pem").as_bytes()).unwrap();
    let current = list_of(&signer[0], 100, vec![issuer_and_serial(&namesake.der)]);
    let current = pem("X509 CRL", &current.sign(&read("crl-signer.key")));
    let current = [current, read("crl-signer.pem")].concat();
    scene.put_list("ours", current.as_bytes());
    scene.put_list("zz", &namesake.list(1, vec![named(&scene, "bad")]));
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    drop(trust);
    fs::remove_file(scene.path("lists/zz.crl")).unwrap();
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
}

#[test]
fn a_list_is_missed_though_another_root_has_come_to_vouch_for_its_signer() {
    let scene = Scene::new();
    let namesake = Namesake::new(&scene);
    let key = KeyPair::from_pem(&namesake.key).unwrap();
    let moved = Namesake::below(&scene, "theirs", key);
    let bad = scene.theirs.credential("bad").unwrap();
    let bad = || vec![issuer_and_serial(&bad.path()[0])];
    let trust = scene.open();
    scene.put_list("zz", &namesake.list(7, bad()));
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.theirs, "bad"), REVOKED);
    // The same list, whose signer the other root vouches for.
    scene.put_list("zz", &moved.list(7, bad()));
    for file in ["roots/ours.pem", "lists/ours.crl"] {
        fs::remove_file(scene.path(file)).unwrap();
    }
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.theirs, "bad"), REVOKED);
    drop(trust);
    fs::remove_file(scene.path("lists/zz.crl")).unwrap();
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.theirs, "bad"), UNTOLD);
}

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// What `work` comes to, if it ends.
fn ends<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = channel();
    thread::spawn(move || done.send(work()));
    result.recv_timeout(PATIENCE).expect("it waits for good")
}

#[test]
fn a_pipe_among_files_stops_no_reading() {
    let mut scene = Scene::new();
    let trust = Arc::new(scene.open());
    make_pipe(&scene.path("lists/a.crl"));
    make_pipe(&scene.path("roots/a.pem"));
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    make_pipe(&scene.path("roots/theirs.pem"));
    scene.revoke();
    let reading = Arc::clone(&trust);
    ends(move || reading.reload(NOW));
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.theirs, "good"), UNTRUSTED);
    let said = lack(&trust);
    for file in ["lists/a.crl", "roots/a.pem", "roots/theirs.pem"] {
        assert!(said.contains(&format!("{file}: it is a pipe")), "{said}");
    }
    drop(trust);
    fs::remove_file(scene.path("trust/lists.json")).unwrap();
    make_pipe(&scene.path("trust/lists.json"));
    let refused = ends(move || scene.try_open().map(drop));
    assert!(
        matches!(refused, Err(TrustError::Marks { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_root_that_is_taken_away_is_gone_before_the_lists_are_read() {
    let mut scene = Scene::new();
    scene.revoke();
    let trust = scene.open();
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    assert!(trust.reload_roots(&mut Vec::new()));
    assert_eq!(judge(&trust, &scene.theirs, "good"), UNTRUSTED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    // A list that is missed is missed meanwhile, too.
    drop(trust);
    fs::remove_file(scene.path("lists/ours.crl")).unwrap();
    let root = scene.ours.roots_path().join("root.pem");
    fs::copy(
        scene.theirs.roots_path().join("root.pem"),
        scene.path("roots/theirs.pem"),
    )
    .unwrap();
    let trust = scene.open();
    fs::copy(root, scene.path("roots/again.pem")).unwrap();
    assert!(trust.reload_roots(&mut Vec::new()));
    assert_eq!(judge(&trust, &scene.ours, "good"), UNTOLD);
}

#[test]
fn of_more_files_than_are_read_the_first_count_and_the_operator_is_told() {
    let mut scene = Scene::new();
    scene.revoke();
    let trust = scene.open();
    for number in 0..1024 {
        fs::write(scene.path(&format!("lists/{number}.crl")), b"").unwrap();
    }
    trust.reload(NOW);
    let said = lack(&trust);
    assert!(said.contains("more than 1024 files"), "{said}");
    assert!(said.contains(MISSED), "{said}");
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    for number in 0..1022 {
        fs::remove_file(scene.path(&format!("lists/{number}.crl"))).unwrap();
    }
    trust.reload(NOW);
    let said = lack(&trust);
    assert!(!said.contains("more than"), "{said}");
    assert!(!said.contains(MISSED), "{said}");
}

#[test]
fn those_who_wait_for_a_change_are_told_of_one_and_of_nothing_else() {
    let mut scene = Scene::new();
    let trust = scene.open();
    let mut changes = trust.changes();
    let mut changed = || {
        trust.reload(NOW);
        let changed = changes.has_changed().unwrap();
        changes.mark_unchanged();
        changed
    };
    assert!(!changed());
    scene.revoke();
    assert!(changed());
    assert!(!changed());
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    assert!(changed());
    assert!(!changed());
}

#[tokio::test]
async fn the_directories_are_read_in_time_though_the_clock_stands_or_goes_back() {
    let scene = Scene::new();
    let trust = Arc::new(scene.open());
    let (clock, hand) = Clock::by_hand(NOW);
    let shutdown = Shutdown::new();
    let every = Duration::from_millis(20);
    let (kept, stop) = (Arc::clone(&trust), shutdown.clone());
    let requests = Reload::new().requests();
    let keeper = keep_current(kept, every, clock, Readiness::new(), requests, stop);
    let keeper = tokio::spawn(keeper);
    hand.set(NOW.minus(DAY));
    let mut changes = trust.changes();
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    let read = tokio::time::timeout(PATIENCE, changes.changed()).await;
    read.expect("nothing was read").unwrap();
    assert_eq!(judge(&trust, &scene.theirs, "good"), UNTRUSTED);
    shutdown.trigger();
    keeper.await.unwrap();
}
