//! Records whose certificates are no longer good: they go, alone, and with their files.

use pennyblack_trust::{Trust, TrustConfig};

use super::*;

#[test]
fn with_a_revocation_goes_the_listed_record_of_its_holder() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::new());
    let mut policy = policy(&[&holder], home.path());
    let lists = home.path().join("lists");
    std::fs::create_dir(&lists).unwrap();
    let publish = |number, is_revoked| {
        std::fs::write(lists.join("root.crl"), holder.list(number, is_revoked)).unwrap();
    };
    publish(1, false);
    let mut config = TrustConfig::new(home.path().join("roots"));
    config.revocation_lists = Some(lists.clone());
    policy.trust = Arc::new(Trust::open(&config, &home.path().join("trust"), NOW).unwrap());
    let directory = KeyDirectory::unread(policy);
    let token = holder.sign(&holder.record());
    directory.register(&token, NOW).unwrap();
    directory.drop_refused(&directory.all(), NOW);
    assert_eq!(listed(&directory), [token]);
    publish(2, true);
    directory.policy.trust.reload(NOW);
    directory.drop_refused(&directory.all(), NOW);
    assert_eq!(listed(&directory), [""; 0]);
}

/// An intermediate certificate ends before the record, for example: what was stored a second
/// before is good.
#[test]
fn what_was_stored_for_a_record_is_read_for_a_minute_after_its_certificate_is_refused() {
    let scene = Replaced::new();
    let (directory, mailbox) = (&scene.directory, scene.older.key.mailbox());
    let serves = |now| {
        (
            directory.key_for_stores(mailbox, now).is_some(),
            directory.key_for_answers(mailbox, now).is_some(),
        )
    };
    assert_eq!(serves(NOW), (true, true));
    directory.drop_refused(&directory.all(), NOW);
    let minute = Duration::from_secs(60);
    assert_eq!(serves(NOW), (false, true));
    let last = NOW.plus(minute).minus(Duration::from_secs(1));
    assert_eq!(serves(last), (false, true));
    assert_eq!(serves(NOW.plus(minute)), (false, false));
    directory.purge(NOW.plus(minute));
    assert_eq!(serves(NOW), (false, false));
}

/// A directory that has a record of each of two holders of one number, of the same key: the
/// older one, which is listed no more, and the newer one. It trusts the second holder alone.
struct Replaced {
    home: tempfile::TempDir,
    directory: KeyDirectory,
    ours: Holder,
    older: KeyRecord,
}

impl Replaced {
    fn new() -> Self {
        let (home, theirs, ours) = (tempfile::tempdir().unwrap(), Holder::new(), Holder::new());
        let directory = open(home.path(), &[&theirs, &ours], NOW);
        let older = theirs.record();
        directory.register(&theirs.sign(&older), NOW).unwrap();
        std::fs::remove_file(home.path().join("roots/0.pem")).unwrap();
        directory.policy.trust.reload(NOW);
        Self {
            home,
            directory,
            ours,
            older,
        }
    }

    fn register_newer(&self) -> String {
        let newer = self.ours.sign(&renewed(&self.older, 3 * 86_400));
        self.directory.register(&newer, NOW).unwrap();
        newer
    }

    fn files(&self) -> usize {
        let files = std::fs::read_dir(self.home.path().join("keys"));
        files.unwrap().count()
    }
}

#[test]
fn a_newer_record_stays_when_the_one_that_it_has_replaced_is_refused() {
    let scene = Replaced::new();
    let before = scene.directory.all();
    let newer = scene.register_newer();
    scene.directory.drop_refused(&before, NOW);
    assert_eq!(listed(&scene.directory), [newer]);
}

#[test]
fn the_file_of_a_refused_record_goes_when_it_ends_unless_another_is_written_there() {
    let scene = Replaced::new();
    scene.directory.drop_refused(&scene.directory.all(), NOW);
    assert_eq!(listed(&scene.directory), [""; 0]);
    // Roots may come back until then.
    scene.directory.purge(LATER);
    assert_eq!(scene.files(), 1);
    scene.directory.purge(scene.older.exp);
    assert_eq!(scene.files(), 0);

    let scene = Replaced::new();
    scene.directory.drop_refused(&scene.directory.all(), NOW);
    scene.register_newer();
    scene.directory.purge(scene.older.exp);
    assert_eq!(scene.files(), 1);

    // One that is refused at a start.
    let scene = Replaced::new();
    drop(scene.directory);
    let keys = scene.home.path().join("keys");
    let directory = KeyDirectory::open(&keys, policy(&[&scene.ours], scene.home.path()), NOW);
    let directory = directory.unwrap();
    assert_eq!(listed(&directory), [""; 0]);
    directory.purge(scene.older.exp);
    assert_eq!(std::fs::read_dir(keys).unwrap().count(), 0);
}
