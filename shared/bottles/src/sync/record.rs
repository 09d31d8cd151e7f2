//! The sync record: `.longshore/current.json` in the mirror's bucket.
