//! IAM policies.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{Effect, PolicyStatement};

use super::template::Value;

/// A policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    statement: Vec<Statement>,
    version: &'static str,
}

/// A policy within a role.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InlinePolicy {
    policy_document: Document,
    policy_name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Statement {
    action: Vec<Value>,
    condition: Option<Conditions>,
    effect: &'static str,
    principal: Option<Principal>,
    resource: Option<Vec<Value>>,
    sid: Option<&'static str>,
}

/// By operator and key.
type Conditions = BTreeMap<Cow<'static, str>, BTreeMap<Cow<'static, str>, Vec<Value>>>;

#[derive(Debug, Serialize)]
pub(super) enum Principal {
    Service(Vec<Value>),
    #[serde(rename = "AWS")]
    Aws(Value),
}

impl Document {
    pub(super) fn of(statements: impl IntoIterator<Item = Statement>) -> Self {
        Self {
            version: "2012-10-17",
            statement: statements.into_iter().collect(),
        }
    }
}

impl InlinePolicy {
    /// A role's policies: one with these statements, or none without any.
    pub(super) fn of(policy_name: &'static str, statements: Vec<Statement>) -> Option<Vec<Self>> {
        (!statements.is_empty()).then(|| {
            vec![Self {
                policy_name,
                policy_document: Document::of(statements),
            }]
        })
    }
}

impl Statement {
    pub(super) fn allow<'a>(
        sid: &'static str,
        actions: impl IntoIterator<Item = &'a str>,
        resources: impl IntoIterator<Item = Value>,
    ) -> Self {
        Self {
            sid: Some(sid),
            effect: "Allow",
            principal: None,
            action: actions.into_iter().map(Value::from).collect(),
            resource: Some(resources.into_iter().collect()),
            condition: None,
        }
    }

    /// As [`Statement::allow`], where there may be several that would have the same name.
    pub(super) fn allow_unnamed<'a>(
        actions: impl IntoIterator<Item = &'a str>,
        resources: impl IntoIterator<Item = Value>,
    ) -> Self {
        Self {
            sid: None,
            ..Self::allow("", actions, resources)
        }
    }

    /// A statement without `Resource`, as policies of roles and file systems have it.
    pub(super) fn of_principal<'a>(
        effect: &'static str,
        principal: Principal,
        actions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            sid: None,
            effect,
            principal: Some(principal),
            action: actions.into_iter().map(Value::from).collect(),
            resource: None,
            condition: None,
        }
    }

    /// A statement as a stack file has it.
    pub(super) fn written(spec: &PolicyStatement) -> Self {
        let values = |texts: &[String]| texts.iter().map(|text| Value::written(text)).collect();
        let conditions = spec.conditions.iter().map(|(operator, keys)| {
            let keys = keys.iter().map(|(key, values)| {
                let values = values.iter().map(|value| Value::written(value.as_str()));
                (Cow::Owned(key.clone()), values.collect())
            });
            (Cow::Owned(operator.clone()), keys.collect())
        });
        Self {
            sid: None,
            effect: match spec.effect {
                Effect::Allow => "Allow",
                Effect::Deny => "Deny",
            },
            principal: None,
            action: values(&spec.actions),
            resource: Some(values(&spec.resources)),
            condition: (!spec.conditions.is_empty()).then(|| conditions.collect()),
        }
    }

    pub(super) fn sid(mut self, sid: &'static str) -> Self {
        self.sid = Some(sid);
        self
    }

    pub(super) fn on(mut self, resources: impl IntoIterator<Item = Value>) -> Self {
        self.resource = Some(resources.into_iter().collect());
        self
    }

    pub(super) fn when(
        mut self,
        operator: &'static str,
        key: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        self.condition
            .get_or_insert_default()
            .entry(Cow::Borrowed(operator))
            .or_default()
            .insert(Cow::Borrowed(key), values.into_iter().collect());
        self
    }
}
