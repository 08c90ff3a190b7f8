//! The dashboard in a real browser: it shows what happened, checks the double
//! spends itself, says so when it cannot, and speaks to nobody but its own server.

use std::path::Path;
use std::time::Duration;

use pennyblack_base::problem::ProblemType;
use pennyblack_issuer::signer::KeyType;
use pennyblack_sealing::envelope::{Cursor, Slots};
use pennyblack_tests::answer::Answer;
use pennyblack_tests::browser::Browser;
use pennyblack_tests::drawing::Spendable;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::scene::Scene;
use pennyblack_tests::wait::until;
use pennyblack_tests::world::World;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
/// The length of a span of rates.
const SPAN: Duration = Duration::from_secs(5);

/// Takes the browser's cryptography from the pages that are loaded from now on.
const NO_CRYPTOGRAPHY: &str =
    "Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })";

/// Checks the newest double spend with the page's own functions, after a change to it;
/// returns whether it is proven, and whether it is in the log.
fn checked_after(change: &str) -> String {
    format!(
        "return (async () => {{
            const {{ check, bytes }} = await import(new URL('check.js', location.href));
            const {{ isIncluded }} = await import(new URL('inclusion.js', location.href));
            const [entry] = (await (await fetch('double-spends.json')).json()).entries;
            const {{ log }} = await (await fetch('status.json')).json();
            let proof = await (await fetch(`double-spends/${{entry.index}}/proof`)).text();
            const flipped = (text, place) => {{
                const changed = bytes(text);
                changed[place] ^= 1;
                return btoa(String.fromCharCode(...changed));
            }};
            const [stored, later] = entry.evidence.requests;
            {change};
            const {{ proven }} = await check(entry);
            return [proven, await isIncluded(entry, proof, log.key)];
        }})()"
    )
}

/// Each makes of evidence that holds such that does not.
const TAMPERED: [(&str, &str); 9] = [
    (
        "the same request twice",
        "entry.evidence.requests[1] = stored",
    ),
    (
        "another content",
        "later.content_digest = flipped(later.content_digest, 3)",
    ),
    ("another time", "stored.created += 1"),
    (
        "a forged signature",
        "later.signature = flipped(later.signature, 40)",
    ),
    ("another CPS", "entry.evidence.cps = 'other.example'"),
    (
        "another nonce",
        "entry.evidence.token = flipped(entry.evidence.token, 2)",
    ),
    (
        "a forged token",
        "entry.evidence.token = flipped(entry.evidence.token, 353)",
    ),
    (
        "another key id",
        "entry.evidence.token = flipped(entry.evidence.token, 66)",
    ),
    (
        "another token key",
        "entry.token_key = flipped(entry.token_key, 100)",
    ),
];

async fn spend_twice(world: &World, mailbox: &Mailbox, token: &Spendable) {
    let first = world.spend(token, mailbox, "first.of.two");
    world.store(&first).await.unwrap().assert_created();
    let second = world.spend(token, mailbox, "second.of.two");
    let refused = world.store(&second).await.unwrap();
    assert_eq!(refused.problem(), ProblemType::TokenAlreadySpent);
}

async fn status(scene: &Scene) -> Value {
    let url = format!("{}status.json", scene.dashboard());
    let answer = Answer::to(scene.world.client.get(url)).await.unwrap();
    serde_json::from_slice(answer.content()).unwrap()
}

/// Lets a span of rates go by, and waits until it was noted.
async fn pass_a_span(scene: &Scene) {
    let before = status(scene).await["spans"].as_array().map_or(0, Vec::len);
    scene.hand.advance(SPAN);
    let now = scene.world.clock.now().0;
    until("the rates of a span", SOON, async || {
        let spans = status(scene).await["spans"].clone();
        let last = spans.as_array()?.last().cloned()?;
        (last[0] == now || before == 720).then_some(())
    })
    .await;
}

async fn until_logged(scene: &Scene, entries: u64) {
    until("a checkpoint over all entries", SOON, async || {
        (status(scene).await["log"]["size"] == entries).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_epochs_and_double_spends_are_shown_and_checked_without_anybody_elses_word() {
    let scene = Scene::open().await;
    let (world, browser) = (&scene.world, Browser::start().await);
    browser.go(&scene.dashboard()).await;
    let empty = browser
        .until_it_says("None: no token was spent twice")
        .await;
    assert!(empty.contains(world.cps_name().as_str()), "{empty}");
    assert!(empty.contains("ready"), "{empty}");

    let mailbox = world.mailbox().await;
    let tokens = world.draw(3).await;
    let request = world.spend(&tokens[0], &mailbox, "a.b.c");
    for _ in 0..3 {
        world.store(&request).await.unwrap().assert_created();
    }
    spend_twice(world, &mailbox, &tokens[1]).await;
    for _ in 0..4 {
        world.poll(mailbox.id(), Slots::Four, Cursor::START).await;
    }
    pass_a_span(&scene).await;
    browser.until_it_says("checked in this browser").await;
    let said = browser.until_it_says("Token already spent").await;
    assert!(said.contains("proven"), "{said}");
    let total = async |name: &str| {
        let script = format!("return document.getElementById('total-{name}').textContent");
        browser.run(&script).await.as_str().unwrap().to_owned()
    };
    assert_eq!(total("stored").await, "2");
    assert_eq!(total("replayed").await, "2");
    assert_eq!(total("double_spends").await, "1");
    assert_eq!(total("polls").await, "4");
    // One by the double spend, one by the scene, which asked for a challenge.
    let refused: u64 = total("refused").await.parse().unwrap();
    assert!(refused >= 2, "{refused}");
    let key = world.signing_key().await.id().to_string();
    let row = format!("return document.querySelector('[data-key=\"{key}\"]').innerText");
    let row = browser.run(&row).await;
    let row: Vec<_> = row.as_str().unwrap().split('\t').map(str::trim).collect();
    assert_eq!(row[4..], ["taken", "2", "2", "1", "0"], "{row:?}");
    let drawn = "return ['path', '.dot4'].map((what) => document.querySelectorAll(`#chart ${what}`).length)";
    assert_eq!(browser.run(drawn).await, Value::from(vec![4, 1]));
    let steps = "document.querySelector('#spends details').open = true;
        return [...document.querySelectorAll('.steps li')].map((step) => step.className)";
    assert_eq!(browser.run(steps).await, Value::from(vec!["holds"; 7]));

    nothing_leaves(&browser, &scene.dashboard()).await;
    no_mailbox_is_told(&scene, &mailbox).await;
    scene.close().await;
    browser.until_it_says("not answering since").await;
}

async fn nothing_leaves(browser: &Browser, page: &str) {
    let requested = browser.requested().await;
    assert!(requested.len() > 8, "{requested:?}");
    for address in requested {
        let own = address.starts_with(page) || address.starts_with("data:");
        // A new browser shows a page of its own first.
        let mut internal = ["chrome:", "chrome-untrusted:"].into_iter();
        let is_internal = internal.any(|scheme| address.starts_with(scheme));
        assert!(own || is_internal, "{address} was asked for");
    }
    let elsewhere = "return fetch('http://127.0.0.2:9/').then(() => 'fetched', () => 'refused')";
    let refused = "new Promise((told) => addEventListener('securitypolicyviolation', (event) => told(event.effectiveDirective)))";
    let asked = elsewhere.strip_prefix("return ").unwrap();
    let both = format!("return Promise.all([{refused}, {asked}])");
    let expected = serde_json::json!(["connect-src", "refused"]);
    assert_eq!(browser.run(&both).await, expected);
}

async fn no_mailbox_is_told(scene: &Scene, mailbox: &Mailbox) {
    for file in ["status.json", "double-spends.json", "double-spends/1/proof"] {
        let url = format!("{}{file}", scene.dashboard());
        let answer = Answer::to(scene.world.client.get(url)).await.unwrap();
        assert_eq!(answer.status, 200, "{file}");
        let (text, id) = (answer.text(), mailbox.id());
        assert!(!text.contains(&id.to_string()), "a mailbox in {file}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_was_changed_is_not_proven_in_the_browser() {
    let scene = Scene::open().await;
    let (world, browser) = (&scene.world, Browser::start().await);
    let (mailbox, token) = (world.mailbox().await, world.draw_one().await);
    spend_twice(world, &mailbox, &token).await;
    // The key epoch, the mailbox's record, the double spend.
    until_logged(&scene, 3).await;
    browser.go(&scene.dashboard()).await;
    let whole = browser.run(&checked_after("")).await;
    assert_eq!(whole, serde_json::json!([true, true]));
    for (what, change) in TAMPERED {
        let found = browser.run(&checked_after(change)).await;
        assert_eq!(found[0], false, "{what}");
    }
    for change in [
        "entry.minute += 60",
        "entry.index = 0",
        "stored.created += 1",
        "log.key = log.key.slice(0, -4) + 'AAA='",
        r"proof = proof.replace(/\n3\n/, '\n4\n')",
        "proof = proof.split('\\n').toSpliced(3, 1).join('\\n')",
    ] {
        let found = browser.run(&checked_after(change)).await;
        assert_eq!(found[1], false, "{change}");
    }

    // A browser that cannot check says so, and shows what the server found.
    let source = serde_json::json!({ "source": NO_CRYPTOGRAPHY });
    let added = browser.devtools("Page.addScriptToEvaluateOnNewDocument", source);
    added.await;
    browser.go(&scene.dashboard()).await;
    let said = browser.until_it_says("checked by the server").await;
    assert!(said.contains("whose word you have for it"), "{said}");
    assert!(said.contains("proven"), "{said}");
    assert!(!said.contains("checked in this browser"), "{said}");
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_double_spends_the_older_ones_are_shown_on_demand() {
    let scene = Scene::open().await;
    let (world, browser) = (&scene.world, Browser::start().await);
    let mailbox = world.mailbox().await;
    // Before the double spends are the key epoch and the mailbox's record.
    until_logged(&scene, 2).await;
    for token in world.draw(23).await {
        spend_twice(world, &mailbox, &token).await;
    }
    until_logged(&scene, 25).await;
    browser.go(&scene.dashboard()).await;
    let places = "return [...document.querySelectorAll('#spends > li')].map((item) => Number(item.dataset.index))";
    let until_listed = async |expected: Vec<u64>| {
        until("the list of double spends", SOON, async || {
            (browser.run(places).await == Value::from(expected.clone())).then_some(())
        })
        .await;
    };
    until_listed((5..=24).rev().collect()).await;
    browser
        .run("document.getElementById('older').click()")
        .await;
    until_listed((2..=24).rev().collect()).await;
    // A new one comes to the others.
    spend_twice(world, &mailbox, &world.draw_one().await).await;
    until_listed((2..=25).rev().collect()).await;
    let last = browser.run("return document.getElementById('older').hidden");
    assert_eq!(last.await, true);
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_ready_says_why_and_voprf_tokens_are_not_called_proven() {
    let scene = Scene::open_with(|world| {
        world.issuer.token_keys.token_type = KeyType::VoprfRistretto255;
        let keys = world.issuer.issuer.data_directory.join("keys");
        world.cps.issuer[0].voprf_keys = Some(keys);
    })
    .await;
    let (world, browser) = (&scene.world, Browser::start().await);
    let (mailbox, token) = (world.mailbox().await, world.draw_one().await);
    spend_twice(world, &mailbox, &token).await;
    browser.go(&scene.dashboard()).await;
    let said = browser.until_it_says("checked in this browser").await;
    assert!(said.contains("both signed"), "{said}");
    assert!(!said.contains("proven"), "{said}");

    // Roots that are gone when they are read again.
    std::fs::remove_dir_all(world.cps.trust.roots.clone()).unwrap();
    scene.hand.advance(world.cps.trust.reload);
    let said = browser.until_it_says("not ready").await;
    let lacking = status(&scene).await["lacking"].clone();
    let reason = lacking[0]["reason"].as_str().unwrap().to_owned();
    assert!(said.contains(&reason), "{reason} is not in {said}");
    scene.close().await;
}

/// Not a test: an hour of traffic, and pictures of it for the documentation, in the
/// directory that `PENNYBLACK_SCREENSHOTS` names, from the root of the repository.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes the pictures of docs/dashboard.md"]
async fn pictures() {
    let home = std::env::var_os("PENNYBLACK_SCREENSHOTS");
    let home = home.expect("PENNYBLACK_SCREENSHOTS names no directory");
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(home);
    let scene = Scene::open_with(|world| world.issuer.quota.tokens = 100_000).await;
    an_hour(&scene).await;
    let browser = Browser::start().await;
    browser.go(&scene.dashboard()).await;
    browser.until_it_says("checked in this browser").await;
    let count = "return document.querySelectorAll('.badge.sound').length";
    until("all verdicts", SOON, async || {
        (browser.run(count).await == 5).then_some(())
    })
    .await;
    let open_first = "document.querySelector('#spends details').open = true";
    for (name, width, height, dark) in [
        ("dashboard-light.png", 960, None, false),
        ("dashboard-narrow.png", 400, Some(860), false),
        ("dashboard-dark.png", 960, Some(1_190), true),
    ] {
        if dark {
            browser.run(open_first).await;
        }
        let picture = browser.picture(width, height, dark).await;
        std::fs::write(home.join(name), picture).unwrap();
    }
    scene.close().await;
}

/// Traffic that comes and goes, with a burst of what must not be.
async fn an_hour(scene: &Scene) {
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    let mut tokens = world.draw(5_000).await.into_iter();
    for span in 0..720_u32 {
        let wave = 3.0 + 2.5 * (f64::from(span) / 115.0).sin() + f64::from(span * 7 % 5) / 2.0;
        for _ in 0..wave.round() as u32 {
            let request = world.spend(&tokens.next().unwrap(), &mailbox, "a.b.c");
            world.store(&request).await.unwrap().assert_created();
            if span % 11 == 0 {
                world.store(&request).await.unwrap().assert_created();
            }
        }
        for _ in 0..(wave * 2.2).round() as u32 + span % 3 {
            world.poll(mailbox.id(), Slots::Four, Cursor::START).await;
        }
        let in_burst = (430..450).contains(&span);
        for _ in 0..if in_burst {
            8
        } else {
            u32::from(span % 40 == 0)
        } {
            let mut forged = tokens.next().unwrap();
            forged.token.authenticator[7] ^= 1;
            let forged = world.spend(&forged, &mailbox, "a.b.c");
            let refused = world.store(&forged).await.unwrap();
            assert_eq!(refused.problem(), ProblemType::TokenInvalid);
        }
        if span % 150 == 40 {
            spend_twice(world, &mailbox, &tokens.next().unwrap()).await;
        }
        pass_a_span(scene).await;
    }
}
