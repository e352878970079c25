//! Where the labels of the events stand: in rows above the lanes, and none over another.
//!
//! A label starts at its event's line. Near the right edge it ends there instead. Each stands one
//! row below all earlier labels that share some of its width. So the line of an event, which goes
//! down from its label, does not cross an earlier label.

/// The width of a character of a monospaced font of 11 pixels.
const CHARACTER: f64 = 6.7;
/// Between a line and the text of its label.
pub const GAP: f64 = 5.0;
/// Between two labels in one row.
const APART: f64 = 8.0;
/// Longer texts are cut. The hover title has the whole text.
const LONGEST: usize = 56;

/// The place of one label.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// From 0, which is the topmost.
    pub row: usize,
    /// The event's line.
    pub x: f64,
    /// What the text covers.
    pub from: f64,
    pub to: f64,
    /// Whether the text ends at the line.
    pub flipped: bool,
}

/// `labels`: for each event its position and its text, in order of position.
pub fn place(labels: &[(f64, String)], right: f64) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(labels.len());
    for (x, text) in labels {
        let width = width(text) + GAP;
        let flipped = x + width > right && x - width >= 0.0;
        let (from, to) = if flipped {
            (x - width, *x)
        } else {
            (*x, x + width)
        };
        let meets = |other: &&Place| from < other.to + APART && other.from < to + APART;
        let row = places
            .iter()
            .filter(meets)
            .map(|other| other.row + 1)
            .max()
            .unwrap_or(0);
        places.push(Place {
            row,
            x: *x,
            from,
            to,
            flipped,
        });
    }
    places
}

/// The text as shown.
pub fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST - 1).collect();
    short.push('…');
    short
}

fn width(text: &str) -> f64 {
    // Characters outside Latin, Greek, Cyrillic and common signs may be twice as wide.
    let cells = |c: char| if u32::from(c) < 0x2e80 { 1.0 } else { 2.0 };
    text.chars().map(cells).sum::<f64>() * CHARACTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(positions: &[f64], text: &str) -> Vec<(f64, String)> {
        positions.iter().map(|x| (*x, text.to_owned())).collect()
    }

    fn assert_apart(places: &[Place]) {
        for (at, one) in places.iter().enumerate() {
            for other in &places[at + 1..] {
                let apart = one.to < other.from || other.to < one.from;
                assert!(one.row != other.row || apart, "{one:?} covers {other:?}");
            }
        }
    }

    #[test]
    fn labels_that_are_far_apart_share_a_row() {
        let places = place(&labels(&[0.0, 300.0, 600.0], "kill -9 P"), 1000.0);
        assert!(places.iter().all(|place| place.row == 0));
        assert_apart(&places);
    }

    #[test]
    fn labels_at_one_place_stand_in_rows_of_their_own() {
        let places = place(&labels(&[500.0; 12], "cut {P, A} from {B, Q, R}"), 1000.0);
        let rows: Vec<usize> = places.iter().map(|place| place.row).collect();
        assert_eq!(rows, (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn labels_never_overlap_and_stay_inside() {
        for spread in 1..90 {
            let positions: Vec<f64> = (0..12).map(|n| f64::from(n * spread)).collect();
            let places = place(&labels(&positions, "cut {P, A} from {B, Q, R}"), 1000.0);
            assert_apart(&places);
            assert!(places
                .iter()
                .all(|place| place.from >= 0.0 && place.to <= 1000.0));
        }
    }

    #[test]
    fn a_line_crosses_no_earlier_label_on_its_way_down() {
        for spread in 1..60 {
            let positions: Vec<f64> = (0..12).map(|n| f64::from(n * spread)).collect();
            let places = place(&labels(&positions, "freeze P"), 1000.0);
            for (at, later) in places.iter().enumerate() {
                for earlier in &places[..at] {
                    let covers = earlier.from < later.x && later.x < earlier.to;
                    assert!(!covers || earlier.row < later.row);
                }
            }
        }
    }

    #[test]
    fn long_texts_are_cut_and_still_fit() {
        let text = shorten(&"x".repeat(500));
        assert!(text.ends_with('…'));
        let places = place(&[(990.0, text)], 1000.0);
        assert!(places
            .iter()
            .all(|place| place.flipped && place.from >= 0.0));
    }
}
