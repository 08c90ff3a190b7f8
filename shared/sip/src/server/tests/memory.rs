//! What peers can make the server remember.

use super::*;
use crate::answer::MAX_ADDED;
use crate::message::MAX_HEAD;

fn limited(transactions: usize, bytes: usize) -> Scene {
    let mut scene = Scene::new(udp("192.0.2.1:5070"));
    let limits = TableLimits {
        transactions,
        bytes,
    };
    scene.server = Server::new([1; 16], limits);
    scene
}

/// The largest answer that there can be.
fn largest() -> Answer {
    let fill = |answer: Answer, size: usize| {
        // What has to be escaped needs three bytes for one.
        let header = AddedHeader::identity(&";".repeat(size)).unwrap();
        answer.with(header)
    };
    let answer = Answer::redirect(Redirection::default(), Carry::Both, None);
    let size = MAX_ADDED - "Identity: \r\n".len();
    assert!(fill(answer.clone(), size + 1).is_err());
    fill(answer, size).unwrap()
}

#[test]
fn invites_without_an_answer_are_never_dropped_for_others() {
    let mut scene = limited(3, 1 << 20);
    for number in 0..3 {
        decision(&scene.send(0, &request("INVITE", number, "")));
    }
    assert_eq!(codes(&scene.send(0, &request("INVITE", 3, ""))), [503]);
    assert!(scene.send(0, &request("ACK", 3, "")).is_empty());
    let counts = scene.server.counts();
    assert_eq!((counts.full, counts.forgotten), (1, 0));
    // Nobody decides, nobody acknowledges: after 32 and 32 seconds all are forgotten.
    assert_eq!(codes(&scene.pass(32_000)), [503; 3]);
    assert_eq!(scene.server.counts().undecided, 3);
    scene.pass(64_000);
    assert_eq!(scene.server.transactions(), 0);
}

#[test]
fn the_oldest_that_was_answered_makes_room_for_a_new_call() {
    let mut scene = limited(3, 1 << 20);
    let first = decision(&scene.send(0, &request("INVITE", 1, "")));
    for number in 2..=3 {
        let id = decision(&scene.send(0, &request("INVITE", number, "")));
        scene.server.on_answer(scene.at(1), id, &redirect());
    }
    // A peer that never acknowledges keeps no call from its answer.
    for number in 4..1_000 {
        let id = decision(&scene.send(2, &request("INVITE", number, "")));
        let answer = scene.server.on_answer(scene.at(3), id, &redirect());
        assert_eq!(scene.send(4, &request("INVITE", number, "")), answer);
    }
    let counts = scene.server.counts();
    assert_eq!((counts.full, counts.forgotten), (0, 996));
    let answer = scene.server.on_answer(scene.at(5), first, &redirect());
    assert_eq!(codes(&answer), [302], "who waits is not forgotten");
}

#[test]
fn an_answer_has_the_room_that_its_invite_reserved() {
    let most = MAX_HEAD - request("INVITE", 10, "Pad: \r\n").len();
    for (padding, expected) in [(most, 3), (0, 11)] {
        let mut scene = limited(1_000, 3 * TableLimits::LEAST_BYTES);
        let padding = format!("Pad: {}\r\n", "x".repeat(padding));
        let mut waiting = Vec::new();
        let refused = loop {
            let number = 10 + u32::try_from(waiting.len()).unwrap();
            match scene
                .send(0, &request("INVITE", number, &padding))
                .as_slice()
            {
                [Action::Decide(invite)] => waiting.push(invite.id),
                other => break codes(other),
            }
        };
        assert_eq!((refused, waiting.len()), (vec![503], expected));
        for id in waiting {
            let sent = scene.server.on_answer(scene.at(1), id, &largest());
            assert_eq!(codes(&sent), [302]);
            scene.server.table.check();
        }
    }
}

#[test]
fn many_headers_that_an_answer_repeats_are_within_what_was_reserved() {
    let mut scene = limited(1, TableLimits::LEAST_BYTES);
    let via = "v:SIP/2.0/UDP h;branch=z9hG4bKa,SIP/2.0/UDP i;branch=z9hG4bKb\r\n";
    let id = decision(&scene.send(0, &request("INVITE", 1, &via.repeat(120))));
    scene.pass(200);
    scene.server.on_answer(scene.at(300), id, &largest());
    scene.server.table.check();
}
