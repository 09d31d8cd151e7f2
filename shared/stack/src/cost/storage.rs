//! File systems, buckets, secrets and keys.

use crate::spec::{FileSystem, LogEncryption, Stack, ThroughputMode};

use super::Bill;
use super::amounts::Quantity;

pub(super) fn file_systems(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, file_system) in &stack.file_systems {
        let resource = format!("file_systems.{name}");
        charge(&resource, file_system, bill);
    }
}

fn charge(resource: &str, file_system: &FileSystem, bill: &mut Bill<'_>) {
    let size = file_system.expected_size_in_gib;
    let size_field = format!("{resource}.expected_size_in_gib");
    bill.charge_expected(
        resource,
        "EFS storage",
        "efs_storage",
        size,
        &size_field,
        |gib| gib,
    );
    match file_system.throughput_mode {
        ThroughputMode::Bursting => {}
        ThroughputMode::Provisioned => {
            let throughput = file_system.provisioned_throughput_in_mibps.unwrap_or(0.0);
            bill.charge(
                resource,
                "EFS provisioned throughput",
                "efs_provisioned_throughput",
                Quantity::expected(throughput),
            );
            bill.assume(format!(
                "{resource}: all of its provisioned throughput is charged; AWS leaves out what comes with \
                 the storage, 1 MB/s for 20 GB"
            ));
        }
        ThroughputMode::Elastic => {
            bill.charge_expected(
                resource,
                "EFS elastic throughput, read",
                "efs_elastic_read",
                file_system.expected_read_gib_per_month,
                &format!("{resource}.expected_read_gib_per_month"),
                |gib| gib,
            );
            bill.charge_expected(
                resource,
                "EFS elastic throughput, written",
                "efs_elastic_write",
                file_system.expected_written_gib_per_month,
                &format!("{resource}.expected_written_gib_per_month"),
                |gib| gib,
            );
        }
    }
    // AWS charges none for storage of the standard class, so their number is not asked for.
    if let Some(requests) = file_system.expected_requests_per_month {
        bill.charge(
            resource,
            "EFS requests",
            "efs_requests",
            Quantity::expected(requests).scaled(1, 1000),
        );
    }
    if file_system.backup {
        bill.charge_expected(
            resource,
            "backup",
            "backup_storage",
            size,
            &size_field,
            |gib| gib,
        );
        bill.assume(format!(
            "{resource}: the backups hold as much as the file system, without what changes from day to day"
        ));
    }
}

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

pub(super) fn secrets_and_keys(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, service) in &stack.services {
        // Secrets that exist are paid for already.
        let own = service
            .secrets
            .values()
            .filter(|secret| secret.value.is_some());
        bill.charge(
            &format!("services.{name}.secrets"),
            "secrets",
            "secret",
            Quantity::whole(own.count() as u64),
        );
    }
    if stack.logs.encryption == LogEncryption::StackKey {
        bill.charge("logs", "KMS key", "kms_key", Quantity::whole(1));
        bill.assume("logs: the key is in its first year; each of its first two rotations adds a key's price".to_owned());
    }
}
