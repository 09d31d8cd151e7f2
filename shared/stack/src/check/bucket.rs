//! S3 buckets.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::forms::{is_label, is_open};
use crate::path::Path;
use crate::spec::{Bucket, Stack};

/// S3's limits for names.
const NAME_LENGTHS: std::ops::RangeInclusive<usize> = 3..=63;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for (name, bucket) in &stack.buckets {
        let path = Path::default().key("buckets").key(name);
        check_bucket(&path, stack, name, bucket, findings);
        let bucket_name = stack.bucket_name(name);
        if let Some(other) = names.insert(bucket_name.clone(), name) {
            findings.error(
                path.key("bucket_name"),
                bucket_name,
                format!("bucket `{other}` has this name already, expected names that differ"),
            );
        }
    }
}

fn check_bucket(path: &Path, stack: &Stack, name: &str, bucket: &Bucket, findings: &mut Findings) {
    const EXPECTED: &str = "expected 3 to 63 lowercase letters, digits and hyphens between them";
    let bucket_name = stack.bucket_name(name);
    if !is_bucket_name(&bucket_name) {
        match &bucket.bucket_name {
            Some(said) => findings.error(
                path.key("bucket_name"),
                said,
                format!("S3 does not allow this name, {EXPECTED}"),
            ),
            None => findings.error(
                path,
                name,
                format!("the bucket would be {bucket_name}, {EXPECTED}; add `bucket_name`"),
            ),
        }
    }
}

/// Without dots: the certificate of S3 holds for no name that has some.
fn is_bucket_name(name: &str) -> bool {
    // As long as what CloudFormation puts there, or as what is longest of it.
    let name = name
        .replace("${AWS::AccountId}", "123456789012")
        .replace("${AWS::Region}", "ap-southeast-1");
    is_open(&name)
        || (NAME_LENGTHS.contains(&name.len())
            && is_label(&name)
            && !name.contains(|character: char| character.is_ascii_uppercase()))
}
