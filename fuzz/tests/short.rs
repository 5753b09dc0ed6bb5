//! The short run: each target over its corpus, and over some thousand texts that are made of it. The same texts each time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use xenith_fuzz::mutate::{Random, changed};
use xenith_fuzz::{TARGETS, Target, corpus};

/// Changed texts for each target; XENITH_FUZZ_RUNS asks for another number.
const RUNS: u64 = 1500;
/// Another one finds other things; a change here is a fresh look.
const SEED: u64 = 20_260_501;

/// Runs a target on its texts; the first on which it panics is kept, and said.
fn run(target: &Target, texts: impl Iterator<Item = (String, Vec<u8>)>) -> Result<(), String> {
    for (name, text) in texts {
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&text))).is_err() {
            let kept = std::env::temp_dir().join(format!("xenith-fuzz-{}-{name}", target.name));
            std::fs::write(&kept, text).unwrap();
            let corpus = corpus::folder(target.name);
            return Err(format!(
                "{} does not hold on {name}; the text is in {}: fix what it shows, and put it into {}",
                target.name,
                kept.display(),
                corpus.display()
            ));
        }
    }
    Ok(())
}

#[test]
fn every_reader_holds_on_its_corpus_and_on_texts_made_of_it() {
    let runs = std::env::var("XENITH_FUZZ_RUNS").map_or(RUNS, |number| number.parse().unwrap());
    let mut fallen = Vec::new();
    for (number, target) in (SEED..).zip(&TARGETS) {
        let files = corpus::read(target.name).unwrap();
        assert!(!files.is_empty(), "{} has no corpus", target.name);
        let texts: Vec<Vec<u8>> = files.iter().map(|(_, text)| text.clone()).collect();
        let mut random = Random::new(number);
        // A host is opened for each capture.
        let runs = if target.name == "capture" { runs / 10 } else { runs };
        let made = (0..runs).map(|execution| {
            (format!("seed-{number}-{execution}"), changed(&texts, target.words, &mut random))
        });
        let started = Instant::now();
        fallen.extend(run(target, files.into_iter().chain(made)).err());
        println!(
            "{}: {} texts of the corpus, {runs} made of them ({:?})",
            target.name,
            texts.len(),
            started.elapsed()
        );
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}
