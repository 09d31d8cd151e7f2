//! A mirror, where it comes from, and what transfers files, in memory.

mod pages;
mod ports;
mod world;

pub use pages::{FAKE_PLATFORM, FakeFormula, bottle_sha256};
pub use world::{FakeMirror, FakeTask, INDEX_URL, MIRROR_BUCKET, MIRROR_STACK};
