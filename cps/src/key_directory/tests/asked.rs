//! Records of carriers whose certificates have an SPC and no numbers, at a CPS that asks a
//! numbering service.

use std::sync::Mutex;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::routing::get;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName};
use pennyblack_protocol::key_record::KeyRecordError;
use pennyblack_runtime::reload::Reread as _;
use pennyblack_trust::VerificationPool;

use super::holder::NUMBER;
use super::*;
use crate::key_directory::{AskedNumbering, Registry};

/// What the service answers next, and how often it was asked.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<(Option<&'static str>, usize)>>);

impl Answers {
    fn set(&self, spc: Option<&'static str>) {
        self.0.lock().unwrap().0 = spc;
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().1
    }

    async fn serve(&self) -> String {
        async fn answer(
            State(answers): State<Answers>,
            UrlPath(number): UrlPath<String>,
        ) -> Result<([(HeaderName, &'static str); 1], String), StatusCode> {
            assert_eq!(number, NUMBER);
            let mut answers = answers.0.lock().unwrap();
            answers.1 += 1;
            let spc = answers.0.ok_or(StatusCode::NOT_FOUND)?;
            let json = serde_json::json!({ "spc": spc }).to_string();
            Ok(([(CONTENT_TYPE, "application/json")], json))
        }
        let router = Router::new().route("/numbers/{number}", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = router.with_state(self.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        format!("http://localhost:{port}")
    }
}

fn registry(holder: &Holder, home: &Path, service: &str) -> (Arc<KeyDirectory>, Registry) {
    let mut policy = policy(&[holder], home);
    let path = home.join("numbering-answers.csv");
    let asked = AskedNumbering::open(service.parse().unwrap(), &path).unwrap();
    policy.asked = Some(Arc::new(asked));
    let directory = KeyDirectory::open(&home.join("keys"), policy, NOW).unwrap();
    let directory = Arc::new(directory);
    let pool = Arc::new(VerificationPool::start().unwrap());
    (Arc::clone(&directory), Registry::own(directory, pool))
}

#[tokio::test]
async fn a_numbering_service_is_asked_at_each_registration_and_at_nothing_else() {
    let (home, holder, answers) = (
        tempfile::tempdir().unwrap(),
        Holder::of_spc(),
        Answers::default(),
    );
    let service = answers.serve().await;
    let (directory, registry) = registry(&holder, home.path(), &service);
    let mut record = KeyRecord {
        iss: "683G".to_owned(),
        ..holder.record()
    };
    let not_held = |refused: Result<Registered, Refusal>| {
        matches!(
            refused,
            Err(Refusal::Record(KeyRecordError::NotHeld { .. }))
        )
    };
    let unknown = registry.register(holder.sign(&record), NOW).await;
    assert!(
        matches!(
            unknown,
            Err(Refusal::Record(KeyRecordError::UnknownHolder { .. }))
        ),
        "{unknown:?}"
    );
    answers.set(Some("683g"));
    let stored = registry.register(holder.sign(&record), NOW).await.unwrap();
    assert_eq!(stored, Registered::Stored);
    assert_eq!(answers.asked(), 2);

    // Neither a look-up nor a restart asks, nor a stranger's record.
    let number = NUMBER.parse().unwrap();
    assert_eq!(directory.of_number(&number, NOW).len(), 1);
    drop((directory, registry));
    let (directory, registry) = self::registry(&holder, home.path(), &service);
    assert_eq!(directory.of_number(&number, NOW).len(), 1);
    let forged = Holder::of_spc().sign(&record);
    assert!(registry.register(forged, NOW).await.is_err());
    assert_eq!(answers.asked(), 2);

    // Ported: the next record is refused, the one before goes on until it ends.
    answers.set(Some("709J"));
    record.iat = NOW.plus(Duration::from_secs(1));
    let later = NOW.plus(Duration::from_secs(2));
    assert!(not_held(
        registry.register(holder.sign(&record), later).await
    ));
    assert_eq!(directory.of_number(&number, later).len(), 1);
}

#[tokio::test]
async fn a_numbering_service_that_does_not_answer_is_no_answer() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_spc());
    let (_directory, registry) = registry(&holder, home.path(), "http://localhost:1");
    let record = KeyRecord {
        iss: "683G".to_owned(),
        ..holder.record()
    };
    let refused = registry.register(holder.sign(&record), NOW).await;
    assert!(matches!(refused, Err(Refusal::Numbering(_))), "{refused:?}");
}

#[test]
fn a_table_that_is_replaced_counts_and_one_that_cannot_be_read_changes_nothing() {
    let (home, holder) = (tempfile::tempdir().unwrap(), Holder::of_spc());
    let file = home.path().join("table.csv");
    let put = |rows: &str| std::fs::write(&file, format!("spc,first,count\n{rows}")).unwrap();
    put("");
    let path = file.clone();
    let read = move || NumberingTable::parse(&std::fs::read(&path).unwrap());
    let table = FromFiles::open("the table of a test", read).unwrap();
    let mut policy = policy(&[&holder], home.path());
    policy.numbering = Some(Arc::clone(&table));
    let directory = KeyDirectory::unread(policy);
    let record = KeyRecord {
        iss: "683G".to_owned(),
        ..holder.record()
    };
    let register = || directory.register(&holder.sign(&record), NOW).is_ok();
    assert!(!register());
    put(&format!("683G,{NUMBER},1\n"));
    assert!(!register());
    table.reread();
    assert!(register());
    put("no row\n");
    table.reread();
    assert!(register());
}
