//! Everything that is ever written into a record.

mod deployment;
mod request;
