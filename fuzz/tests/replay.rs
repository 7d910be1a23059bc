//! The fuzz targets without a fuzzer: seeds, findings of earlier runs, and simple mutations of both.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do, by panicking")]

use std::fs;
use std::path::Path;

use fuzz::TARGETS;

/// Files below `fuzz/NAME/TARGET`, in the order of their names.
fn files(folder: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_target_has_seeds_and_passes_them() {
    for (target, check) in TARGETS {
        let seeds = files("seeds", target);
        assert!(!seeds.is_empty(), "{target} has no seeds");
        seeds.iter().for_each(|(_, data)| check(data));
    }
}

/// Each finding is a file named after what it showed: `fuzz/findings/TARGET/what-it-showed`.
#[test]
fn what_fuzzing_found_stays_mended() {
    for (target, check) in TARGETS {
        for (name, data) in files("findings", target) {
            eprintln!("{target}: {name}");
            check(&data);
        }
    }
}

#[test]
fn seeds_with_bytes_changed_cut_and_doubled_keep_the_oracles() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound.max(1)
    };
    for (target, check) in TARGETS {
        for (_, seed) in files("seeds", target).into_iter().chain(files("findings", target)) {
            for _ in 0..200 {
                let mut data = seed.clone();
                for _ in 0..=below(4) {
                    if data.is_empty() {
                        break;
                    }
                    let at = below(data.len());
                    match below(5) {
                        0 => data[at] = u8::try_from(below(256)).unwrap(),
                        1 => data.truncate(at),
                        2 => data.insert(at, b"0123456789.,;"[below(13)]),
                        3 => drop(data.remove(at)),
                        _ => data.extend_from_within(at..),
                    }
                }
                check(&data);
            }
        }
    }
}
