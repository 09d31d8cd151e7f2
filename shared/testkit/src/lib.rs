//! Fakes, builders and fault injection for tests.

mod account;
mod adopting;
mod any_event;
mod builders;
mod calls;
mod corpus;
mod dead_letters;
mod documents;
mod fake_cloud;
mod faults;
mod installation;
mod installed;
mod one_off_tasks;
mod pathological;
mod ports;
mod provisioning;
mod queues;
mod registry;
mod service_views;
mod shells;
mod syncing;

pub use any_event::AnyEvent;
pub use builders::{
    STACK_ID, altered, digest, noon, observed_stack, push, stack_change, subscriber,
    task_definition_document, worker,
};
pub use corpus::read_corpus;
pub use documents::Bucket;
pub use fake_cloud::FakeCloud;
pub use faults::{Fault, error};
pub use installation::installed;
pub use installed::FakeInstallation;
pub use pathological::{PathologicalFile, pathological_stack_files};
pub use syncing::{
    FAKE_PLATFORM, FakeFormula, FakeMirror, FakeTask, INDEX_URL, MIRROR_BUCKET, MIRROR_STACK,
    bottle_sha256,
};
