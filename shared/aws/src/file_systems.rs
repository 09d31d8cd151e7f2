//! EFS: the file system that a bottle sync's tasks resume from.

use aws_sdk_efs::operation::update_file_system::UpdateFileSystemError;
use aws_sdk_efs::types::ThroughputMode;
use longshore_bottles::ports::{FileSystems, ObservedFileSystem};
use longshore_state::{CallError, ErrorClass};

use crate::AwsCloud;
use crate::error::{failed, not_found};

impl FileSystems for AwsCloud {
    async fn describe_file_system(
        &self,
        file_system_id: &str,
    ) -> Result<ObservedFileSystem, CallError> {
        let operation = format!("describe EFS file system {file_system_id}");
        let answer = self
            .efs()
            .describe_file_systems()
            .file_system_id(file_system_id)
            .send()
            .await
            .map_err(failed(&operation))?;
        let described = answer.file_systems().first();
        let found = described.ok_or_else(|| not_found(&operation, "EFS shows none"))?;
        let mut mount_targets = Vec::new();
        let mut marker = None;
        loop {
            let page = self
                .efs()
                .describe_mount_targets()
                .file_system_id(file_system_id)
                .set_marker(marker)
                .send()
                .await
                .map_err(failed(format!(
                    "describe the mount targets of EFS file system {file_system_id}"
                )))?;
            mount_targets.extend(page.mount_targets().iter().map(|target| {
                (
                    target.subnet_id().to_owned(),
                    target.life_cycle_state().as_str().to_owned(),
                )
            }));
            marker = page.next_marker;
            if marker.is_none() {
                break;
            }
        }
        Ok(ObservedFileSystem {
            life_cycle_state: found.life_cycle_state().as_str().to_owned(),
            // Nothing said is bursting: the Amazon EFS API Reference, "FileSystemDescription".
            throughput_mode: found
                .throughput_mode()
                .unwrap_or(&ThroughputMode::Bursting)
                .as_str()
                .to_owned(),
            provisioned_throughput_in_mibps: found
                .provisioned_throughput_in_mibps()
                .map(|mibps| mibps.round() as u32),
            mount_targets,
        })
    }

    async fn set_provisioned_throughput(
        &self,
        file_system_id: &str,
        mibps: u32,
    ) -> Result<(), CallError> {
        let operation =
            format!("provision {mibps} MiB/s of throughput for EFS file system {file_system_id}");
        let answer = self
            .efs()
            .update_file_system()
            .file_system_id(file_system_id)
            .throughput_mode(ThroughputMode::Provisioned)
            .provisioned_throughput_in_mibps(f64::from(mibps))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => {
                // Within 24 hours of a change EFS refuses to lower it, and calls that too many requests:
                // the Amazon EFS API Reference, "UpdateFileSystem".
                let too_early = error
                    .as_service_error()
                    .is_some_and(UpdateFileSystemError::is_too_many_requests);
                let error = failed(operation)(error);
                Err(CallError {
                    class: if too_early {
                        ErrorClass::Refused
                    } else {
                        error.class
                    },
                    ..error
                })
            }
        }
    }
}
