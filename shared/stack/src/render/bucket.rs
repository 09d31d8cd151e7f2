//! S3 buckets.

use serde::Serialize;

use crate::spec::{Bucket, DataDeletion};

use super::named::NamedStack;
use super::names::Kind;
use super::template::{Policy, Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct S3Bucket {
    bucket_encryption: Encryption,
    bucket_name: Value,
    lifecycle_configuration: Lifecycle,
    ownership_controls: Rules<[Ownership; 1]>,
    public_access_block_configuration: PublicAccessBlock,
    tags: Vec<Tag>,
    versioning_configuration: Option<Versioning>,
}

impl Properties for S3Bucket {
    const TYPE: &'static str = "AWS::S3::Bucket";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Encryption {
    server_side_encryption_configuration: [EncryptionRule; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionRule {
    server_side_encryption_by_default: EncryptionByDefault,
}

#[derive(Serialize)]
struct EncryptionByDefault {
    #[serde(rename = "SSEAlgorithm")]
    algorithm: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rules<T> {
    rules: T,
}

type Lifecycle = Rules<Vec<LifecycleRule>>;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LifecycleRule {
    abort_incomplete_multipart_upload: Option<AbortUpload>,
    expired_object_delete_marker: Option<bool>,
    id: &'static str,
    noncurrent_version_expiration: Option<VersionExpiration>,
    status: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AbortUpload {
    days_after_initiation: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VersionExpiration {
    noncurrent_days: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ownership {
    object_ownership: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PublicAccessBlock {
    block_public_acls: bool,
    block_public_policy: bool,
    ignore_public_acls: bool,
    restrict_public_buckets: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Versioning {
    status: &'static str,
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for (name, bucket) in &named_stack.stack.buckets {
        add_bucket(named_stack, template, name, bucket);
    }
}

/// The bucket refers to nothing else in the template, so that one that stayed when the stack went can be
/// adopted again by itself. It has no policy: who may read it from outside is said where it is served.
fn add_bucket(named_stack: &NamedStack, template: &mut Template, name: &str, spec: &Bucket) {
    let bucket = S3Bucket {
        bucket_name: Value::written(&named_stack.stack.bucket_name(name)),
        // With S3's own keys: whoever is let in by the bucket needs no key besides.
        bucket_encryption: Encryption {
            server_side_encryption_configuration: [EncryptionRule {
                server_side_encryption_by_default: EncryptionByDefault {
                    algorithm: "AES256",
                },
            }],
        },
        lifecycle_configuration: Rules {
            rules: lifecycle(spec),
        },
        ownership_controls: Rules {
            rules: [Ownership {
                object_ownership: "BucketOwnerEnforced",
            }],
        },
        public_access_block_configuration: PublicAccessBlock {
            block_public_acls: true,
            block_public_policy: true,
            ignore_public_acls: true,
            restrict_public_buckets: true,
        },
        versioning_configuration: spec
            .noncurrent_version_days
            .map(|_| Versioning { status: "Enabled" }),
        tags: named_stack.tags_and([
            ("longshore:stack", named_stack.stack_name.clone()),
            ("longshore:bucket", name.to_owned()),
        ]),
    };
    let resource = template.add(Kind::Bucket, &[name], &bucket);
    match spec.deletion {
        DataDeletion::Retain => resource.policies(Policy::RetainExceptOnCreate, Policy::Retain),
        // Even then data goes only with the stack, and never because a property changed.
        DataDeletion::Delete => resource.policies(Policy::Delete, Policy::Retain),
    };
    resource.unchecked(
        "CKV_AWS_18",
        "who reads a bucket is logged where it is served",
    );
    if spec.noncurrent_version_days.is_none() {
        resource.unchecked("CKV_AWS_21", "the stack file asks for no versions");
    }
}

fn lifecycle(spec: &Bucket) -> Vec<LifecycleRule> {
    let rule = |id| LifecycleRule {
        id,
        status: "Enabled",
        abort_incomplete_multipart_upload: None,
        noncurrent_version_expiration: None,
        expired_object_delete_marker: None,
    };
    // Parts of uploads that nobody finishes are charged, and no listing shows them.
    let mut rules = vec![LifecycleRule {
        abort_incomplete_multipart_upload: Some(AbortUpload {
            days_after_initiation: 1,
        }),
        ..rule("AbortIncompleteMultipartUploads")
    }];
    if let Some(noncurrent_days) = spec.noncurrent_version_days {
        rules.push(LifecycleRule {
            noncurrent_version_expiration: Some(VersionExpiration { noncurrent_days }),
            expired_object_delete_marker: Some(true),
            ..rule("ExpireNoncurrentVersions")
        });
    }
    rules
}
