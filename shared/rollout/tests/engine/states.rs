//! The states of a deployment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use longshore_rollout::record::State;
use serde_json::json;

fn name(state: State) -> String {
    json!(state).as_str().unwrap().to_owned()
}

#[test]
fn the_architectures_picture_shows_which_states_may_follow_on_which() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let text = fs::read_to_string(path).unwrap();
    let picture = text.split("stateDiagram-v2").nth(1).unwrap();
    let picture = picture.split("```").next().unwrap();
    let shown: BTreeSet<(String, String)> = picture
        .lines()
        .filter_map(|line| line.split_once(" --> "))
        .filter(|(from, _)| from.trim() != "[*]")
        .map(|(from, rest)| {
            let to = rest.split(':').next().unwrap();
            (from.trim().to_owned(), to.trim().to_owned())
        })
        .collect();
    let written: BTreeSet<(String, String)> = State::ALL
        .into_iter()
        .flat_map(|from| {
            let successors = from.successors().iter();
            successors.map(move |to| (name(from), name(*to)))
        })
        .collect();
    assert_eq!(shown, written);
}
