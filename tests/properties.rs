//! The properties of the fuzz targets, on bytes that are generated and on seeds that are changed
//! here and there.

#[allow(unreachable_pub, reason = "the fuzz targets use it as a library")]
#[path = "../fuzz/properties.rs"]
pub(crate) mod held;

use std::fs;

use proptest::prelude::*;

use crate::project;

type Property = fn(&[u8]);

const PROPERTIES: [(&str, Property); 13] = [
    ("decode", held::decode),
    ("defragment", held::defragment),
    ("reassemble", held::reassemble),
    ("search", held::search),
    ("savefile", held::savefile),
    ("hello", held::hello),
    ("http", held::http),
    ("http2", held::http2),
    ("websocket", held::websocket),
    ("body", held::body),
    ("escape", held::escape),
    ("program", held::program),
    ("time", held::time),
];

/// The seeds of a target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = project().join("fuzz/seeds").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .expect("each target has seeds")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("it can be read"))
        .collect()
}

#[test]
fn they_hold_for_the_seeds_and_what_was_found_before() {
    for (name, holds) in PROPERTIES {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name}");
        for seed in &seeds {
            holds(seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn they_hold_for_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, holds) in PROPERTIES {
            holds(&bytes);
        }
    }

    #[test]
    fn they_hold_for_seeds_with_faults(
        which in any::<prop::sample::Index>(),
        faults in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        for (name, holds) in PROPERTIES {
            let seeds = seeds(name);
            let mut seed = which.get(&seeds).clone();
            seed.truncate(64 << 10);
            for (at, byte) in &faults {
                if !seed.is_empty() {
                    let at = at.index(seed.len());
                    seed[at] = *byte;
                }
            }
            if faults.len() > 4 {
                seed.truncate(cut.index(seed.len() + 1));
            }
            holds(&seed);
        }
    }
}
