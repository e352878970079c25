//! The report: one page that needs nothing else, for readers who have never seen the lab.

mod chart;
#[cfg(test)]
mod fixture;
pub mod groups;
mod labels;
mod lanes;
mod round;
mod sums;
mod table;
mod text;
mod timeline;
mod verdict;
mod violation;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use maud::{html, Markup, PreEscaped, DOCTYPE};

use crate::record::{Round, Run};
use sums::Outcome;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Writes `index.html` to `folder` and returns its path.
pub fn write(run: &Run, folder: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let path = folder.join("index.html");
    fs::write(&path, page(run).into_string())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn page(run: &Run) -> Markup {
    let rounds = in_order(run);
    let worst = rounds.iter().map(|round| Outcome::of_round(round)).min();
    // With no broken promise, one round is unfolded as an example.
    let shown = |at: usize, round: &Round| match worst {
        Some(Outcome::Broken) => Outcome::of_round(round) == Outcome::Broken,
        _ => at == 0,
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "redis-durable: fault lab" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (patterns())
                main {
                    (verdict::head(run))
                    (groups::section(run))
                    (table::table(run))
                    section {
                        h2 { "The rounds" }
                        p.tools {
                            "Broken promises come first. Hold the pointer over a picture to see "
                            "its numbers. "
                            button type="button" data-fold="open" { "Open all" } " "
                            button type="button" data-fold="close" { "Close all" }
                        }
                        @for (at, one) in rounds.iter().enumerate() {
                            (round::round(one, shown(at, one)))
                        }
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

/// Rounds with broken promises first, then all by their number.
fn in_order(run: &Run) -> Vec<&Round> {
    let mut rounds: Vec<&Round> = run.rounds.iter().collect();
    rounds.sort_by_key(|round| (Outcome::of_round(round) != Outcome::Broken, round.number));
    rounds
}

/// The hatchings that the style sheet refers to.
fn patterns() -> Markup {
    html! {
        svg.patterns width="0" height="0" aria-hidden="true" {
            defs {
                pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse"
                    patternTransform="rotate(45)" {
                    rect.ground width="6" height="6" {}
                    rect.stripe width="2.2" height="6" {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_run_says_so_in_one_sentence() {
        let page = page(&fixture::good()).into_string();
        let sentence = "No write that the documentation promises to keep was lost: 5 rounds, ";
        assert!(page.contains(sentence));
        assert!(page.contains("1 round is inconclusive"));
        assert!(!page.contains("promise broken"));
    }

    #[test]
    fn a_bad_run_says_what_was_lost_and_shows_that_round_first() {
        let run = fixture::bad();
        let page = page(&run).into_string();
        assert!(page.contains("3 promised writes were lost"));
        assert!(page.contains("1 history with a promise is not linearizable"));
        assert!(page.contains("href=\"history-6.html\""));
        let first = in_order(&run).first().map(|round| round.number);
        assert_eq!(first, Some(6));
        assert!(page.contains("id=\"round-6\" open"));
    }

    #[test]
    fn texts_of_the_run_are_escaped() {
        let mut run = fixture::good();
        run.server = "<script>alert(1)</script>".to_owned();
        let page = page(&run).into_string();
        assert!(page.contains("delay P &lt;-&gt; A by 40 ms"));
        assert!(!page.contains("P <-> A"));
        assert!(!page.contains("<script>alert"));
    }

    #[test]
    fn an_inconclusive_round_is_not_counted() {
        let mut run = fixture::bad();
        for round in &mut run.rounds {
            round.inconclusive = Some("the cluster did not become whole again".to_owned());
        }
        let page = page(&run).into_string();
        assert!(page.contains("Every round is inconclusive, so this run shows nothing."));
        assert!(page.contains("6 rounds are inconclusive"));
        assert_eq!(
            page.matches("In it, an answer with a promise is contradicted.")
                .count(),
            1
        );
        assert!(!page.contains("promise broken"));
    }

    #[test]
    fn an_empty_run_and_an_empty_round_do_not_panic() {
        let mut run = fixture::good();
        let rounds = std::mem::take(&mut run.rounds);
        assert!(page(&run).into_string().contains("This run has no rounds"));
        for mut round in rounds {
            round.duration_ms = 0;
            round.nodes.clear();
            round.events.clear();
            round.spans.clear();
            round.contenders.clear();
            run.rounds.push(round);
        }
        assert!(page(&run).into_string().contains("No promise was tested"));
    }

    /// In HTML only the elements of HTML may stay open. An open shape would swallow all that
    /// follows.
    #[test]
    fn shapes_of_pictures_are_closed() {
        let page = page(&fixture::bad()).into_string();
        for shape in ["rect", "line", "path", "circle", "text", "g"] {
            let opened = page.matches(&format!("<{shape} ")).count();
            let closed = page.matches(&format!("</{shape}>")).count();
            assert_eq!(opened, closed, "{shape}");
        }
    }

    #[test]
    fn the_page_is_written_and_loads_nothing_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(&fixture::bad(), &folder.path().join("deep/report")).unwrap();
        let page = fs::read_to_string(path).unwrap();
        for outside in ["http://", "https://", "src=", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
