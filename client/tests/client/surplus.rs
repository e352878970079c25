//! Replies that no command has requested are not taken for those to later commands.

use std::sync::{Arc, Mutex};

use redis_durable_client::{Client, ClientBuilder, Command, Error};

use crate::fake::{Caller, Fake};

/// Answers `GET` by the key itself and gives no hints. After its reply to `word` on the first
/// connection it sends `more`.
fn talkative(
    word: &'static str,
    more: &'static str,
) -> impl Fn(&[String], &mut Caller<'_>) + Clone {
    move |words, caller| {
        let reply = match words[0].as_str() {
            "GET" => format!("${}\r\n{}\r\n", words[1].len(), words[1]),
            "SET" | "AUTH" => "+OK\r\n".into(),
            "HELLO" => "%0\r\n".into(),
            "PING" => "+PONG\r\n".into(),
            "DURABLE.WAIT" => ":1\r\n".into(),
            _ => "-ERR unknown command\r\n".into(),
        };
        let is_it = words.iter().any(|own| own == word) && caller.number == 0;
        // In one packet: it has arrived when the reply has.
        caller.say(reply + if is_it { more } else { "" });
    }
}

#[track_caller]
fn assert_each_get_has_its_own(client: &Client) {
    let mut session = client.session();
    for key in ["a", "b", "c"] {
        let value: String = session.query(&Command::get(key)).unwrap();
        assert_eq!(value, key);
    }
    let gets = ["d", "e"].map(Command::get);
    for (key, value) in ["d", "e"].iter().zip(session.batch(&gets)) {
        assert_eq!(
            redis::from_redis_value::<String>(value.unwrap()).unwrap(),
            *key
        );
    }
}

fn client(fake: &Fake, url: &str) -> ClientBuilder {
    Client::builder([url.replace("PORT", &fake.port().to_string())]).unwrap()
}

#[test]
fn the_next_command_goes_over_a_new_connection() {
    // A whole reply, the beginning of one, and something that is not a reply.
    for more in ["$5\r\nother\r\n", "$5\r\noth", "+", "\r\n"] {
        let fake = Fake::start(talkative("a", more));
        let client = fake.client().build();
        assert_each_get_has_its_own(&client);
        let stats = client.stats();
        assert_eq!(
            (stats.surplus_replies, stats.connections),
            (1, 2),
            "{more:?}"
        );
    }
}

#[test]
fn over_tls_the_next_command_goes_over_a_new_connection() {
    let (fake, trust) = Fake::start_with_tls(talkative("a", "$5\r\nother\r\n"));
    let client = client(&fake, "rediss://localhost:PORT").tls(trust).build();
    assert_each_get_has_its_own(&client);
    let stats = client.stats();
    assert_eq!((stats.surplus_replies, stats.connections), (1, 2));
}

#[test]
fn push_messages_of_resp3_are_no_replies() {
    let push = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
    let fake = Fake::start(talkative("a", push));
    let client = client(&fake, "redis://127.0.0.1:PORT?protocol=resp3").build();
    assert_each_get_has_its_own(&client);
    let stats = client.stats();
    assert_eq!((stats.surplus_replies, stats.connections), (0, 1));
}

#[test]
fn a_surplus_reply_to_a_hint_is_not_the_reply_to_a_command() {
    for hint in ["SLOTHINT", "SLOTHINT.MAP"] {
        let fake = Fake::start(talkative(hint, "$5\r\nother\r\n"));
        let client = fake.client().build();
        let gets = ["x", "y"].map(Command::get);
        if hint == "SLOTHINT" {
            for (key, value) in ["x", "y"].iter().zip(client.session().batch(&gets)) {
                let value = redis::from_redis_value::<String>(value.unwrap()).unwrap();
                assert_eq!(value, *key);
            }
        }
        assert_each_get_has_its_own(&client);
        assert_eq!(client.stats().surplus_replies, 1, "{hint}");
    }
}

#[test]
fn a_surplus_reply_to_the_greeting_is_not_the_reply_to_a_command() {
    let fake = Fake::start(talkative("AUTH", "+OK\r\n+OK\r\n$5\r\nother\r\n"));
    let client = client(&fake, "redis://:pw@127.0.0.1:PORT").build();
    assert_each_get_has_its_own(&client);
}

/// The second window of a pipeline is sent only if nothing is left of the first one.
#[test]
fn a_surplus_reply_to_a_window_is_not_a_reply_to_the_next_one() {
    let fake = Fake::start(talkative("999", "$5\r\nother\r\n"));
    assert_all_have_their_own(&fake.client().build(), 1500);
}

#[test]
fn a_surplus_reply_in_the_middle_of_a_window_shifts_none_of_its_replies() {
    // All replies come in one packet.
    let replies = Arc::new(Mutex::new(String::new()));
    let fake = Fake::start(move |words, caller| {
        if words[0] != "GET" {
            return caller.say("-ERR unknown command\r\n");
        }
        let mut replies = replies.lock().unwrap();
        *replies += &format!("${}\r\n{}\r\n", words[1].len(), words[1]);
        if words[1] == "7" && caller.number == 0 {
            *replies += "$5\r\nother\r\n";
        }
        if words[1] == "99" {
            caller.say(std::mem::take(&mut *replies));
        }
    });
    assert_all_have_their_own(&fake.client().build(), 100);
}

#[track_caller]
fn assert_all_have_their_own(client: &Client, count: usize) {
    let keys: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    for (key, value) in keys.iter().zip(client.session().get_many(&keys)) {
        assert_eq!(value.unwrap().as_deref(), Some(key.as_bytes()));
    }
    assert_eq!(client.stats().surplus_replies, 1);
}

/// The reply may belong to another command. A fence covers the writes of another connection as
/// little as those of another server.
#[test]
fn a_write_that_was_answered_twice_may_have_been_executed_and_its_fence_does_not_know() {
    let fake = Fake::start(talkative("a", "$5\r\nother\r\n"));
    let fence = Command::new("DURABLE.WAIT").key("a");
    let client = fake.client().build();
    let mut session = client.session();
    let write = session.run(&Command::set("a", "v"));
    for error in [write.unwrap_err(), session.run(&fence).unwrap_err()] {
        assert!(matches!(error, Error::OutcomeUnknown { .. }), "{error}");
    }
    session.run(&fence).unwrap();
}
