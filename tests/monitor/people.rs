//! The monitor for people.

use blockjob::monitor::{MonitorOptions, PACKAGE};

use crate::toy::Toy;

#[test]
fn a_person_sees_a_prompt_says_lines_and_reads_answers() {
    let toy = Toy::new();
    toy.add("m", &MonitorOptions::readline());
    toy.run(async |toy| {
        let mut client = toy.connect("m").await;
        let banner = format!("{PACKAGE} monitor - type 'help' for more information\r\n(blockjob) ");
        assert_eq!(client.until("(blockjob) ").await, banner);
        for (said, answer) in [
            ("info\r\n", "you said\r\ninfo\r\n(blockjob) "),
            ("\n", "(blockjob) "),
            ("two words\r", "you said\r\ntwo words\r\n(blockjob) "),
        ] {
            client.send(said).await;
            assert_eq!(client.until("(blockjob) ").await, answer);
        }
        toy.tick(1, 0);
        client.send("a\nb\n").await;
        let both = "you said\r\na\r\n(blockjob) you said\r\nb\r\n(blockjob) ";
        let mut text = client.until("(blockjob) ").await;
        if text.len() < both.len() {
            text += &client.until("(blockjob) ").await;
        }
        assert_eq!(text, both);
    });
}
