//! A process that may open no more descriptors.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::server::Server;
use super::world::is_empty;

const ADD: &str = "{'qom-type': 'iothread', 'id': 'io0'}";

fn may_open(server: &Server, descriptors: u64) {
    let limit = Rlimit {
        current: Some(descriptors),
        maximum: Some(4096),
    };
    prlimit(Some(server.pid()), Resource::Nofile, limit).expect("it is our child");
}

fn open_descriptors(server: &Server) -> usize {
    let pid = Pid::as_raw(Some(server.pid()));
    let open = fs::read_dir(format!("/proc/{pid}/fd"));
    open.expect("it runs").count()
}

#[test]
fn a_thread_that_finds_no_descriptors_is_refused_and_made_once_there_are_some() {
    let mut server = Server::start(|_| {}, "");
    let before = open_descriptors(&server);
    // All numbers below 3 are taken. Then one more is allowed at a time, so that each step of making a
    // context finds none.
    let refused = (3..1024).take_while(|&descriptors| {
        may_open(&server, descriptors);
        let reply = server.qmp("object-add", ADD);
        let is_made = reply == "{\"return\": {}}";
        if !is_made {
            let text = "Failed to initialize event notifier: Too many open files";
            assert!(reply.contains(text), "{reply}");
            assert_eq!(open_descriptors(&server), before, "nothing is left open");
        }
        !is_made
    });
    assert!(refused.count() > 1);
    assert!(is_empty(&mut server, "io0"));
    server.quit();
}
