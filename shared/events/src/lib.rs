//! The events that Longshore reads and writes: what AWS sends, what people send, and what Longshore publishes.
//!
//! What AWS sends may grow at any time, so unknown fields in it are tolerated. What people send is
//! refused when it holds an unknown field, because that is nearly always a misspelt one.

pub mod address;
pub mod arn;
pub mod cloudformation;
pub mod dead_letter;
pub mod ecr;
pub mod ecs;
pub mod function_url;
pub mod image;
pub mod incoming;
pub mod longshore;
pub mod manual;
pub mod partition;
pub mod registry;
pub mod release;
pub mod retry_after;
pub mod s3;
pub mod scheduler;
pub mod sequence;
pub mod subject;
pub mod transfer;
pub mod words;

mod malformed;

pub use aws_lambda_events::event::eventbridge::EventBridgeEvent;
pub use malformed::{Malformed, parse};
