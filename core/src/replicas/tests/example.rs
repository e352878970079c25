//! The example table at the head of `replicas`, row by row.

use super::*;

#[test]
fn the_example_of_two_links_with_one_address_holds() {
    let mut replicas = Replicas::default();
    assert_eq!(list(&mut replicas, 100, &[("a", 1, true, 100)]), 1);
    assert_eq!(replicas.table.addresses[0].baseline, None);
    // Stream's end, A1's acknowledged offset, A2 and its offset, baseline, whether each counts.
    for (offset, a1, (a2_online, a2), baseline, counts) in [
        (120, 100, (false, 0), 120, [false, false]),
        (140, 120, (false, 0), 120, [false, false]),
        (157, 157, (false, 0), 120, [true, false]),
        (160, 157, (true, 0), 160, [false, false]),
        (197, 157, (true, 160), 160, [false, true]),
        (197, 197, (true, 160), 160, [true, true]),
    ] {
        list(
            &mut replicas,
            offset,
            &[("a", 1, true, a1), ("a", 1, a2_online, a2)],
        );
        let counting: Vec<bool> = reasons(&replicas).iter().map(Option::is_none).collect();
        assert_eq!(counting, counts, "{offset} {a1} {a2}");
        let address = &replicas.table.addresses[0];
        assert_eq!(address.baseline, Some(Offset::new(baseline)), "{offset}");
    }
}
