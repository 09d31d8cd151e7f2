//! Log groups and the key that encrypts them.

use serde::Serialize;

use crate::spec::LogEncryption;

use super::iam::{Document, Principal, Statement};
use super::named::NamedStack;
use super::names::{Kind, Singleton};
use super::template::{Policy, Properties, Tag, Template, Value};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogGroup {
    kms_key_id: Option<Value>,
    log_group_name: String,
    retention_in_days: u32,
    tags: Option<Vec<Tag>>,
}

impl Properties for LogGroup {
    const TYPE: &'static str = "AWS::Logs::LogGroup";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    description: String,
    enable_key_rotation: bool,
    key_policy: Document,
    tags: Option<Vec<Tag>>,
}

impl Properties for Key {
    const TYPE: &'static str = "AWS::KMS::Key";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Alias {
    alias_name: String,
    target_key_id: Value,
}

impl Properties for Alias {
    const TYPE: &'static str = "AWS::KMS::Alias";
}

/// What a log group is for.
pub(super) enum Name<'a> {
    Service(&'a str),
    One(Singleton),
}

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    if named_stack.stack.logs.encryption == LogEncryption::StackKey {
        key(named_stack, template);
    }
    for named_service in named_stack.members() {
        let name = named_stack.log_group_name(named_service);
        add_group(
            named_stack,
            template,
            Name::Service(named_service.name),
            name,
            None,
        );
    }
}

/// Adds a log group that stays when the stack goes, since logs are read after that, too.
pub(super) fn add_group(
    named_stack: &NamedStack,
    template: &mut Template,
    of: Name,
    log_group_name: String,
    retention_in_days: Option<u32>,
) {
    let logs = &named_stack.stack.logs;
    let group = LogGroup {
        log_group_name,
        retention_in_days: retention_in_days.unwrap_or(logs.retention_in_days),
        kms_key_id: match logs.encryption {
            LogEncryption::AwsOwned => None,
            LogEncryption::StackKey => {
                Some(Value::GetAtt(Singleton::LogsKey.as_str().to_owned(), "Arn"))
            }
            LogEncryption::KmsKey => logs.kms_key_id.as_deref().map(Value::written),
        },
        tags: named_stack.tags(),
    };
    let deletion_policy = match of {
        Name::Service(_) if outlives_failed_creation(named_stack) => Policy::Retain,
        _ => Policy::RetainExceptOnCreate,
    };
    let resource = match of {
        Name::Service(name) => template.add(Kind::LogGroup, &[name], &group),
        Name::One(one) => template.add_one(one, &group),
    };
    resource.policies(deletion_policy, Policy::Retain);
    if group.kms_key_id.is_none() {
        resource.unchecked(
            "CKV_AWS_158",
            "CloudWatch encrypts it with a key of its own; the stack file may ask for another one",
        );
    }
}

/// Whether what a service wrote at a first start that failed is kept. What the stack's own key encrypts can be read only
/// while the key is there, and a key for each failed creation would cost money for ever.
fn outlives_failed_creation(named_stack: &NamedStack) -> bool {
    named_stack.context.imports_log_groups
        && named_stack.stack.logs.encryption != LogEncryption::StackKey
}

fn key(named_stack: &NamedStack, template: &mut Template) {
    let groups = ["ecs", "longshore"].map(|prefix| {
        Value::sub(format!(
            "arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:/{prefix}/{}/*",
            named_stack.stack_name
        ))
    });
    let account = Value::sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root");
    let key = Key {
        description: format!("Logs of {}", named_stack.stack_name),
        enable_key_rotation: true,
        key_policy: Document::of([
            // As KMS has it by default: who may do what with the key is said by the account's policies.
            Statement::of_principal("Allow", Principal::Aws(account), ["kms:*"])
                .sid("Account")
                .on(["*".into()]),
            Statement::of_principal(
                "Allow",
                Principal::Service(vec![Value::sub("logs.${AWS::Region}.${AWS::URLSuffix}")]),
                [
                    "kms:Decrypt",
                    "kms:DescribeKey",
                    "kms:Encrypt",
                    "kms:GenerateDataKey*",
                    "kms:ReEncrypt*",
                ],
            )
            .sid("Logs")
            .on(["*".into()])
            .when("ArnLike", "kms:EncryptionContext:aws:logs:arn", groups),
        ]),
        tags: named_stack.tags(),
    };
    // Logs that stay can be read only while their key stays.
    template
        .add_one(Singleton::LogsKey, &key)
        .policies(Policy::RetainExceptOnCreate, Policy::Retain);
    let alias = Alias {
        alias_name: format!("alias/longshore/{}/logs", named_stack.stack_name),
        target_key_id: Value::Ref(Singleton::LogsKey.as_str().to_owned()),
    };
    template.add_one(Singleton::LogsKeyAlias, &alias);
}
