//! Recordings as text: what it looks like, what is refused and how that is said.

use blockjob_sim::decide::{BUILD, BadConfig, Decision, Log, Recording, TextErrorKind};
use proptest::prelude::*;

/// A log of (site, n, chosen), repeated so many times.
fn log(decisions: &[(&str, u32, u32, usize)]) -> Log {
    let mut log = Log::new();
    for &(site, n, chosen, times) in decisions {
        for _ in 0..times {
            log.push(Decision { site, n, chosen });
        }
    }
    log
}

fn text(config: &str, decisions: &[(&str, u32, u32, usize)]) -> String {
    let recording = Recording::new(config, &log(decisions)).expect("the configuration is plain");
    recording.to_string()
}

/// What is between the configuration and the check.
fn decisions_of(decisions: &[(&str, u32, u32, usize)]) -> String {
    let text = text("", decisions);
    text.split(':').nth(2).expect("four parts").to_owned()
}

/// `text` with the hash that it should have.
fn mended(text: &str) -> String {
    let last = text.rfind('.').expect("there is a hash");
    let message = text.parse::<Recording>().expect_err("it was changed");
    let TextErrorKind::Hash { expected, .. } = message.what else {
        return text.to_owned();
    };
    format!("{}.{expected:08x}", &text[..last])
}

/// What is said about a text whose decisions are these and whose hash is right.
fn refusal(decisions: &str) -> String {
    let whole = text("", &[("a.b", 2, 1, 1)]).replacen("a.b=a1.2", decisions, 1);
    let error = mended(&whole).parse::<Recording>();
    error.expect_err("it is wrong").to_string()
}

#[test]
fn a_text_has_a_version_the_configuration_the_decisions_and_a_check() {
    let text = text(
        "mirror,seed=7:x",
        &[("aio.next", 5, 0, 2), ("aio.next", 5, 3, 1)],
    );
    let expected = format!("bj1:mirror,seed=7:x:aio.next=2a3.5:d99ad1b3d1b9ec11.{BUILD:016x}.");
    assert!(text.starts_with(&expected), "{text}\n{expected}");
}

#[test]
fn what_is_dull_or_repeated_or_known_takes_no_room() {
    let next = "aio.next";
    let fail = "disk.fail";
    assert_eq!(decisions_of(&[]), "=");
    assert_eq!(decisions_of(&[(next, 5, 0, 40)]), "=40");
    assert_eq!(decisions_of(&[(next, 5, 1, 1)]), "aio.next=a1.5");
    assert_eq!(decisions_of(&[(next, 5, 1, 9)]), "aio.next=a1.5+8");
    assert_eq!(
        decisions_of(&[(next, 5, 0, 3), (next, 5, 2, 1), (next, 5, 0, 1)]),
        "aio.next=3a2.5,1"
    );
    assert_eq!(
        // The table is in the order of use, not of asking.
        decisions_of(&[
            (next, 5, 0, 1),
            (fail, 2, 1, 1),
            (next, 4, 3, 1),
            (fail, 2, 1, 1),
            (next, 4, 3, 1),
            (next, 5, 3, 1),
        ]),
        "disk.fail,aio.next=1a1.2,b3.4,a1,b3,b3.5"
    );
    // Repetitions with zeros in them.
    let mut every_third = Vec::new();
    for _ in 0..5 {
        every_third.extend([(fail, 2, 0, 2), (fail, 2, 1, 1)]);
    }
    assert_eq!(decisions_of(&every_third), "disk.fail=2a1.2+4");
}

#[test]
fn a_text_says_as_much_as_its_recording() {
    let log = log(&[
        ("x", 9, 0, 3),
        ("y", 3, 2, 2),
        ("x", 9, 8, 1),
        ("x", 9, 0, 1),
    ]);
    let recording = Recording::new("seed=1", &log).expect("plain");
    let read: Recording = format!(" {recording}\n").parse().expect("it was printed");
    assert_eq!(read, recording);
    assert_eq!(read.config(), "seed=1");
    assert_eq!((read.len(), read.nonzero()), (7, 3));
    assert_eq!((read.shape(), read.build()), (log.shape(), BUILD));
    assert_eq!(read.listing().to_string(), log.listing().to_string());
}

#[test]
fn there_may_be_more_sites_than_letters() {
    let mut log = Log::new();
    for site in 0..3_000 {
        let site = &format!("site.{site}");
        log.push(Decision {
            site,
            n: 2,
            chosen: 1,
        });
    }
    let recording = Recording::new("", &log).expect("plain");
    let text = recording.to_string();
    assert!(
        text.contains("=a1.2,b1.2,") && text.contains(",Z1.2,ba1.2,bb1.2,"),
        "{text}"
    );
    // 51 * 52 + 51 is the last of two letters.
    assert!(text.contains(",ZZ1.2,baa1.2,"), "{text}");
    assert_eq!(text.parse(), Ok(recording));
}

#[test]
fn a_configuration_that_a_shell_would_want_quoted_is_refused() {
    let refused = Recording::new("seed=1 x", &Log::new());
    assert_eq!(refused, Err(BadConfig { at: 7, found: ' ' }));
    for bad in ["%", "é", "'", "/", "$", "\n", "~", "*"] {
        assert!(Recording::new(bad, &Log::new()).is_err(), "{bad:?}");
    }
}

#[test]
fn another_version_is_named() {
    let other = text("", &[]).replacen("bj1", "bj2", 1);
    assert_eq!(
        other.parse::<Recording>().expect_err("bj2").to_string(),
        "at character 1: this log has format bj2, this program reads bj1"
    );
}

#[test]
fn what_is_no_log_at_all_is_told_what_one_looks_like() {
    for text in ["", "hello", "BJ1:", "seed=3"] {
        assert_eq!(
            text.parse::<Recording>().expect_err("no log").to_string(),
            "at character 1: this is no decision log: one starts with 'bj1:'"
        );
    }
}

#[test]
fn a_text_that_was_cut_is_said_to_be() {
    let whole = text("seed=1", &[("x", 2, 1, 1)]);
    for len in 4..whole.len() {
        let error = whole[..len].parse::<Recording>().expect_err("it was cut");
        assert_eq!(
            error.what,
            TextErrorKind::Incomplete,
            "after {len}: {error}"
        );
        assert_eq!(error.at, len + 1);
    }
}

#[test]
fn a_text_without_one_of_its_parts_is_said_to_be_cut() {
    let whole = text("seed=1", &[("x", 2, 1, 1)]);
    for text in [
        whole.replacen(":seed=1", "", 1),
        whole.replacen(":seed=1:x=a1.2", "", 1),
    ] {
        let error = mended(&text)
            .parse::<Recording>()
            .expect_err("a part is missing");
        assert_eq!(error.what, TextErrorKind::Incomplete, "{text}");
    }
}

#[test]
fn a_hash_in_capitals_is_another_text() {
    let (at, text) = (0..)
        .map(|seed| text(&format!("seed={seed}"), &[]))
        .find_map(|text| Some((text.rfind(['a', 'b', 'c', 'd', 'e', 'f'])?, text)))
        .expect("some hash has a letter");
    assert!(at > text.len() - 40, "the letter is in the check");
    let changed = format!("{}{}", &text[..at], text[at..].to_uppercase());
    let error = changed
        .parse::<Recording>()
        .expect_err("one character is another one");
    assert_eq!(error.at, at + 1, "{error}");
}

#[test]
fn a_character_of_no_log_is_pointed_at() {
    let text = text("seed=1", &[("x", 2, 1, 1)]).replacen("seed", "se d", 1);
    assert_eq!(
        text.parse::<Recording>().expect_err("a space").to_string(),
        "at character 7: ' ' is in no log: letters, digits and . _ : , = + - are"
    );
}

#[test]
fn a_typo_is_caught_by_the_hash_which_says_what_it_should_be() {
    let typo = text("seed=1", &[("x", 2, 1, 1)]).replacen("seed=1", "seed=2", 1);
    let error = typo.parse::<Recording>().expect_err("a typo");
    assert!(matches!(error.what, TextErrorKind::Hash { .. }), "{error}");
    let mended: Recording = mended(&typo).parse().expect("it has the right hash");
    assert_eq!(mended.config(), "seed=2");
}

#[test]
fn decisions_that_cannot_be_are_pointed_at() {
    // The decisions begin at character 6.
    for (decisions, message) in [
        ("x", "at character 7: '=' should be here, not the end"),
        (
            "x y=",
            "at character 7: ' ' is in no log: letters, digits and . _ : , = + - are",
        ),
        (
            "x,=",
            "at character 8: the name of a site should be here, not '='",
        ),
        (
            "x=b1.2",
            "at character 8: site b is not in the table, which names 1 sites, a and on",
        ),
        (
            "x=ab1.2",
            "at character 8: site ab is not in the table, which names 1 sites, a and on",
        ),
        ("x=a.2", "at character 9: a number should be here, not '.'"),
        (
            "x=a1",
            "at character 10: '.' and the number of options, as this site is new, should be here, not the end",
        ),
        (
            "x=a2.2",
            "at character 9: answer 2 of 2 options cannot be: it should be above 0 and below 2",
        ),
        (
            "x=a0.2",
            "at character 9: answer 0 of 2 options cannot be: it should be above 0 and below 2",
        ),
        ("x=a1.2a1", "at character 12: ',' should be here, not 'a'"),
        (
            "x=a1.2,-",
            "at character 13: the letter of a site should be here, not '-'",
        ),
        (
            "x=a1.9999999999",
            "at character 11: this number is too large: the most is 4294967295",
        ),
        (
            "x=a1.2+99999999",
            "at character 13: this number is too large: the most is 16777216",
        ),
        (
            "x=18446744073709551615a1.2+1",
            "at character 34: this number is too large: the most is 18446744073709551615",
        ),
    ] {
        assert_eq!(refusal(decisions), message, "of {decisions}");
    }
}

fn any_log() -> impl Strategy<Value = Log> {
    // Enough sites for codes of two letters, answers that are mostly dull, runs of equal ones.
    let chosen = prop_oneof![3 => Just(0_u32), 1 => any::<u32>()];
    let n = prop_oneof![2_u32..6, 2..=u32::MAX];
    let step = (0_u32..70, n, chosen, 1_usize..5);
    prop::collection::vec(step, 0..80).prop_map(|steps| {
        let mut log = Log::new();
        for (site, n, chosen, times) in steps {
            let site = format!("site.{site}");
            let decision = Decision {
                site: &site,
                n,
                chosen: chosen % n,
            };
            (0..times).for_each(|_| log.push(decision));
        }
        log
    })
}

proptest! {
    #[test]
    fn every_log_can_be_written_and_read(log in any_log(), config in "[A-Za-z0-9._:,=+-]{0,20}") {
        let recording = Recording::new(&config, &log).expect("the configuration is plain");
        let text = recording.to_string();
        let read: Recording = text.parse().expect("it was printed");
        prop_assert_eq!(&read, &recording);
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read.len(), log.len() as u64);
        let moves: Vec<_> = read.moves().collect();
        let nonzero = log.iter().enumerate().filter(|(_, it)| it.chosen != 0);
        prop_assert_eq!(moves, nonzero.map(|(at, it)| (at as u64, it)).collect::<Vec<_>>());
    }

    #[test]
    fn every_character_that_is_changed_is_noticed(
        log in any_log(),
        at in any::<prop::sample::Index>(),
        other in "[A-Za-z0-9._:,=+-]",
    ) {
        let text = Recording::new("seed=1", &log).expect("plain").to_string();
        let at = at.index(text.len());
        let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
        prop_assert_eq!(changed.parse::<Recording>().is_ok(), changed == text);
    }

    #[test]
    fn every_character_that_is_lost_or_doubled_is_noticed(
        log in any_log(),
        at in any::<prop::sample::Index>(),
    ) {
        let text = Recording::new("seed=1", &log).expect("plain").to_string();
        let at = at.index(text.len());
        let lost = format!("{}{}", &text[..at], &text[at + 1..]);
        prop_assert!(lost.parse::<Recording>().is_err());
        let doubled = format!("{}{}", &text[..=at], &text[at..]);
        prop_assert!(doubled.parse::<Recording>().is_err());
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "(bj1:)?.{0,60}", tail in "[0-9a-f:.,=+a]{0,60}") {
        let _ = text.parse::<Recording>();
        let _ = format!("bj1:{tail}").parse::<Recording>();
        let _ = mended_or_not(&format!("bj1::x,y={tail}:0123456789abcdef.0123456789abcdef.01234567"));
    }
}

/// Parses a text again with the hash it should have, so that the parser gets past it.
fn mended_or_not(text: &str) -> Option<Recording> {
    text.parse().or_else(|_| mended(text).parse()).ok()
}
