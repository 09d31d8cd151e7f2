//! What libFuzzer calls. The variable `FUZZ_TARGET` names the target; without it, the program lists the targets with
//! their seeds, a line each, and ends.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use longshore_fuzz::{TARGETS, Target, run};

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        run(target, data);
    }
});

fn choose() {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        TARGET.get_or_init(|| target);
        return;
    }
    for target in TARGETS {
        println!("{} {}", target.name, target.seeds.join(" "));
    }
    std::process::exit(i32::from(!name.is_empty()));
}
