//! S3 buckets.

use crate::spec::Stack;

use super::bill::Bill;

pub(super) fn buckets(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, bucket) in &stack.buckets {
        let resource = format!("buckets.{name}");
        bill.charge_expected(
            &resource,
            "S3 storage",
            "s3_storage",
            bucket.expected_size_in_gib,
            &format!("{resource}.expected_size_in_gib"),
            |gib| gib,
        );
    }
}
