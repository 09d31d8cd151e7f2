//! Secrets: those of the stack's own, how containers get them, and who may read them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spec::{Container, RepositoryCredentials, Secret, Sensitive, Service, Stack};

use super::iam::Statement;
use super::named::{NamedService, NamedStack};
use super::names::Kind;
use super::template::{Policy, Properties, Tag, Template, Value, part_of_sub};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct StackSecret {
    description: String,
    kms_key_id: Option<Value>,
    name: String,
    secret_string: Value,
    tags: Option<Vec<Tag>>,
}

impl Properties for StackSecret {
    const TYPE: &'static str = "AWS::SecretsManager::Secret";
}

/// Adds the secrets whose values are in the stack file, and returns these by parameter.
pub(super) fn render(
    named_stack: &NamedStack,
    template: &mut Template,
) -> BTreeMap<String, Sensitive> {
    let mut values = BTreeMap::new();
    for named_service in named_stack.members() {
        for (container, variable, secret) in of_service(named_service.name, named_service.spec) {
            let Some(value) = &secret.value else {
                continue;
            };
            let names = names(named_service.name, container, variable);
            let parameter = Kind::SensitiveValue.id(&names);
            template.add_sensitive(
                parameter.clone(),
                format!("Value of {}", path(named_service.name, container, variable)),
            );
            let properties = StackSecret {
                name: format!("{}/{}", named_stack.stack_name, names.join("/")),
                description: format!(
                    "{variable} of {} of {}",
                    named_service.name, named_stack.stack_name
                ),
                secret_string: Value::Ref(parameter.clone()),
                kms_key_id: secret.kms_key_arn.as_deref().map(Value::written),
                tags: named_stack.tags(),
            };
            let resource = template.add(Kind::Secret, &names, &properties);
            // Its value is in the stack file.
            resource.policies(Policy::Delete, Policy::Delete);
            if properties.kms_key_id.is_none() {
                resource.unchecked(
                    "CKV_AWS_149",
                    "Secrets Manager encrypts it with the account's key; the stack file may name another",
                );
            }
            values.insert(parameter, value.clone());
        }
    }
    values
}

/// By parameter, where its value is in the stack file.
pub(super) fn parameter_sources(stack: &Stack) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    for (service, spec) in &stack.services {
        for (container, variable, secret) in of_service(service, spec) {
            if secret.value.is_some() {
                sources.insert(
                    Kind::SensitiveValue.id(&names(service, container, variable)),
                    format!("{}.value", path(service, container, variable)),
                );
            }
        }
    }
    sources
}

/// The secrets of a service's containers, with the names of their variables.
fn of_service<'a>(
    name: &'a str,
    spec: &'a Service,
) -> impl Iterator<Item = (Container<'a>, &'a str, &'a Secret)> {
    spec.containers(name).flat_map(|container| {
        let secrets = container.secrets.iter();
        secrets.map(move |(variable, secret)| (container, variable.as_str(), secret))
    })
}

/// By what a secret of the stack's own is distinguished from others.
fn names<'a>(service: &'a str, container: Container<'a>, variable: &'a str) -> Vec<&'a str> {
    let mut names = vec![service];
    names.extend(container.sidecar);
    names.push(variable);
    names
}

/// Where a secret is in the stack file.
fn path(service: &str, container: Container, variable: &str) -> String {
    match container.sidecar {
        Some(sidecar) => format!("services.{service}.sidecars.{sidecar}.secrets.{variable}"),
        None => format!("services.{service}.secrets.{variable}"),
    }
}

/// Where the value of a variable comes from, as ECS takes it.
pub(super) fn value_from(
    named_stack: &NamedStack,
    named_service: NamedService,
    container: Container,
    variable: &str,
    secret: &Secret,
) -> Value {
    let Some(written) = &secret.value_from else {
        return Value::Ref(Kind::Secret.id(&names(named_service.name, container, variable)));
    };
    let source = Source::of(named_stack, written);
    match (&source, &secret.json_key) {
        // `<arn>:<JSON key>:<version stage>:<version id>`; ECS takes the key only after an ARN.
        (_, Some(key)) => Value::sub(format!("{}:{}::", source.arn(), part_of_sub(key))),
        (Source::Arn(arn), None) => Value::written(arn),
        (Source::Name(_) | Source::Parameter(_), None) => Value::sub(source.arn()),
    }
}

/// The secret with which a container's image is pulled, as ECS is told.
pub(super) fn credentials(named_stack: &NamedStack, credentials: &RepositoryCredentials) -> Value {
    let source = Source::of_secret(named_stack, &credentials.credentials_parameter);
    literal_or_sub(source.arn())
}

/// What the execution role needs to read a service's secrets.
pub(super) fn statements(named_stack: &NamedStack, named_service: NamedService) -> Vec<Statement> {
    let mut secrets = BTreeSet::new();
    let mut own = Vec::new();
    let mut parameters = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (container, variable, secret) in of_service(named_service.name, named_service.spec) {
        keys.extend(secret.kms_key_arn.as_deref());
        let Some(written) = &secret.value_from else {
            own.push(Value::Ref(Kind::Secret.id(&names(
                named_service.name,
                container,
                variable,
            ))));
            continue;
        };
        let source = Source::of(named_stack, written);
        if source.is_parameter() {
            parameters.insert(source.arn());
            continue;
        }
        add_secret(named_stack, written, &mut secrets);
    }
    let containers = named_service.containers();
    for credentials in containers.filter_map(|container| container.details.repository_credentials) {
        keys.extend(credentials.kms_key_arn.as_deref());
        add_secret(
            named_stack,
            &credentials.credentials_parameter,
            &mut secrets,
        );
    }
    let mut statements = Vec::new();
    if !secrets.is_empty() || !own.is_empty() {
        statements.push(Statement::allow(
            "ReadSecrets",
            ["secretsmanager:GetSecretValue"],
            secrets.into_iter().map(literal_or_sub).chain(own),
        ));
    }
    if !parameters.is_empty() {
        statements.push(Statement::allow(
            "ReadParameters",
            ["ssm:GetParameters"],
            parameters.into_iter().map(literal_or_sub),
        ));
    }
    if !keys.is_empty() {
        let services = ["secretsmanager", "ssm"]
            .map(|service| Value::sub(format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}")));
        statements.push(
            Statement::allow(
                "Decrypt",
                ["kms:Decrypt"],
                keys.into_iter().map(Value::written),
            )
            .when("StringEquals", "kms:ViaService", services),
        );
    }
    statements
}

/// Adds what a statement must name of a secret, for `Fn::Sub`.
fn add_secret(named_stack: &NamedStack, written: &str, secrets: &mut BTreeSet<String>) {
    let source = Source::of_secret(named_stack, written);
    let is_known = named_stack.context.secrets.contains_key(written);
    if is_known || source.may_be_complete() {
        secrets.insert(source.arn());
    }
    if !is_known {
        // Six characters are at the end of every secret's ARN.
        secrets.insert(format!("{}-??????", source.arn()));
    }
}

fn literal_or_sub(text: String) -> Value {
    if text.contains("${") {
        Value::Sub(text)
    } else {
        Value::Text(text)
    }
}

/// What `value_from` names.
enum Source<'a> {
    /// A secret's or SSM parameter's ARN.
    Arn(&'a str),
    /// A secret of this account and region.
    Name(&'a str),
    /// A parameter of SSM of this account and region, with a `/` in front.
    Parameter(&'a str),
}

impl<'a> Source<'a> {
    fn of(named_stack: &'a NamedStack, written: &'a str) -> Self {
        if written.starts_with('/') {
            Self::Parameter(written)
        } else {
            Self::of_secret(named_stack, written)
        }
    }

    /// Where nothing but a secret is taken.
    fn of_secret(named_stack: &'a NamedStack, written: &'a str) -> Self {
        if let Some(arn) = named_stack.context.secrets.get(written) {
            Self::Arn(arn)
        } else if written.starts_with("arn:") {
            Self::Arn(written)
        } else {
            Self::Name(written)
        }
    }

    /// The ARN, for `Fn::Sub`.
    fn arn(&self) -> String {
        match self {
            Self::Arn(arn) => part_of_sub(arn),
            Self::Name(name) => format!(
                "arn:${{AWS::Partition}}:secretsmanager:${{AWS::Region}}:${{AWS::AccountId}}:secret:{}",
                part_of_sub(name)
            ),
            Self::Parameter(name) => format!(
                "arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter{}",
                part_of_sub(name)
            ),
        }
    }

    fn is_parameter(&self) -> bool {
        match self {
            Self::Arn(arn) => arn.contains(":ssm:"),
            Self::Name(_) => false,
            Self::Parameter(_) => true,
        }
    }

    /// Whether it is an ARN that ends as complete ones do.
    fn may_be_complete(&self) -> bool {
        matches!(self, Self::Arn(arn) if ends_as_complete_arns_do(arn))
    }
}

/// Whether a name or ARN of a secret ends in a hyphen and six characters, which Secrets Manager puts at the end
/// of every ARN and by which it distinguishes complete ones from others.
pub(crate) fn ends_as_complete_arns_do(text: &str) -> bool {
    text.rsplit_once('-').is_some_and(|(_, end)| {
        end.len() == 6
            && end
                .chars()
                .all(|character| character.is_ascii_alphanumeric())
    })
}
