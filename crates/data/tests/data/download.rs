//! From an address to a verified archive.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rtrl_data::{DataError, Outcome};

use crate::server::{Fixture, Reply, Server, Then, content, sha256, size};

/// Odd, and more than one piece of a body.
const LENGTH: usize = 200_001;
const HALF: usize = 100_000;

#[test]
fn a_dataset_is_fetched_once_and_checked_ever_after() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |_, _| Reply::whole(&content(LENGTH)));
    assert_eq!(fixture.get(&[&server.url]).unwrap(), Outcome::Fetched);
    fixture.has(&text);
    let source = std::fs::read_to_string(fixture.file("SOURCE.md")).unwrap();
    assert!(source.contains("none needed") && source.contains("a test"), "{source}");
    let sums = std::fs::read_to_string(fixture.file("SHA256SUMS")).unwrap();
    assert_eq!(sums, format!("{}  letters.txt\n", sha256(&text)));

    assert_eq!(fixture.get(&[&server.url]).unwrap(), Outcome::Present);
    assert_eq!(server.seen().len(), 1);

    std::fs::write(fixture.file("letters.txt"), "my own").unwrap();
    assert!(matches!(fixture.get(&[&server.url]), Err(DataError::Changed { .. })));
    assert_eq!(std::fs::read(fixture.file("letters.txt")).unwrap(), b"my own");

    std::fs::remove_file(fixture.file("letters.txt")).unwrap();
    assert_eq!(fixture.get(&[&server.url]).unwrap(), Outcome::Fetched);
    fixture.has(&text);
}

#[test]
fn a_body_cut_short_is_gone_on_with() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |_, seen| {
        let reply = match seen.from() {
            0 => Reply::whole(&text).cut(HALF),
            first => Reply::range(&text, first),
        };
        reply.header("ETag: \"v1\"")
    });
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
    let seen = server.seen();
    assert_eq!(server.starts(), [0, HALF]);
    assert_eq!((&seen[0].if_range, seen[1].if_range.as_deref()), (&None, Some("\"v1\"")));
}

#[test]
fn a_body_without_a_length_cut_short_is_gone_on_with() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |_, seen| match seen.from() {
        0 => Reply::new("200 OK").body(&text[..HALF]),
        first => Reply::range(&text, first),
    });
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
    assert_eq!(server.starts(), [0, HALF]);
}

#[test]
fn attempts_are_limited_and_what_arrived_is_kept() {
    let fixture = Fixture::plain(&content(LENGTH));
    let server = Server::start(|_, _| Reply::whole(&content(LENGTH)).cut(HALF));
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains("3 attempts"), "{message}");
    assert_eq!(server.starts(), [0, HALF, HALF]);
    assert_eq!(size(&fixture.part()), HALF as u64);
}

#[test]
fn attempts_that_bring_much_do_not_count_as_failed() {
    let large = content(6 << 20);
    let mut fixture = Fixture::plain(&large);
    fixture.settings.attempts = 2;
    let step = (1 << 20) + 1;
    let server = Server::start(move |_, seen| match seen.from() {
        0 => Reply::whole(&large).cut(step),
        first => Reply::range(&large, first).cut(step),
    });
    fixture.get(&[&server.url]).unwrap();
    assert_eq!(server.starts(), [0, step, 2 * step, 3 * step, 4 * step, 5 * step]);
}

#[test]
fn a_server_that_knows_no_ranges_is_started_again_with() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |number, _| match number {
        0 => Reply::whole(&text).cut(HALF),
        _ => Reply::whole(&text),
    });
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
    assert_eq!(server.starts(), [0, HALF]);
}

#[test]
fn another_range_than_asked_for_is_not_spliced() {
    let text = content(LENGTH);
    for (first, tag) in [(HALF - 1, "ETag: \"v1\""), (HALF, "ETag: \"v2\"")] {
        let fixture = Fixture::plain(&text);
        let text = text.clone();
        let server = Server::start(move |number, _| match number {
            0 => Reply::whole(&text).cut(HALF).header("ETag: \"v1\""),
            1 => Reply::range(&text, first).header(tag),
            _ => Reply::whole(&text),
        });
        fixture.get(&[&server.url]).unwrap();
        fixture.has(&content(LENGTH));
        assert_eq!(server.starts(), [0, HALF, 0]);
    }
}

#[test]
fn a_file_that_changed_meanwhile_is_not_spliced() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |number, seen| match (number, seen.if_range.as_deref()) {
        (0, _) => Reply::whole(&[7; LENGTH]).cut(HALF).header("ETag: \"old\""),
        (_, Some("\"old\"")) => Reply::whole(&text).header("ETag: \"new\""),
        (_, _) => Reply::range(&text, seen.from()).header("ETag: \"new\""),
    });
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
}

#[test]
fn an_earlier_call_is_gone_on_with() {
    let text = content(LENGTH);
    // What is known of what has arrived, and what the server must be told of it.
    let cases = [(None, None), (Some("\"v1\""), Some("\"v1\"")), (Some("W/\"v1\""), None)];
    for (known, told) in cases {
        let fixture = Fixture::plain(&text);
        let text = text.clone();
        let server = Server::start(move |_, seen| Reply::range(&text, seen.from()));
        std::fs::write(fixture.part(), &content(LENGTH)[..HALF]).unwrap();
        if let Some(tag) = known {
            std::fs::write(fixture.tag(), format!("{}\n{tag}\n", server.url)).unwrap();
        }
        fixture.get(&[&server.url]).unwrap();
        fixture.has(&content(LENGTH));
        assert_eq!(server.starts(), [HALF]);
        assert_eq!(server.seen()[0].if_range.as_deref(), told);
    }
}

#[test]
fn a_tag_of_another_address_is_not_sent() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |_, seen| Reply::range(&text, seen.from()));
    std::fs::write(fixture.part(), &content(LENGTH)[..HALF]).unwrap();
    std::fs::write(fixture.tag(), "http://elsewhere.invalid/\n\"v1\"\n").unwrap();
    fixture.get(&[&server.url]).unwrap();
    assert_eq!(server.seen()[0].if_range, None);
}

#[test]
fn a_whole_part_needs_no_request_and_a_longer_one_is_dropped() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(|_, _| Reply::whole(&content(LENGTH)));
    std::fs::write(fixture.part(), &text).unwrap();
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&text);
    assert_eq!(server.seen().len(), 0);

    let fixture = Fixture::plain(&text);
    std::fs::write(fixture.part(), content(LENGTH + 1)).unwrap();
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&text);
    assert_eq!(server.starts(), [0]);
}

#[test]
fn a_range_that_cannot_be_satisfied_starts_again() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |_, seen| match seen.from() {
        0 => Reply::whole(&text),
        _ => Reply::new("416 Range Not Satisfiable").header("Content-Range: bytes */5"),
    });
    std::fs::write(fixture.part(), [0; 10]).unwrap();
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
    assert_eq!(server.starts(), [10, 0]);
}

#[test]
fn a_stalled_body_is_given_up_and_gone_on_with() {
    let text = content(LENGTH);
    let mut fixture = Fixture::plain(&text);
    fixture.settings.stall = Duration::from_millis(200);
    // On a busy machine more attempts than the first may come too late.
    fixture.settings.attempts = 50;
    let server = Server::start(move |number, seen| match number {
        0 => Reply::whole(&text).cut(HALF).then(Then::Stall),
        _ => Reply::range(&text, seen.from()),
    });
    let started = Instant::now();
    fixture.get(&[&server.url]).unwrap();
    assert!(started.elapsed() < Duration::from_secs(15), "the stall was waited out");
    fixture.has(&content(LENGTH));
    assert_eq!(server.starts()[..2], [0, HALF]);
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    for then in [Then::Stall, Then::Trickle] {
        let mut fixture = Fixture::plain(&content(LENGTH));
        fixture.settings.stall = Duration::from_millis(100);
        let server = Server::start(move |_, _| Reply::endless_head(then));
        let started = Instant::now();
        let message = fixture.refused(&[&server.url]);
        assert!(started.elapsed() < Duration::from_secs(15));
        assert!(message.contains("3 attempts"), "{message}");
    }
}

#[test]
fn redirects_are_followed_up_to_a_limit() {
    let text = content(LENGTH);
    let fixture = Fixture::plain(&text);
    let server = Server::start(move |_, seen| match seen.path.as_str() {
        "/file" => Reply::new("302 Found").header("Location: /elsewhere").header("Content-Length: 0"),
        _ => Reply::range(&text, seen.from()),
    });
    std::fs::write(fixture.part(), &content(LENGTH)[..HALF]).unwrap();
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
    assert_eq!(server.starts(), [HALF, HALF]);

    let fixture = Fixture::plain(&content(LENGTH));
    let server =
        Server::start(|_, _| Reply::new("302 Found").header("Location: /file").header("Content-Length: 0"));
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains("redirect"), "{message}");
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn another_length_is_refused_before_anything_is_written() {
    for length in [LENGTH - 1, LENGTH + 1] {
        let fixture = Fixture::plain(&content(LENGTH));
        let server = Server::start(move |_, _| Reply::whole(&content(length)));
        let message = fixture.refused(&[&server.url]);
        assert!(message.contains(&format!("offers {length} bytes, expected {LENGTH}")), "{message}");
        assert_eq!(server.seen().len(), 1);
        assert!(fixture.listing().is_empty());
    }
    let fixture = Fixture::plain(&content(LENGTH));
    let server = Server::start(|_, seen| Reply::range(&content(LENGTH + 1), seen.from()));
    std::fs::write(fixture.part(), [0; HALF]).unwrap();
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains("offers 200002 bytes"), "{message}");
    assert_eq!(size(&fixture.part()), HALF as u64);
}

#[test]
fn a_body_without_end_is_cut() {
    let fixture = Fixture::plain(&content(LENGTH));
    let server = Server::start(|_, _| Reply::new("200 OK").body(&[1; 5000]).then(Then::Repeat));
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains("more than the 200001 bytes"), "{message}");
    assert_eq!(server.seen().len(), 1);
    assert!(fixture.listing().is_empty());
}

#[test]
fn another_content_is_dropped_and_both_hashes_are_told() {
    let fixture = Fixture::plain(&content(LENGTH));
    let server = Server::start(|_, _| Reply::whole(&[3; LENGTH]).header("ETag: \"v1\""));
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains(fixture.dataset.sha256), "{message}");
    assert!(message.contains(&sha256(&[3; LENGTH])), "{message}");
    assert!(fixture.listing().is_empty());
}

#[test]
fn refusals_are_final_and_failures_are_not() {
    let fixture = Fixture::plain(&content(LENGTH));
    let server = Server::start(|_, _| Reply::new("404 Not Found").header("Content-Length: 0"));
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains("404") && message.contains(&server.url), "{message}");
    assert_eq!(server.seen().len(), 1);

    let server = Server::start(|_, _| Reply::new("503 Busy").header("Content-Length: 0"));
    let message = fixture.refused(&[&server.url]);
    assert!(message.contains("503"), "{message}");
    assert_eq!(server.seen().len(), 3);

    let server = Server::start(|number, _| match number {
        0 | 1 => Reply::new("500 Internal Server Error").header("Content-Length: 0"),
        _ => Reply::whole(&content(LENGTH)),
    });
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
}

#[test]
fn the_next_address_is_tried() {
    let fixture = Fixture::plain(&content(LENGTH));
    let gone = Server::start(|_, _| Reply::new("410 Gone").header("Content-Length: 0"));
    let wrong = Server::start(|_, _| Reply::whole(&[3; LENGTH]));
    let right = Server::start(|_, _| Reply::whole(&content(LENGTH)));
    fixture.get(&[&gone.url, &wrong.url, &right.url]).unwrap();
    fixture.has(&content(LENGTH));

    let fixture = Fixture::plain(&content(LENGTH));
    let message = fixture.refused(&[&gone.url, &wrong.url]);
    assert!(message.contains(&gone.url) && message.contains(&wrong.url), "{message}");
}

#[test]
fn an_interruption_ends_a_stalled_download_and_keeps_what_arrived() {
    let fixture = Fixture::plain(&content(LENGTH));
    let server = Server::start(|_, seen| match seen.from() {
        0 => Reply::whole(&content(LENGTH)).cut(HALF).then(Then::Stall),
        first => Reply::range(&content(LENGTH), first),
    });
    let started = Instant::now();
    let (stop, part) = (fixture.stop.clone(), fixture.part());
    let watcher = std::thread::spawn(move || {
        while size(&part) < HALF as u64 && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let error = fixture.get(&[&server.url]).unwrap_err();
    watcher.join().unwrap();
    assert_eq!(error.status(), 130, "{error}");
    assert!(started.elapsed() < Duration::from_secs(15), "the stall was waited out");
    assert_eq!(size(&fixture.part()), HALF as u64);

    fixture.stop.store(false, Ordering::Relaxed);
    fixture.get(&[&server.url]).unwrap();
    fixture.has(&content(LENGTH));
    assert_eq!(server.starts(), [0, HALF]);
}

#[test]
fn an_archive_put_there_by_hand_is_taken_and_kept() {
    let fixture = Fixture::plain(&content(LENGTH));
    let given = fixture.dir.path().join("letters.bin");
    for wrong in [content(5), vec![3; LENGTH]] {
        std::fs::write(&given, &wrong).unwrap();
        assert!(matches!(fixture.get(&[]), Err(DataError::WrongArchive { .. })));
        assert!(std::fs::read(&given).unwrap() == wrong);
    }
    std::fs::write(&given, content(LENGTH)).unwrap();
    assert_eq!(fixture.get(&[]).unwrap(), Outcome::Fetched);
    assert!(given.exists() && fixture.file("letters.txt").exists());
}

#[test]
fn two_downloads_do_not_share_a_file() {
    let fixture = Fixture::plain(&content(LENGTH));
    let other = std::fs::File::create(fixture.part()).unwrap();
    other.lock().unwrap();
    assert!(matches!(fixture.get(&["http://127.0.0.1:9/"]), Err(DataError::Busy { .. })));
}
