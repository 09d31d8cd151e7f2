//! Which request an approval or a rejection is of.

use longshore_events::image::DigestPrefix;
use longshore_events::words::waits_for;

use crate::record::{Record, Waiting};

/// What waits to be approved.
///
/// # Errors
/// Why there is nothing, or not only one.
pub fn to_be_approved<'a>(
    record: &'a Record,
    meant_digest: Option<&DigestPrefix>,
) -> Result<&'a Waiting, String> {
    // Once it was to be approved, it can be, even while it waits for something else again.
    let to_be_approved: Vec<&Waiting> = record
        .waiting
        .values()
        .filter(|waiting| waiting.approve_by.is_some())
        .collect();
    let meant = |waiting: &&&Waiting| {
        let digest = &waiting.request.image.digest;
        meant_digest.is_none_or(|meant| meant.is_of(digest))
    };
    match (to_be_approved.as_slice(), meant_digest) {
        ([], _) => Err(why_not(record)),
        ([_, _, ..], None) => {
            let images: Vec<String> = to_be_approved
                .iter()
                .map(|waiting| waiting.request.image.to_string())
                .collect();
            Err(format!(
                "{} wait for approval: say which by its digest",
                images.join(" and ")
            ))
        }
        ([waiting, ..], digest) => match (to_be_approved.iter().find(meant), digest) {
            (Some(waiting), _) => Ok(waiting),
            (None, Some(digest)) => Err(format!(
                "{} waits for approval, and not {digest}: look at it and approve that, or leave the digest \
                 out",
                waiting.request.image
            )),
            (None, None) => Ok(waiting),
        },
    }
}

/// What the record holds instead of something to be approved.
fn why_not(record: &Record) -> String {
    let Some(waiting) = record.waiting.values().next() else {
        let last = &record.deployment;
        return format!("nothing waits; the last deployment is of {}", last.image);
    };
    format!(
        "{} does not wait for approval, it waits for {}",
        waiting.request.image,
        waits_for(&waiting.why, waiting.until, str::to_owned)
    )
}
