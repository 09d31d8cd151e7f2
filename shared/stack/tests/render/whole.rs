//! A stack that says all that a stack file can say: between its services, some of which run on instances
//! and some on Fargate, everything is used.

use serde_json::Value;

pub fn document() -> Value {
    serde_json::from_str(include_str!("whole.json")).expect("the document is JSON")
}
