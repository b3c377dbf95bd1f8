//! `blockjob lab watch`: tries a lab again whenever its file has changed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::SystemTime;
use std::{fs, mem};

use blockjob::runtime::AioContext;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

use super::course::run_one;
use super::hints;
use super::made::file_of;
use super::progress::Progress;
use crate::failure::Failure;
use crate::say;

/// So often it is looked whether a file has changed.
const LOOK_NS: u64 = 200_000_000;

/// What was typed and has not been looked at. At the end of the input it is as if q was typed.
type Keys = Rc<RefCell<VecDeque<u8>>>;

/// Tries the lab of that number, or the first that is not passed and then the next, until q is typed.
pub(super) fn watch(dir: &Path, number: Option<u32>) -> Result<ExitCode, Failure> {
    let mut lab = Progress::load(dir)?.lab(number)?;
    let _keys_at_once = KeysAtOnce::begin();
    let context = AioContext::new();
    let keys = Keys::default();
    let listener = listen(context.clone(), keys.clone());
    {
        let _current = context.make_current();
        context.coroutine("keys", listener).enter();
    }
    let mut tried_of = None;
    loop {
        let path = dir.join(file_of(lab));
        let changed = modified(&path);
        if changed != tried_of {
            if tried_of.is_some() {
                say::out(&format!("\n{} has changed.", file_of(lab)));
            }
            tried_of = changed;
            let passed = run_one(dir, lab)?;
            if passed && number.is_none() {
                let next = Progress::load(dir)?.lab(None)?;
                if next.number != lab.number {
                    (lab, tried_of) = (next, modified(&dir.join(file_of(next))));
                }
            }
            say::out("[h: hint, r: run again, q: end]");
        }
        wait(&context);
        for key in mem::take(&mut *keys.borrow_mut()) {
            match key {
                b'q' | 4 => return Ok(ExitCode::SUCCESS),
                b'h' => drop(hints::hint(dir, Some(lab.number))?),
                b'r' => tried_of = None,
                _ => {}
            }
        }
    }
}

fn wait(context: &AioContext) {
    let clock = context.clone();
    context.run("look", async move { clock.sleep(LOOK_NS).await });
}

/// When the file was changed last; none while an editor has it away.
fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Puts what is typed into `keys`.
async fn listen(context: AioContext, keys: Keys) {
    loop {
        let read = context.spawn_blocking(|| {
            let mut key = [0];
            io::stdin().read(&mut key).map(|bytes| (bytes, key[0]))
        });
        match read.await {
            Ok(Ok((1, key))) => keys.borrow_mut().push_back(key),
            _ => return keys.borrow_mut().push_back(b'q'),
        }
    }
}

/// While this lives a terminal gives each key as it is typed, and shows none.
struct KeysAtOnce(Option<Termios>);

impl KeysAtOnce {
    fn begin() -> KeysAtOnce {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return KeysAtOnce(None);
        }
        let before = tcgetattr(&stdin).ok();
        if let Some(before) = &before {
            let mut modes = before.clone();
            modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            // A terminal that cannot do it wants a line for each key.
            let _ = tcsetattr(&stdin, OptionalActions::Now, &modes);
        }
        KeysAtOnce(before)
    }
}

impl Drop for KeysAtOnce {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
