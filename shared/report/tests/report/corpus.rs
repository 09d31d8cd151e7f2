use std::path::PathBuf;

use longshore_report::{PostState, Topic};
use longshore_testkit::read_corpus;

#[test]
fn whatever_was_ever_kept_of_a_message_is_read() {
    let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let topic = Topic {
        kind: "deployment",
        id: "shop/api/1".to_owned(),
    };
    let kept = read_corpus(&corpus, "message", &topic);
    let is_posted = |place: &PostState| matches!(place, PostState::Posted(_));
    assert!(kept.iter().any(|kept| is_posted(&kept.place)));
    assert!(kept.iter().any(|kept| !is_posted(&kept.place)));
}
