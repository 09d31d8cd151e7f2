//! Brings files from where they are published into a bucket: bounded, verified, resumable.
