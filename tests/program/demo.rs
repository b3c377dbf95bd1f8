//! `blockjob mirror` without arguments.

use super::support::Scratch;

#[test]
fn the_demonstration_checks_every_byte_and_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let output = scratch
        .command(&["mirror", "--seed", "7"])
        .env("TMPDIR", scratch.path("."))
        .output()
        .expect("the program can be started");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for line in [
        "(seed 7)",
        "pivot after",
        "checked: each of the 67109864 bytes of the copy is what the guest was told",
        "to repeat it: blockjob mirror --seed 7",
    ] {
        assert!(stdout.contains(line), "no '{line}' in:\n{stdout}");
    }
    let guest = stdout.lines().find(|line| line.starts_with("the guest: "));
    let guest = guest.expect("it says what the guest did");
    assert!(
        !guest.contains(" 0 writes") && !guest.contains(" 0 after it"),
        "{guest}"
    );
    assert_eq!(scratch.contents().len(), 0);
}

#[test]
fn many_mirrors_in_one_process_are_all_copies() {
    let scratch = Scratch::new();
    for more in [&[][..], &["--mem"]] {
        let words = ["bench", "many", "--jobs", "20", "--size", "200K"];
        let words: Vec<&str> = words.iter().chain(more).copied().collect();
        let ended = scratch.run(&words);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let object: serde_json::Value = serde_json::from_str(&ended.stdout).expect("one value");
        assert_eq!(object["jobs"], 20);
        assert!(object["seconds"].is_f64() && object["rss_kib_per_job"].is_f64());
    }
    assert_eq!(scratch.contents().len(), 0);
}
