//! The templates of `stacks/`, as they are.

use super::support::{STACKS, json, rendered};

#[test]
fn the_stacks_are_rendered_as_before() {
    for (name, environments) in STACKS {
        for environment in environments {
            let template = json(&rendered(name, environment));
            insta::assert_json_snapshot!(format!("{name}-{environment}"), template);
        }
    }
}
