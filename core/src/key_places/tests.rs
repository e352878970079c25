//! Moving keys by example, and there and back with arbitrary words.

use super::*;
use proptest::prelude::*;

fn stand_ins(keys: &[(usize, &'static str)]) -> Option<KeyPlaces> {
    KeyPlaces::choose(keys.iter().map(|&(index, key)| (index, key.as_bytes())))
}

#[test]
fn one_key_or_two_stand_for_all() {
    assert_eq!(stand_ins(&[]), None);
    assert_eq!(stand_ins(&[(1, "a")]), Some(KeyPlaces::One(1)));
    let same = [(1, "{a}1"), (2, "{a}2"), (3, "{a}3")];
    assert_eq!(stand_ins(&same), Some(KeyPlaces::Two(1, 3)));
    let other = [(1, "{a}1"), (3, "b"), (5, "{a}3")];
    assert_eq!(stand_ins(&other), Some(KeyPlaces::Two(1, 3)));
}

#[test]
fn keys_are_taken_in_the_order_of_their_places_and_each_place_once() {
    let same = [(4, "{a}1"), (2, "{a}2"), (2, "{a}2")];
    assert_eq!(stand_ins(&same), Some(KeyPlaces::Two(2, 4)));
    assert_eq!(stand_ins(&[(2, "a"), (2, "a")]), Some(KeyPlaces::One(2)));
    assert_eq!(stand_ins(&[(0, "a")]), None, "the first word stays");
}

#[test]
fn only_words_with_valid_places_are_read() {
    assert_eq!(
        KeyPlaces::parse(b"1 SET"),
        Some((KeyPlaces::One(1), &b"SET"[..]))
    );
    let two = Some((KeyPlaces::Two(1, 12), &b"a b"[..]));
    assert_eq!(KeyPlaces::parse(b"1,12 a b"), two);
    assert_eq!(KeyPlaces::parse(b"1 "), Some((KeyPlaces::One(1), &b""[..])));
    for word in [
        "",
        "SET",
        " SET",
        "1",
        "0 SET",
        "1, SET",
        ",1 SET",
        "2,1 SET",
        "1,1 SET",
        "1,2,3 SET",
        "+1 SET",
        "x SET",
        "99999999999999999999 SET",
    ] {
        assert_eq!(KeyPlaces::parse(word.as_bytes()), None, "{word}");
    }
}

#[test]
fn keys_that_do_not_fit_the_places_are_refused() {
    let rest = ["a", "b"];
    assert_eq!(KeyPlaces::One(4).restore(&["k"], "SET", &rest), None);
    assert_eq!(
        KeyPlaces::Two(1, 5).restore(&["k", "l"], "SET", &rest),
        None
    );
    assert_eq!(KeyPlaces::Two(1, 2).restore(&["k"], "SET", &rest), None);
    assert_eq!(KeyPlaces::One(1).restore(&["k", "l"], "SET", &rest), None);
    let fits = KeyPlaces::One(3).restore(&["k"], "SET", &rest);
    assert_eq!(fits, Some(vec!["SET", "a", "b", "k"]));
}

proptest! {
    #[test]
    fn moved_keys_are_restored(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 2..9),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let keys = picks.iter().map(|pick| {
            let index = pick.index(words.len() - 1) + 1;
            (index, words[index].as_slice())
        });
        let places = KeyPlaces::choose(keys).unwrap();
        let moved: Vec<usize> = places.iter().collect();
        let rest: Vec<&[u8]> = (1..words.len())
            .filter(|index| !moved.contains(index))
            .map(|index| words[index].as_slice())
            .collect();
        let keys: Vec<&[u8]> = moved.iter().map(|&index| words[index].as_slice()).collect();
        let marked = places.prefix(&words[0]);
        let (read, first) = KeyPlaces::parse(&marked).unwrap();
        prop_assert_eq!(read, places);
        let restored = read.restore(&keys, first, &rest).unwrap();
        prop_assert_eq!(restored, words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}
