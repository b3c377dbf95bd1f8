//! What a comparison prints.

use blockjob_sim::compare::{Alternative, Comparison, ComparisonReport};
use blockjob_sim::measure::Schedule;
use serde_json::Value;

use crate::statistics::comparison;

fn report() -> ComparisonReport {
    comparison(&["inflight=1|16"], 8).run(&mut |_| ()).unwrap()
}

#[test]
fn the_columns_of_a_table_stand_below_their_heads() {
    let table = report().table();
    let mut lines = table.lines();
    let title = lines.next().unwrap();
    assert_eq!(title, "small, seeds 0..8: inflight=1, inflight=16");
    let head = lines.find(|line| line.starts_with("metric")).unwrap();
    let place = head.find("alternative").unwrap();
    let runs = head.find("runs").unwrap() + "runs".len();
    let rows: Vec<_> = lines
        .take_while(|line| {
            line.get(place..)
                .is_some_and(|it| it.starts_with("inflight"))
        })
        .collect();
    assert!(rows.len() >= 20, "{table}");
    for row in rows {
        assert_eq!(row[..runs].split_whitespace().last(), Some("8"), "{row}");
        assert!(row[runs..].starts_with(' '), "{row}");
    }
}

#[test]
fn a_metric_has_its_unit_and_each_other_alternative_its_difference() {
    let table = report().table();
    let rows: Vec<_> = table.lines().collect();
    let first = rows
        .iter()
        .position(|row| row.starts_with("time to READY, last job, ms "));
    let [one, sixteen] = rows[first.unwrap()..][..2] else {
        panic!("a row for each alternative")
    };
    assert_eq!(one.matches('[').count(), 2, "median and mean: {one}");
    assert_eq!(
        sixteen.matches('[').count(),
        4,
        "difference and ratio, too: {sixteen}"
    );
    assert!(sixteen.ends_with("less: better"), "{sixteen}");
    // Nothing is zeroed in this scenario.
    assert!(
        table.contains("\nbytes zeroed: 0.000 B in every run\n"),
        "{table}"
    );
    assert!(
        table.contains("\nfairness of jobs, Jain's index: in no run\n"),
        "{table}"
    );
}

#[test]
fn the_notes_say_how_many_differences_were_looked_at_and_that_nothing_is_corrected() {
    let report = report();
    let count = report.comparisons();
    assert!(count >= 10, "{count}");
    let notes = report.notes().join("\n");
    let expected =
        format!("{count} differences were looked at, and the intervals are not corrected");
    assert!(notes.contains(&expected), "{notes}");
    assert!(
        notes.contains("percentile bootstrap over seeds (200 resamples"),
        "{notes}"
    );
    assert!(notes.contains("Of 8 seeds little can be said"), "{notes}");
    assert!(report.table().ends_with(&format!("{notes}\n")));
    let many = comparison(&["inflight=1|16"], 20).run(&mut |_| ()).unwrap();
    assert!(!many.notes().join("\n").contains("little can be said"));
}

#[test]
fn json_has_every_value_every_interval_and_every_verdict() {
    let report = report();
    let json: Value = serde_json::from_str(&report.json().to_string()).unwrap();
    assert_eq!(json["seeds"]["to"], 8);
    assert_eq!(json["alternatives"][1], "inflight=16");
    assert_eq!(json["intervals"]["corrected"], false);
    assert_eq!(json["intervals"]["comparisons"], report.comparisons());
    let metrics = json["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), report.metrics.len());
    let ready = metrics
        .iter()
        .find(|it| it["metric"] == "job.ready.last")
        .unwrap();
    assert_eq!(ready["unit"], "nanoseconds");
    assert_eq!(ready["better"], "less");
    let [one, sixteen] = &ready["alternatives"].as_array().unwrap()[..] else {
        panic!("two alternatives")
    };
    assert_eq!(one["values"].as_array().unwrap().len(), 8);
    assert!(one["difference"].is_null());
    assert_eq!(sixteen["difference"]["verdict"], "less");
    assert_eq!(sixteen["difference"]["pairs"], 8);
    let ratio = &sixteen["difference"]["ratio"];
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&ratio["interval"]["low"]) <= number(&ratio["value"]));
    assert!(number(&ratio["value"]) <= number(&ratio["interval"]["high"]));
    assert!(number(&ratio["interval"]["high"]) < 1.0);
}

/// The opening tags of `svg` by that name.
fn tags<'a>(svg: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!("<{name} ");
    let rest = svg.split(&open).skip(1);
    rest.map(|rest| rest.split('>').next().unwrap()).collect()
}

#[test]
fn a_picture_has_a_panel_for_each_metric_and_a_curve_for_each_alternative() {
    let report = report();
    let svg = report.svg();
    let varied = report.metrics.iter().filter(|it| {
        let first = it.values[0].first();
        it.values.iter().flatten().any(|value| Some(value) != first)
    });
    let varied: Vec<_> = varied.collect();
    assert!(varied.len() > 8);
    for it in &varied {
        let title = it.metric.title.replace('\'', "&apos;");
        assert!(svg.contains(&title), "{title}");
    }
    assert!(
        !svg.contains("bytes zeroed"),
        "all of its values are the same"
    );
    let curves = |colour: &str| {
        let lines = tags(&svg, "polyline");
        lines.iter().filter(|it| it.contains(colour)).count()
    };
    // One more is in the legend.
    assert_eq!(curves("#3B82C4"), varied.len() + 1);
    assert_eq!(curves("#D06F1E"), varied.len() + 1);
    assert_eq!(svg.matches("share of runs").count(), varied.len());
    assert!(
        svg.contains("\nms\n") && svg.contains("\nKiB\n"),
        "axes have units"
    );
}

#[test]
fn a_picture_is_readable_on_light_and_on_dark_and_brings_no_font() {
    let svg = report().svg();
    assert!(svg.starts_with("<svg "));
    assert!(svg.trim_end().ends_with("</svg>"));
    assert_eq!(
        svg.matches("<text ").count(),
        svg.matches("</text>").count()
    );
    for text in tags(&svg, "text") {
        assert!(text.contains("fill=\"currentColor\""), "{text}");
        assert!(text.contains("font-family=\"sans-serif\""), "{text}");
    }
    assert!(svg.contains("prefers-color-scheme:dark"));
    for drawn in tags(&svg, "polyline") {
        let black = drawn.contains("#000000") || drawn.contains("#FFFFFF");
        assert!(!black, "{drawn}");
    }
    for bad in ["NaN", "inf\"", "#010203", "<path", "<image", "href"] {
        assert!(!svg.contains(bad), "{bad}");
    }
}

#[test]
fn a_name_cannot_break_a_picture() {
    let mut odd: Comparison = comparison(&["inflight=1|16"], 3);
    odd.alternatives = vec![
        Alternative::new(Schedule::Fifo).named("<b>&\"'"),
        Alternative::new(Schedule::Random),
    ];
    let svg = odd.run(&mut |_| ()).unwrap().svg();
    assert!(!svg.contains("<b>"), "a name became a tag");
    assert!(svg.contains("&lt;b&gt;&amp;"), "{}", &svg[..900]);
}

#[test]
fn a_picture_of_nothing_is_a_picture() {
    let mut comparison = comparison(&["inflight=1|16"], 2);
    comparison.metrics.clear();
    let report = comparison.run(&mut |_| ()).unwrap();
    assert!(report.svg().trim_end().ends_with("</svg>"));
    assert!(report.table().contains("alternative"));
}
