//! Stacks and services as they are named on the command line.

use std::str::FromStr;

use longshore_events::arn::ServiceName;

/// `<stack>`, or `<stack>/<service>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectArgument {
    /// The stack.
    pub stack: String,
    /// The stack's service; without one, all of them are meant.
    pub service: Option<String>,
}

impl FromStr for SubjectArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && !text.contains('/') {
            return Ok(Self {
                stack: text.to_owned(),
                service: None,
            });
        }
        match text.parse() {
            Ok(ServiceArgument { stack, service }) => Ok(Self {
                stack,
                service: Some(service),
            }),
            Err(_) => Err("expected <stack> or <stack>/<service>, such as shop/api".to_owned()),
        }
    }
}

/// `<cluster>/<service>`, both by their names in ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsServiceArgument(pub ServiceName);

impl FromStr for EcsServiceArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(ServiceArgument { stack, service }) => Ok(Self(ServiceName {
                cluster: stack,
                ecs_service: service,
            })),
            Err(_) => Err("expected <cluster>/<service>, such as shop/api".to_owned()),
        }
    }
}

/// `<stack>/<service>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceArgument {
    /// The stack.
    pub stack: String,
    /// The stack's service.
    pub service: String,
}

impl FromStr for ServiceArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((stack, service))
                if !stack.is_empty() && !service.is_empty() && !service.contains('/') =>
            {
                Ok(Self {
                    stack: stack.to_owned(),
                    service: service.to_owned(),
                })
            }
            _ => Err("expected <stack>/<service>, such as shop/api".to_owned()),
        }
    }
}
