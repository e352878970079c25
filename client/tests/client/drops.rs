//! Servers whose replies never end or are too long: the client's limits hold all the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use redis_durable_client::{ClientBuilder, Command, Error, Fill};
use testkit::eventually;

use crate::fake::{whole_map, Caller, Fake};

const SHORT: Duration = Duration::from_millis(300);
/// For commands that have to succeed: on a busy machine connecting may take longer than `SHORT`,
/// and is then tried again.
const LONG: Duration = Duration::from_secs(60);

/// Runs this to its end, which must come although the server goes on sending.
#[track_caller]
fn ends<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let running = thread::spawn(run);
    eventually("an end", || running.is_finished());
    running.join().unwrap()
}

/// A client of a server that answers `GET`, and whose reply to this command never ends.
fn endless(name: &'static str) -> ClientBuilder {
    let answer = move |words: &[String], caller: &mut Caller<'_>| match words[0].as_str() {
        word if word == name => caller.say_without_end(b"$1000000\r\n", b"x"),
        "GET" => caller.say("$1\r\nv\r\n"),
        _ => caller.say("-ERR unknown command\r\n"),
    };
    let fake = Fake::start(answer);
    fake.client().retry_for(SHORT).connect_timeout(SHORT)
}

#[test]
fn a_hint_that_comes_drop_by_drop_does_not_hold_up_its_batch() {
    let client = endless("SLOTHINT").retry_for(LONG).build();
    let gets = [Command::get("a"), Command::get("b")];
    for result in ends(move || client.session().batch(&gets)) {
        assert_eq!(result.unwrap(), redis::Value::BulkString(b"v".to_vec()));
    }
}

#[test]
fn a_map_that_comes_drop_by_drop_does_not_hold_up_its_command() {
    let client = endless("SLOTHINT.MAP").retry_for(LONG).build();
    let get = move || client.session().query::<String>(&Command::get("a"));
    assert_eq!(ends(get).unwrap(), "v");
}

#[test]
fn a_map_that_was_asked_for_by_the_caller_has_the_time_of_a_reply() {
    let client = endless("SLOTHINT.MAP")
        .response_timeout(Some(SHORT))
        .build();
    let error = ends(move || client.session().prefill_all()).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
}

#[test]
fn a_reply_that_comes_drop_by_drop_has_one_limit() {
    let client = endless("INCR").response_timeout(Some(SHORT)).build();
    let incr = Command::new("INCR").key("a");
    let error = ends(move || client.session().run(&incr)).unwrap_err();
    assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
}

#[test]
fn a_watch_whose_answer_comes_drop_by_drop_goes_on_elsewhere_and_can_be_stopped() {
    let client = endless("SLOTHINT.WATCH").build();
    let watch = client.watch().unwrap();
    eventually("another connection", || client.stats().connections >= 2);
    ends(move || watch.stop());
}

#[test]
fn a_greeting_that_comes_drop_by_drop_has_the_time_for_connecting() {
    let fake = Fake::start(|_, caller| caller.say_without_end(b"+", b"O"));
    let url = format!("redis://:pw@127.0.0.1:{}", fake.port());
    let client = redis_durable_client::Client::builder([url]).unwrap();
    let client = client.retry_for(SHORT).connect_timeout(SHORT).build();
    let error = ends(move || client.session().run(&Command::get("a"))).unwrap_err();
    assert!(matches!(error, Error::GaveUp { .. }), "{error}");
}

#[test]
fn a_tls_handshake_that_comes_drop_by_drop_has_the_time_for_connecting() {
    let (_, trust) = Fake::start_with_tls(|_, _| {});
    // The head of a TLS record of the greatest length, and then its bytes one by one.
    let fake = Fake::accept(|number, mut stream| {
        let stream = &mut stream;
        Caller { number, stream }.say_without_end(&[22, 3, 3, 0x3f, 0xff], &[0]);
    });
    let url = format!("rediss://localhost:{}", fake.port());
    let client = redis_durable_client::Client::builder([url]).unwrap();
    let client = client.tls(trust).retry_for(SHORT).connect_timeout(SHORT);
    let client = client.build();
    let error = ends(move || client.session().run(&Command::get("a"))).unwrap_err();
    assert!(matches!(error, Error::GaveUp { .. }), "{error}");
}

#[test]
fn a_map_of_overlapping_ranges_is_refused_without_delay() {
    let answer = |words: &[String], caller: &mut Caller<'_>| {
        let node = "*1\r\n*4\r\n$9\r\n127.0.0.1\r\n:1\r\n$2\r\nid\r\n*0\r\n";
        let ranges = "*3\r\n:0\r\n:16383\r\n:0\r\n".repeat(100_000);
        match words[0].as_str() {
            "SLOTHINT.MAP" => caller.say(format!("*3\r\n:7\r\n{node}*100000\r\n{ranges}")),
            _ => caller.say("$1\r\nv\r\n"),
        }
    };
    let client = Fake::start(answer).client().response_timeout(None).build();
    let error = client.session().prefill_all().unwrap_err();
    assert!(matches!(error, Error::Hint(_)), "{error}");
    assert!(
        error.to_string().contains("more than 16384 ranges"),
        "{error}"
    );
    assert_eq!(client.known_slots(), 0);
}

/// The answer has more bytes than the largest map that the client accepts.
#[test]
fn a_hint_that_is_longer_than_any_map_is_not_read_to_its_end() {
    let answer = |words: &[String], caller: &mut Caller<'_>| match words[0].as_str() {
        "SLOTHINT.MAP" => caller.say(format!("$33554432\r\n{}\r\n", "x".repeat(1 << 25))),
        _ => caller.say("$1\r\nv\r\n"),
    };
    let client = Fake::start(answer).client().response_timeout(None).build();
    let error = client.session().prefill_all().unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
}

#[test]
fn a_watch_that_is_answered_at_once_with_ever_new_tokens_is_paced() {
    let tokens = Arc::new(AtomicU64::new(1));
    let port = Arc::new(AtomicU64::new(0));
    let (told, own_port) = (tokens.clone(), port.clone());
    let fake = Fake::start(move |words, caller| {
        let port = own_port.load(Ordering::Relaxed) as u16;
        let token = match words[0].as_str() {
            "SLOTHINT.WATCH" => told.fetch_add(1, Ordering::Relaxed),
            _ => told.load(Ordering::Relaxed),
        };
        caller.say(whole_map(token, port));
    });
    port.store(u64::from(fake.port()), Ordering::Relaxed);
    let client = fake.client().build();
    let began = Instant::now();
    let _watch = client.watch().unwrap();
    eventually("the first map", || client.known_slots() == 16_384);
    eventually("many changes", || tokens.load(Ordering::Relaxed) >= 14);
    // 13 watches have ended. After one that took less than 100 ms there is a pause of at least 4,
    // 8, 16, … ms; one that took longer sets the pauses back to 4 ms. So 13 watches take at least
    // 348 ms, however busy the machine is: 4 short ones, a long one, 4 short, a long one, 3 short.
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(348), "{took:?}");
    assert!(matches!(
        client.session().prefill_all(),
        Ok(Fill::Filled(0))
    ));
}
