//! Figures of small runs, and what they refuse.

use std::path::Path;

use super::Figures;

fn make(words: &str) -> Result<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Figures::new(&root).make(words)
}

fn has_no_empty_line(figure: &str) {
    // An empty line would end the block of HTML, and the rest be read as Markdown.
    assert!(
        figure
            .trim_end()
            .lines()
            .all(|line| !line.trim().is_empty()),
        "{figure}"
    );
    assert!(
        figure.contains("<title>") && figure.contains("<desc>"),
        "{figure}"
    );
}

#[test]
fn lanes_show_who_ran_in_the_events_that_were_chosen() {
    let figure = make("lanes tiny@1 from step=\"M9\" to disk-land").unwrap();
    has_no_empty_line(&figure);
    assert!(
        figure.contains("main/job#1") && figure.contains("disk source"),
        "{figure}"
    );
    assert!(
        !figure.contains(">M12<"),
        "what was not chosen is not drawn"
    );
}

#[test]
fn lanes_of_too_many_events_are_refused() {
    let wrong = make("lanes tiny@1").unwrap_err();
    assert!(wrong.contains("from TEXT to TEXT"), "{wrong}");
    assert!(
        make("lanes tiny@1 from nonsense to M9")
            .unwrap_err()
            .contains("'nonsense'")
    );
}

#[test]
fn strips_show_what_is_dirty_and_in_flight() {
    let figure = make("strips tiny@1").unwrap();
    has_no_empty_line(&figure);
    assert!(
        figure.contains("granule 1") && !figure.contains("granule 2"),
        "{figure}"
    );
    for class in ["class=\"dirty\"", "class=\"flight\"", "class=\"clean\""] {
        assert!(figure.matches(class).count() > 1, "{class}: {figure}");
    }
}

#[test]
fn states_number_the_changes_of_the_job() {
    let figure = make("states tiny@1").unwrap();
    has_no_empty_line(&figure);
    assert!(
        figure.contains("from undefined to created, to running, to ready"),
        "{figure}"
    );
    assert!(figure.contains("class=\"taken arrow\"") && figure.contains("class=\"arrow\""));
}

#[test]
fn a_curve_for_each_value_is_drawn() {
    let figure = make("curve tiny@1 vary latency=10,100").unwrap();
    has_no_empty_line(&figure);
    assert!(
        figure.contains("latency=10:") && figure.contains("line1"),
        "{figure}"
    );
    assert!(
        make("curve tiny@1 vary nonsense=1")
            .unwrap_err()
            .contains("nonsense")
    );
    assert!(make("curve tiny@1").unwrap_err().contains("vary"));
}

#[test]
fn a_figure_is_the_same_twice() {
    assert_eq!(make("strips tiny@3"), make("strips tiny@3"));
}

#[test]
fn a_case_that_there_is_not_is_refused() {
    assert!(
        make("strips no-such.bj")
            .unwrap_err()
            .contains("docs/book/runs")
    );
    assert!(make("states nowhere@1").unwrap_err().contains("nowhere"));
    assert!(make("pie tiny@1").unwrap_err().contains("lanes, strips"));
}
