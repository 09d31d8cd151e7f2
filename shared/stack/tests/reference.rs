//! The reference of stack files.

use longshore_stack::read::{reference, reference_of};

#[test]
fn the_document_is_current() {
    let document = include_str!("../../../docs/stack-file.md");
    assert!(
        document == reference(),
        "run: cargo run --bin longshore -- schema stack --reference > docs/stack-file.md"
    );
}

#[test]
fn a_part_is_described_with_the_bounds_and_defaults_of_its_keys() {
    let part = reference_of("services.api.target_group").unwrap();
    for expected in [
        "## `services.<name>.target_group`",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "| `priority` | a whole number from 1 to 50000 |",
        "| `deregistration_delay` | a whole number from 0 to 3600 | `30` |",
    ] {
        assert!(part.contains(expected), "{expected}: {part}");
    }
    assert!(reference_of("services.api.mount_points[0].container_path").is_ok());
    let one = reference_of("services.api.cpu").unwrap();
    assert!(
        one.starts_with("`services.<name>.cpu`: a whole number. "),
        "{one}"
    );
}

#[test]
fn a_key_that_is_not_there_is_refused_with_those_that_are() {
    let refused = reference_of("services.api.memroy").unwrap_err();
    assert!(
        refused.starts_with("there is no key `memroy` in services.<name>, but `"),
        "{refused}"
    );
    assert!(refused.contains("`memory`"), "{refused}");
    assert_eq!(
        reference_of("name.x").unwrap_err(),
        "`name` is a single value, without keys"
    );
}
