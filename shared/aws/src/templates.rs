//! The state bucket, as provisioning uses it: stack files, templates, and routes to be written.

use longshore_events::partition::Partition;
use longshore_provisioning::ports::{ProvisioningStore, StoredStackFile};
use longshore_state::{CallError, WriteCondition, if_there};
use sha2::{Digest, Sha256};

use crate::AwsCloud;
use crate::error::failed;
use crate::objects::collect_at_most;

/// CloudFormation's templates are at most 1 MB, and a stack file is smaller than its template.
const LARGEST_STACK_FILE: usize = 1024 * 1024;

/// The endings that a stack file's key may have, in the order in which they are looked for.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

impl ProvisioningStore for AwsCloud {
    async fn stack_file(&self, stack: &str) -> Result<Option<StoredStackFile>, CallError> {
        for ending in ENDINGS {
            let key = format!("stacks/{stack}.{ending}");
            if let Some(file) = self.stack_file_at(key).await? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    async fn put_template(&self, stack: &str, body: &str) -> Result<String, CallError> {
        let hash = hex::encode(Sha256::digest(body));
        let bucket = &self.state_bucket_name;
        let key = format!("templates/{stack}/{hash}.json");
        self.write_object(
            bucket,
            &key,
            "application/json",
            body.as_bytes().to_vec(),
            WriteCondition::None,
        )
        .await?;
        let region = self
            .configuration
            .region()
            .map(AsRef::as_ref)
            .unwrap_or_default();
        let domain = Partition::of_region(region).domain;
        Ok(format!("https://{bucket}.s3.{region}.{domain}/{key}"))
    }
}

impl AwsCloud {
    async fn stack_file_at(&self, key: String) -> Result<Option<StoredStackFile>, CallError> {
        let operation = format!("read s3://{}/{key}", self.state_bucket_name);
        let answer = self
            .s3()
            .get_object()
            .bucket(&self.state_bucket_name)
            .key(&key)
            .send()
            .await
            .map_err(failed(&operation));
        let Some(answer) = if_there(answer)? else {
            return Ok(None);
        };
        let version_id = answer.version_id().map(str::to_owned);
        let content = collect_at_most(answer, LARGEST_STACK_FILE, "stack file", &operation).await?;
        Ok(Some(StoredStackFile {
            key,
            version_id,
            content,
        }))
    }
}
