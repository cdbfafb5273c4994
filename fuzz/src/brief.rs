//! A brief run of a target: its corpus as it is, then inputs mutated from it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::mutate::{Random, mutate};
use crate::{TARGETS, Target};

/// An input that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the target of that name. Panics if there is none, if it has no corpus, or if an input fails; that input is then in
/// `artifacts/NAME/`, where cargo-fuzz puts those that it finds. `FUZZ_INPUTS` and `FUZZ_SEED` change number and seed.
pub fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let inputs = from_environment("FUZZ_INPUTS").unwrap_or(target.inputs.into());
    let seed = from_environment("FUZZ_SEED").unwrap_or(1);
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus in {}", folder("corpus", name).display());
    let current = Arc::new(Mutex::new(Vec::new()));
    let (sender, receiver) = channel();
    let shown = current.clone();
    let done = move || {
        // Nobody listens any more once the run is given up.
        let _ = sender.send(());
    };
    let worker = std::thread::spawn(move || work(target, &corpus, inputs, seed, &shown, &done));
    // The worker says when an input is done; what it says nothing of for too long, hangs.
    let why = loop {
        match receiver.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Disconnected) => match worker.join() {
                Ok(()) => return,
                Err(_) => break "panics",
            },
            Err(RecvTimeoutError::Timeout) => break "hangs",
        }
    };
    let input = current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    panic!("{name} {why} with {} bytes: {}", input.len(), save(name, &input).display());
}

fn work(
    target: &Target,
    corpus: &[Vec<u8>],
    inputs: u64,
    seed: u64,
    current: &Mutex<Vec<u8>>,
    done: &dyn Fn(),
) {
    let attempt = |input: Vec<u8>| {
        *current.lock().expect("only this thread could poison it") = input.clone();
        (target.run)(&input);
        done();
    };
    attempt(Vec::new());
    corpus.iter().cloned().for_each(attempt);
    let mut random = Random::new(seed);
    for _ in 0..inputs {
        let mut input = corpus[random.below(corpus.len())].clone();
        mutate(&mut input, &corpus[random.below(corpus.len())], &mut random, target.max_len);
        attempt(input);
    }
}

fn folder(kind: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(name)
}

/// The files of a target's corpus, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder("corpus", name))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect()
}

fn save(name: &str, input: &[u8]) -> PathBuf {
    let folder = folder("artifacts", name);
    let digest = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let path = folder.join(format!("crash-{digest:016x}"));
    let saved = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
    saved.map(|()| path).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

fn from_environment(key: &str) -> Option<u64> {
    let value = std::env::var(key).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{key}={value} is not a number")))
}
