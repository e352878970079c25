//! Scripts and functions, whose errors can be any text.

use std::time::Duration;

use redis_durable_client::{Client, Command, Error};
use testkit::Server;

fn eval(script: &str, key: &str) -> Command {
    Command::new("EVAL").arg(script).arg(1).key(key)
}

#[test]
fn a_script_with_the_error_of_a_server_is_executed_once_and_may_have_written() {
    let server = Server::builder().start();
    let client = Client::open([format!("redis://{}", server.addr())]).unwrap();
    let mut session = client.session();
    for word in [
        "TRYAGAIN",
        "CLUSTERDOWN",
        "LOADING",
        "READONLY",
        "MASTERDOWN",
        "WRONGTYPE",
    ] {
        let script =
            format!("redis.call('INCR', KEYS[1]); return redis.error_reply('{word} come back')");
        let error = session.run(&eval(&script, word)).unwrap_err();
        assert!(matches!(error, Error::Script(_)), "{word}: {error}");
        assert_eq!(error.code(), Some(word));
        assert!(error.may_have_been_executed(), "{word}");
        let count: i64 = session.query(&Command::get(word)).unwrap();
        assert_eq!(count, 1, "{word}");
    }
    assert_eq!(client.stats().retries, 0);
}

/// Inside DURABLE.CALL as well. Inside DURABLE.ONCE it is sent again, which executes nothing.
#[test]
fn a_durable_script_with_the_error_of_a_server_is_executed_once() {
    let server = Server::builder().module_args(&["replicas", "0"]).start();
    let client = Client::builder([format!("redis://{}", server.addr())])
        .unwrap()
        .retry_for(Duration::from_millis(100))
        .build();
    let mut session = client.session();
    let script = "redis.call('INCR', KEYS[1]); return redis.error_reply('TRYAGAIN come back')";
    let call = Command::new("DURABLE.CALL").arg("EVAL").arg(script).arg(1);
    let error = session.run(&call.key("call")).unwrap_err();
    assert!(matches!(error, Error::Script(_)), "{error}");
    assert_eq!(client.stats().try_again, 0);
    let error = session.run(&eval(script, "once").once("id")).unwrap_err();
    assert!(matches!(error, Error::GaveUp { .. }), "{error}");
    assert!(client.stats().try_again > 1);
    for key in ["call", "once"] {
        let count: i64 = session.query(&Command::get(key)).unwrap();
        assert_eq!(count, 1, "{key}");
    }
    let fine = eval("return redis.call('INCR', KEYS[1])", "fine").once("other");
    for _ in 0..2 {
        assert_eq!(session.query::<i64>(&fine).unwrap(), 1);
    }
}

#[test]
fn a_script_that_fails_half_way_may_have_written() {
    let server = Server::builder().start();
    let client = Client::open([format!("redis://{}", server.addr())]).unwrap();
    let mut session = client.session();
    session.run(&Command::set("text", "x")).unwrap();
    let script = "redis.call('INCR', KEYS[1]); redis.call('LPUSH', 'text', 'x')";
    let error = session.run(&eval(script, "n")).unwrap_err();
    assert!(error.may_have_been_executed(), "{error}");
    assert_eq!(session.query::<i64>(&Command::get("n")).unwrap(), 1);
}

#[test]
fn a_script_that_may_be_repeated_is_tried_again() {
    let server = Server::builder().start();
    let client = Client::builder([format!("redis://{}", server.addr())])
        .unwrap()
        .retry_for(Duration::from_millis(100))
        .build();
    let mut session = client.session();
    let script = "return redis.error_reply('TRYAGAIN come back')";
    let error = session.run(&eval(script, "k").repeatable()).unwrap_err();
    assert!(matches!(error, Error::GaveUp { .. }), "{error}");
    assert!(client.stats().try_again > 1);
}
