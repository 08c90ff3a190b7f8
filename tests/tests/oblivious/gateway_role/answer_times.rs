//! When answers to oblivious polls leave.

use std::time::{Duration, Instant};

use pennyblack_tests::sealed::{ask, first_key, inner_get};

use super::gateway;

const DELAY: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread")]
async fn sealed_polls_and_their_refusals_leave_at_their_times_and_other_answers_at_once() {
    let scene = gateway(|world| world.cps.retrieval.answer_delay = DELAY).await;
    let world = &scene.world;
    let key = first_key(world).await;
    let mailbox = world.mailbox().await;
    let id = mailbox.id();
    for (path, is_delayed) in [
        (format!("/v1/mailboxes/{id}?slots=4"), true),
        (format!("/v1/mailboxes/{id}?slots=256"), true),
        (format!("/v1/mailboxes/{id}?slots=5"), true),
        ("/v1/mailboxes/x".to_owned(), true),
        ("/log/key".to_owned(), false),
    ] {
        let request = inner_get(world, &path);
        let mut fastest = Duration::MAX;
        // A machine that is busy elsewhere comes late, and not every time.
        for _ in 0..20 {
            let asked = Instant::now();
            ask(world, &key, &request).await;
            fastest = fastest.min(asked.elapsed());
            if !is_delayed && fastest < DELAY || is_delayed && fastest < 2 * DELAY {
                break;
            }
        }
        assert_eq!(fastest >= DELAY, is_delayed, "{path}: {fastest:?}");
        assert!(fastest < 2 * DELAY, "{path}: {fastest:?}");
    }
    scene.close().await;
}
