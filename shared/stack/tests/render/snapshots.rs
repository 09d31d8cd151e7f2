//! The templates of `stacks/`, as they are.

use longshore_stack::render::render;

use super::support::{STACKS, context, json, rendered};
use super::whole::document;

#[test]
fn the_stacks_are_rendered_as_before() {
    for (name, environments) in STACKS {
        for environment in environments {
            let template = json(&rendered(name, environment));
            insta::assert_json_snapshot!(format!("{name}-{environment}"), template);
        }
    }
}

#[test]
fn a_stack_that_says_everything_is_rendered_as_before() {
    let stack = serde_json::from_value(document()).unwrap();
    insta::assert_json_snapshot!("whole", json(&render(&stack, &context())));
}
