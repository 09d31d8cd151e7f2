//! File systems.

use crate::spec::{FileSystem, Stack, ThroughputMode};

use super::amounts::Quantity;
use super::bill::Bill;

pub(super) fn file_systems(stack: &Stack, bill: &mut Bill<'_>) {
    let own = stack.file_systems.iter();
    for (name, file_system) in own.filter(|(_, one)| one.file_system_id.is_none()) {
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
