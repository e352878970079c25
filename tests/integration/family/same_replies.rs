//! Random scripts of commands, the same in every run, are sent three times: plain to a server
//! without the module, through the family, and through DURABLE.CALL. Every reply is the same byte
//! for byte, errors included. In the end the data is the same on the primaries and on their
//! replicas.

use testkit::{RawConn, Replicated, Server};

use crate::support::{family, replicated, say, Chance, Sample};

/// Templates of commands. Commands whose replies are random are left out, and those whose replies
/// depend on the time or on the order of a hash table.
///
/// `K` is a key, `F` a field or member, `V` a value, `N` a number, `I` the id of a stream's entry,
/// `T` a time to live in seconds.
const TEMPLATES: &[&str] = &[
    // The family.
    "SET K V",
    "SET K V NX",
    "SET K V XX GET",
    "SET K N GET",
    "SET K V KEEPTTL",
    "SET K V EX T",
    "SET K V BOGUS",
    "GET K",
    "GETDEL K",
    "MSET K V K V",
    "MSET K V K",
    "APPEND K V",
    "INCR K",
    "DECR K",
    "INCRBY K N",
    "DECRBY K N",
    "INCRBY K V",
    "INCRBYFLOAT K N",
    "INCRBYFLOAT K 0.25",
    "INCRBYFLOAT K nan",
    "DEL K",
    "DEL K K",
    "UNLINK K K K",
    "EXPIRE K T",
    "EXPIRE K T NX",
    "EXPIRE K T XX LT",
    "EXPIRE K T NX GT",
    "PEXPIRE K soon",
    "PEXPIRE K 7000000",
    "PEXPIRE K -1",
    "PERSIST K",
    "RENAME K K",
    "HSET K F V",
    "HSET K F V F N",
    "HSET K F V F",
    "HSETNX K F V",
    "HDEL K F F",
    "HINCRBY K F N",
    "LPUSH K V F",
    "RPUSH K N F",
    "LPOP K",
    "LPOP K 2",
    "LPOP K N",
    "RPOP K",
    "RPOP K 0",
    "LMOVE K K LEFT RIGHT",
    "LMOVE K K RIGHT left",
    "LMOVE K K UP DOWN",
    "SADD K N N",
    "SADD K F",
    "SREM K N F",
    "ZADD K N F",
    "ZADD K NX CH N F N F",
    "ZADD K INCR N F",
    "ZADD K XX INCR N F",
    "ZADD K GT LT N F",
    "ZADD K inf F",
    "ZREM K F F",
    "ZINCRBY K N F",
    "ZINCRBY K -inf F",
    "XADD K I F V",
    "XADD K MAXLEN 3 I F V",
    "XADD K NOMKSTREAM I F V",
    "XDEL K I I",
    "XACK K g I I",
    // Commands outside the family. Both durable rounds send them through DURABLE.CALL.
    "MGET K K K",
    "MSETNX K V K V",
    "GETSET K V",
    "GETEX K PERSIST",
    "GETRANGE K 0 2",
    "SETRANGE K 3 V",
    "SETBIT K 9 1",
    "GETBIT K 9",
    "BITCOUNT K",
    "BITFIELD K INCRBY u8 0 5",
    "BITFIELD_RO K GET u8 0",
    "BITOP XOR K K K",
    "STRLEN K",
    "LCS K K",
    "LCS K K IDX WITHMATCHLEN",
    "TYPE K",
    "EXISTS K K",
    "COPY K K",
    "COPY K K REPLACE",
    "RENAMENX K K",
    "EXPIRETIME NOKEY",
    "TTL NOKEY",
    "OBJECT ENCODING NOKEY",
    "OBJECT REFCOUNT NOKEY",
    "TOUCH K K",
    "DBSIZE",
    "HGET K F",
    "HMGET K F F",
    "HEXISTS K F",
    "HLEN K",
    "HSTRLEN K F",
    "HINCRBYFLOAT K F 0.5",
    "LLEN K",
    "LINDEX K 0",
    "LRANGE K 0 -1",
    "LINSERT K BEFORE F V",
    "LSET K 0 V",
    "LREM K 0 F",
    "LTRIM K 0 5",
    "LPOS K F",
    "RPOPLPUSH K K",
    "LMPOP 2 K K LEFT COUNT 2",
    "SCARD K",
    "SISMEMBER K F",
    "SMISMEMBER K F N",
    "SMOVE K K F",
    "SINTERCARD 2 K K",
    "SUNIONSTORE K K K",
    "SDIFFSTORE K K K",
    "SORT K ALPHA",
    "SORT K",
    "SORT K ALPHA STORE K",
    "ZCARD K",
    "ZSCORE K F",
    "ZMSCORE K F F",
    "ZRANK K F",
    "ZCOUNT K -inf +inf",
    "ZRANGE K 0 -1 WITHSCORES",
    "ZRANGE K -inf +inf BYSCORE LIMIT 0 2",
    "ZREVRANGE K 0 -1 WITHSCORES",
    "ZPOPMIN K",
    "ZPOPMAX K 2",
    "ZRANGESTORE K K 0 1",
    "ZUNIONSTORE K 2 K K WEIGHTS 2 N",
    "ZINTER 2 K K WITHSCORES",
    "ZDIFF 2 K K",
    "ZREMRANGEBYRANK K 0 0",
    "ZMPOP 1 K MIN",
    "XLEN K",
    "XRANGE K - +",
    "XREVRANGE K + - COUNT 2",
    "XTRIM K MAXLEN 4",
    "XREAD COUNT 2 STREAMS K 0",
    "XGROUP CREATE K g 0",
    "XGROUP CREATECONSUMER K g c",
    "XGROUP DESTROY K g",
    "XREADGROUP GROUP g c COUNT 1 STREAMS K >",
    "XPENDING K g",
    "PFADD K V F",
    "PFCOUNT K K",
    "PFMERGE K K",
    "GEOADD K 13.5 38.25 F",
    "GEOPOS K F",
    "GEODIST K F F km",
    "BLPOP K 0",
    "BRPOPLPUSH K K 0",
    "BZPOPMIN K 0",
    "BLMOVE K K LEFT LEFT 0",
    "GETEX K BOGUS",
    "OBJECT BOGUS K",
    "NOSUCHCOMMAND K V",
    "HGET K",
    "LRANGE K 0 V",
];

const KEYS: [&str; 7] = ["a", "b", "c", "TIMEOUT", "REPLICAS", "{t}1", "\u{e9}"];
const FIELDS: [&str; 5] = ["f", "g", "TIMEOUT", "FSYNC", "17"];
const VALUES: [&str; 7] = ["v", "w", "REPLICAS", "TIMEOUT", "", "100", "a\0b\r\n"];
const NUMBERS: [&str; 7] = ["1", "5", "-3", "37", "0", "-1", "9223372036854775807"];
const IDS: [&str; 6] = ["1-1", "1-2", "2-1", "3-1", "7-*", "x"];
const TIMES: [&str; 4] = ["5000", "90000", "-1", "0"];

fn line(chance: &mut Chance) -> Vec<&'static str> {
    let template = TEMPLATES[chance.below(TEMPLATES.len())];
    let fill = |word: &'static str| match word {
        // Mostly a key of the right type. Otherwise nearly all replies would be errors.
        "K" if chance.below(4) > 0 => KEYS[usual_key(template)],
        "K" => chance.one_of(&KEYS),
        "F" => chance.one_of(&FIELDS),
        "V" => chance.one_of(&VALUES),
        "N" => chance.one_of(&NUMBERS),
        "I" => chance.one_of(&IDS),
        "T" => chance.one_of(&TIMES),
        other => other,
    };
    template.split(' ').map(fill).collect()
}

/// The index of the key that holds the type of this command.
fn usual_key(template: &str) -> usize {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| template.starts_with(prefix));
    match template.as_bytes()[0] {
        b'H' => 1,
        b'L' if !starts(&["LCS"]) => 2,
        b'X' => 5,
        b'Z' => 4,
        _ if starts(&["RPUSH", "RPOP", "BLPOP", "BLMOVE", "BRPOP"]) => 2,
        _ if starts(&["GEO", "BZ"]) => 4,
        _ if starts(&["SET", "STR"]) => 0,
        b'S' => 3,
        _ if starts(&["PF"]) => 6,
        _ => 0,
    }
}

/// The command through the family. Through DURABLE.CALL if the family does not have it, or if its
/// last words look like an option, which the family refuses.
fn by_family(family: &[&Sample], line: &[&str]) -> Vec<String> {
    let last_but_one = line.iter().rev().nth(1);
    let is_option =
        last_but_one.is_some_and(|word| ["TIMEOUT", "REPLICAS", "FSYNC"].contains(word));
    let sample = family.iter().find(|sample| sample.name == line[0]);
    let name = match sample.filter(|sample| sample.takes_options || !is_option) {
        Some(sample) => vec![format!("DURABLE.{}", sample.name)],
        None => vec!["DURABLE.CALL".to_owned(), line[0].to_owned()],
    };
    let rest = line[1..].iter().map(|word| word.to_string());
    name.into_iter().chain(rest).collect()
}

fn by_call(line: &[&str], options: &str) -> Vec<String> {
    let words = ["DURABLE.CALL"].into_iter();
    let words = words
        .chain(options.split_whitespace())
        .chain(line.iter().copied());
    words.map(str::to_owned).collect()
}

/// A reply with the plain command's name. The server itself checks the number of arguments, and its
/// error names the command that was sent.
fn comparable(reply: Vec<u8>) -> String {
    let text: String = reply.escape_ascii().to_string();
    text.replace("for 'durable.", "for '")
}

fn digest(server: &Server) -> String {
    server.run(&["DEBUG", "DIGEST"])
}

fn connect(group: &Replicated, protocol: u8) -> RawConn {
    connect_to(&group.primary, protocol)
}

fn connect_to(server: &Server, protocol: u8) -> RawConn {
    let mut conn = server.raw();
    if protocol == 3 {
        conn.hello3();
    }
    conn
}

fn run(seed: u64, protocol: u8, lines: usize) {
    let plain_server = Server::builder().module(false).name("plain").start();
    let (twins, called) = (replicated(1), replicated(1));
    let family = family(&twins.primary);
    let mut chance = Chance::new(seed);
    let mut plain = connect_to(&plain_server, protocol);
    let mut by_name = connect(&twins, protocol);
    let mut by_word = connect(&called, protocol);
    // The number of replies that are not errors. Few of them would make the comparison weak.
    let mut fine = 0;
    for number in 0..lines {
        let words = line(&mut chance);
        let shown = || format!("line {number} of seed {seed}, RESP{protocol}: {words:?}");
        // A blocking command does not block inside MULTI, nor inside DURABLE.CALL.
        let blocking = words[0].starts_with('B') && !words[0].starts_with("BIT");
        let expected = comparable(if blocking {
            in_multi(&mut plain, &words)
        } else {
            plain.call(&words)
        });
        fine += usize::from(!expected.starts_with('-'));
        assert_eq!(
            comparable(by_name.call(&by_family(&family, &words))),
            expected,
            "{}",
            shown()
        );
        let options = ["", "TIMEOUT 0", "replicas 1 Timeout 0 fsync 0"][number % 3];
        assert_eq!(
            comparable(by_word.call(&by_call(&words, options))),
            expected,
            "{}",
            shown()
        );
    }
    assert!(
        fine * 3 > lines,
        "only {fine} of {lines} replies are not errors"
    );
    let expected = digest(&plain_server);
    for group in [&twins, &called] {
        assert_eq!(
            digest(&group.primary),
            expected,
            "the data of the primary differs"
        );
        assert_eq!(say(&mut group.primary.raw(), "DURABLE.WAIT"), ":1\r\n");
        assert_eq!(
            digest(&group.replicas[0]),
            expected,
            "the data of the replica differs"
        );
    }
}

/// The reply of a command that runs alone in a transaction.
fn in_multi(conn: &mut RawConn, words: &[&str]) -> Vec<u8> {
    assert_eq!(say(conn, "MULTI"), "+OK\r\n");
    assert_eq!(conn.call(words), b"+QUEUED\r\n");
    let executed = say(conn, "EXEC");
    executed
        .strip_prefix("*1\r\n")
        .unwrap_or_else(|| panic!("EXEC was answered {executed}"))
        .as_bytes()
        .to_vec()
}

#[test]
fn a_long_script_has_the_replies_and_effects_of_the_plain_commands() {
    run(1, 2, 5000);
}

#[test]
fn a_long_script_has_the_replies_and_effects_of_the_plain_commands_in_resp3() {
    run(2, 3, 5000);
}

#[test]
fn many_short_scripts_do_too() {
    for seed in 10..16 {
        run(seed, 2 + (seed % 2) as u8, 250);
    }
}
