//! SLOTHINT copies pairs of slot and index from replies that the module keeps. Clients must not see
//! a difference.

use crate::support::slots::{a_key_of_each_slot, alone};
use crate::support::unload_and_load_again;

#[test]
fn kept_pairs_give_the_same_bytes_in_both_protocols() {
    let cluster = alone("60000");
    let server = &cluster.nodes[0];
    let keys = a_key_of_each_slot();
    let words: Vec<&[u8]> = std::iter::once(&b"SLOTHINT"[..])
        .chain(keys.iter().take(120).map(String::as_bytes))
        .collect();
    let mut conn = server.raw();
    let written = conn.call(&words);
    // Each command keeps some more.
    for _ in 0..5 {
        assert_eq!(conn.call(&words), written);
    }
    let stats: String = server.run(&["INFO", "commandstats"]);
    // Three own calls for 50, 50 and 20 pairs beside the six of the client.
    assert!(stats.contains("cmdstat_slothint:calls=9,"), "{stats}");
    conn.hello3();
    assert_eq!(conn.call(&words), written);
    unload_and_load_again(server);
    assert_eq!(server.raw().call(&words), written);
}

#[test]
fn the_word_of_the_modules_own_calls_is_a_key_like_any_other() {
    let cluster = alone("60000");
    let server = &cluster.nodes[0];
    let word = "redis-durable: the pairs in the state";
    let reply = server.raw().call_text(&["SLOTHINT", word]);
    let slot: u16 = server.run(&["CLUSTER", "KEYSLOT", word]);
    assert!(reply.starts_with("*3\r\n"), "{reply}");
    assert!(
        reply.ends_with(&format!("*1\r\n*2\r\n:{slot}\r\n:0\r\n")),
        "{reply}"
    );
}
