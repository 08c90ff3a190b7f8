//! What operators, and the machines between them and an authority, do to files of roots
//! and lists: none of it makes a revoked certificate good again, or keeps a root.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_base::time::UnixTime;
use pennyblack_pki::{CaNames, LeafRequest, PkiDirectory, RevocationReason, TnAuthEntry};
use pennyblack_stir::certificates_of_file;
use pennyblack_stir::jws::{CertificateReference, X5c};
use tempfile::TempDir;

use super::*;

mod hostile;

const NOW: UnixTime = UnixTime(1_795_000_000);
const DAY: Duration = Duration::from_secs(86_400);

/// A service's directories, and two authorities with a carrier each that is in good
/// standing and one that will not be.
struct Scene {
    home: TempDir,
    ours: PkiDirectory,
    theirs: PkiDirectory,
}

impl Scene {
    /// Both roots and both lists are in place.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let scene = Self {
            ours: authority(&home.path().join("ours")),
            theirs: authority(&home.path().join("theirs")),
            home,
        };
        for (pki, name) in [(&scene.ours, "ours"), (&scene.theirs, "theirs")] {
            fs::create_dir_all(scene.path("roots")).unwrap();
            fs::create_dir_all(scene.path("lists")).unwrap();
            let root = pki.roots_path().join("root.pem");
            fs::copy(root, scene.path(&format!("roots/{name}.pem"))).unwrap();
            scene.put_list(name, &current_list(pki));
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn put_list(&self, name: &str, list: &[u8]) {
        fs::write(self.path(&format!("lists/{name}.crl")), list).unwrap();
    }

    fn try_open(&self) -> Result<Trust, TrustError> {
        let mut config = TrustConfig::new(self.path("roots"));
        config.revocation_lists = Some(self.path("lists"));
        Trust::open(&config, &self.path("trust"), NOW)
    }

    fn open(&self) -> Trust {
        self.try_open().unwrap()
    }

    /// Our authority revokes its bad carrier. Returns its list from before.
    fn revoke(&mut self) -> Vec<u8> {
        let before = current_list(&self.ours);
        let reason = RevocationReason::KeyCompromise;
        self.ours.revoke("bad", reason, DAY, NOW).unwrap();
        self.put_list("ours", &current_list(&self.ours));
        before
    }
}

fn authority(path: &Path) -> PkiDirectory {
    let names = CaNames {
        organization: path.file_name().unwrap().to_string_lossy().into_owned(),
    };
    let mut pki = PkiDirectory::init(path, &names, DAY, NOW).unwrap();
    let request = LeafRequest::new(vec![TnAuthEntry::spc("683G").unwrap()]);
    for name in ["good", "bad"] {
        pki.issue(name, &request, None, NOW).unwrap();
    }
    pki
}

fn current_list(pki: &PkiDirectory) -> Vec<u8> {
    fs::read(pki.revocation_path().join("sti-pa.crl")).unwrap()
}

fn judge(trust: &Trust, pki: &PkiDirectory, name: &str) -> Result<(), ProblemType> {
    let path = pki.credential(name).unwrap().path().to_vec();
    let reference = CertificateReference::X5c(X5c::new(path).unwrap());
    let verdict = trust.verify(&reference, NOW);
    verdict.map(drop).map_err(|error| error.problem_type())
}

const REVOKED: Result<(), ProblemType> = Err(ProblemType::CertificateRevoked);
const UNTRUSTED: Result<(), ProblemType> = Err(ProblemType::CertificateUntrusted);
const UNTOLD: Result<(), ProblemType> = Err(ProblemType::RevocationUnavailable);

/// What the operator is told, whether the service is ready or not.
fn lack(trust: &Trust) -> String {
    [trust.lack(NOW), trust.warnings(NOW)]
        .map(Option::unwrap_or_default)
        .join("; ")
}

#[test]
fn an_older_list_that_is_put_back_makes_no_revoked_certificate_good_again() {
    let mut scene = Scene::new();
    let before = scene.revoke();
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    scene.put_list("ours", &before);
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    let said = lack(&trust);
    assert!(
        said.contains("lists/ours.crl") && said.contains("--accept-older-lists"),
        "{said}"
    );

    // Nor after a restart, when nobody has the newer list any more.
    drop(trust);
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.ours, "bad"), UNTOLD);
    assert_eq!(judge(&trust, &scene.ours, "good"), UNTOLD);
    let said = lack(&trust);
    assert!(
        said.contains("lists/ours.crl") && said.contains("--accept-older-lists"),
        "{said}"
    );
    scene.put_list("ours", &current_list(&scene.ours));
    trust.reload(NOW);
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
}

#[test]
fn an_older_list_beside_the_current_one_does_no_harm() {
    let mut scene = Scene::new();
    let before = scene.revoke();
    let trust = scene.open();
    for name in ["0-old", "z-old"] {
        scene.put_list(name, &before);
        trust.reload(NOW);
        assert_eq!(trust.lack(NOW), None);
        assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    }
    drop(trust);
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
}

#[test]
fn a_list_that_is_taken_away_is_missed_though_another_covers_everything() {
    let mut scene = Scene::new();
    scene.revoke();
    let trust = scene.open();
    fs::remove_file(scene.path("lists/ours.crl")).unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    assert!(
        lack(&trust).contains("is in no file of lists"),
        "{}",
        lack(&trust)
    );
    drop(trust);
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.ours, "bad"), UNTOLD);
    assert!(
        lack(&trust).contains("is in no file of lists"),
        "{}",
        lack(&trust)
    );
}

#[test]
fn only_the_operator_accepts_older_lists_and_only_while_the_service_is_down() {
    let mut scene = Scene::new();
    let before = scene.revoke();
    let trust = scene.open();
    scene.put_list("ours", &before);
    let marks = scene.path("trust");
    let refused = Trust::accept_older_lists(&marks);
    assert!(
        matches!(refused, Err(TrustError::MarksDirectory(_))),
        "{refused:?}"
    );
    drop(trust);
    assert!(Trust::accept_older_lists(&marks).unwrap());
    assert!(!Trust::accept_older_lists(&marks).unwrap());
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    assert_eq!(judge(&trust, &scene.ours, "bad"), Ok(()));
}

#[test]
fn marks_that_are_damaged_keep_a_service_from_starting_until_the_operator_decides() {
    let scene = Scene::new();
    drop(scene.open());
    fs::write(scene.path("trust/lists.json"), b"[{}]").unwrap();
    let refused = scene.try_open().unwrap_err().to_string();
    assert!(refused.contains("--accept-older-lists"), "{refused}");
    Trust::accept_older_lists(&scene.path("trust")).unwrap();
    assert_eq!(scene.open().lack(NOW), None);
}

#[test]
fn a_root_that_is_taken_away_is_gone_whatever_is_broken_beside_it() {
    let mut scene = Scene::new();
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.theirs, "good"), Ok(()));
    scene.put_list("broken", b"-----BEGIN X509 CRL-----\ncut");
    fs::write(
        scene.path("roots/broken.pem"),
        b"-----BEGIN CERTIFICATE-----\n",
    )
    .unwrap();
    scene.revoke();
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    trust.reload(NOW);
    // Their root is gone, our new list is read, and the rest goes on.
    assert_eq!(judge(&trust, &scene.theirs, "good"), UNTRUSTED);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    let said = lack(&trust);
    for file in ["lists/broken.crl", "roots/broken.pem", "lists/theirs.crl"] {
        assert!(said.contains(file), "{file}: {said}");
    }
    // A service that starts among the broken files judges alike.
    drop(trust);
    let trust = scene.open();
    assert_eq!(judge(&trust, &scene.theirs, "good"), UNTRUSTED);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
}

#[test]
fn what_cannot_be_read_in_a_file_of_roots_is_named_and_stops_nothing() {
    let scene = Scene::new();
    let root = |name| fs::read(scene.path(&format!("{name}/roots/root.pem"))).unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let cut = "-----BEGIN CERTIFICATE-----\ncut\n";
    let bundle = [
        b"\xef\xbb\xbf",
        broken.as_bytes(),
        cut.as_bytes(),
        &root("theirs"),
    ]
    .concat();
    fs::write(scene.path("roots/bundle.CRT"), bundle).unwrap();
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    let ours = certificates_of_file(&root("ours")).unwrap();
    fs::write(scene.path("roots/ours.der"), &ours[0]).unwrap();
    fs::remove_file(scene.path("roots/ours.pem")).unwrap();
    fs::write(scene.path("roots/README"), b"whose roots these are").unwrap();
    scene.put_list("broken", b"-----BEGIN X509 CRL-----\ncut");
    let trust = scene.open();
    assert_eq!(trust.lack(NOW), None);
    for pki in [&scene.ours, &scene.theirs] {
        assert_eq!(judge(&trust, pki, "good"), Ok(()));
    }
    let said = trust.warnings(NOW).unwrap();
    for part in [
        "bundle.CRT: root 1",
        "bundle.CRT: line 4",
        "README",
        "broken.crl: line 1",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn with_a_root_go_the_lists_that_only_it_vouches_for() {
    let scene = Scene::new();
    fs::remove_file(scene.path("lists/ours.crl")).unwrap();
    let trust = scene.open();
    // Their list is an indirect one, and serves every authority below the roots.
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    fs::remove_file(scene.path("roots/theirs.pem")).unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "good"), UNTOLD);
    scene.put_list("ours", &current_list(&scene.ours));
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
}

#[test]
fn a_root_whose_file_breaks_is_trusted_no_more_and_one_that_cannot_be_reached_stays() {
    let scene = Scene::new();
    let trust = scene.open();
    let (ours, theirs) = (scene.path("roots/ours.pem"), scene.path("roots/theirs.pem"));
    fs::write(&ours, b"not a root").unwrap();
    fs::remove_file(&theirs).unwrap();
    // Not even root may follow a link that leads nowhere but to itself.
    symlink(&theirs, &theirs).unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "good"), UNTRUSTED);
    assert_eq!(judge(&trust, &scene.theirs, "good"), Ok(()));
    let said = lack(&trust);
    assert!(
        said.contains("ours.pem") && said.contains("theirs.pem"),
        "{said}"
    );
    fs::remove_dir_all(scene.path("roots")).unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.theirs, "good"), UNTRUSTED);
}

#[test]
fn a_directory_of_lists_that_cannot_be_read_leaves_the_lists_in_force() {
    let mut scene = Scene::new();
    scene.revoke();
    let trust = scene.open();
    fs::remove_dir_all(scene.path("lists")).unwrap();
    fs::write(scene.path("lists"), b"a file").unwrap();
    trust.reload(NOW);
    assert_eq!(judge(&trust, &scene.ours, "bad"), REVOKED);
    assert_eq!(judge(&trust, &scene.ours, "good"), Ok(()));
    assert!(
        lack(&trust).contains("check path and permissions"),
        "{}",
        lack(&trust)
    );
    let late = NOW.plus(DAY + DAY);
    assert!(trust.lack(late).unwrap().contains("no list in"));
    assert!(trust.warnings(late).unwrap().contains("was due"));
}
