//! Reading and rendering the stack files of `stacks/`, and finding one's way in a template.

use std::collections::BTreeMap;
use std::path::Path;

use longshore_stack::read::{Reading, Selection, read};
use longshore_stack::render::{Context, Rendered, render};
use longshore_stack::spec::Stack;
use serde_json::Value;

/// The stack files and their environments.
pub const STACKS: [(&str, &[&str]); 5] = [
    ("stellar-insights", &["dev", "staging", "prod"]),
    ("classla", &["dev", "prod"]),
    ("paperwurks", &["dev", "staging", "prod"]),
    ("homebrew-bottles-sync", &["prod"]),
    ("insightxi", &["dev", "prod"]),
];

pub fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../stacks")
        .join(name)
        .with_extension("yaml");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn stack(text: &str, environment: Option<&str>) -> Stack {
    match read(text.as_bytes(), &Selection::Environment(environment)) {
        Ok(Reading { stack, .. }) => stack,
        Err(problems) => panic!("{problems:#?}"),
    }
}

/// With a boundary, as it is rendered where it is applied.
pub fn context() -> Context {
    Context {
        permissions_boundary_arn: Some(
            "arn:aws:iam::123456789012:policy/longshore-boundary".to_owned(),
        ),
        ..Context::default()
    }
}

pub fn rendered(name: &str, environment: &str) -> Rendered {
    render(&stack(&file(name), Some(environment)), &context())
}

pub fn json(rendered: &Rendered) -> Value {
    serde_json::from_str(&rendered.body).expect("the template is JSON")
}

/// A template, to look things up in.
pub struct Template(pub Value);

impl Template {
    pub fn of(name: &str, environment: &str) -> Self {
        Self(json(&rendered(name, environment)))
    }

    pub fn resource(&self, id: &str) -> &Value {
        let resource = &self.0["Resources"][id];
        assert!(resource.is_object(), "there is no resource {id}");
        resource
    }

    pub fn properties(&self, id: &str) -> &Value {
        &self.resource(id)["Properties"]
    }

    /// The ids of the resources of a type.
    pub fn ids(&self, resource_type: &str) -> Vec<&str> {
        let resources = self.0["Resources"]
            .as_object()
            .expect("there are resources");
        let of_type = resources
            .iter()
            .filter(|(_, resource)| resource["Type"] == resource_type);
        of_type.map(|(id, _)| id.as_str()).collect()
    }

    pub fn container(&self, service: &str) -> &Value {
        &self.properties(&format!("TaskDefinition{service}"))["ContainerDefinitions"][0]
    }

    /// The value of an environment variable.
    pub fn variable(&self, service: &str, name: &str) -> &Value {
        let variables = self.container(service)["Environment"].as_array();
        let mut variables = variables.into_iter().flatten();
        match variables.find(|variable| variable["Name"] == name) {
            Some(variable) => &variable["Value"],
            None => &Value::Null,
        }
    }

    /// Where the value of a secret environment variable comes from.
    pub fn secret(&self, service: &str, name: &str) -> &Value {
        let secrets = self.container(service)["Secrets"].as_array();
        let mut secrets = secrets.into_iter().flatten();
        match secrets.find(|secret| secret["Name"] == name) {
            Some(secret) => &secret["ValueFrom"],
            None => &Value::Null,
        }
    }

    /// The statements of the policies within a role.
    pub fn statements(&self, role: &str) -> Vec<&Value> {
        let policies = self.properties(role)["Policies"].as_array();
        let policies = policies.into_iter().flatten();
        let statements =
            policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array());
        statements.flatten().collect()
    }

    /// The statement of a role that has this `Sid`.
    pub fn statement(&self, role: &str, sid: &str) -> &Value {
        let mut statements = self.statements(role).into_iter();
        let found = statements.find(|statement| statement["Sid"] == sid);
        found.unwrap_or_else(|| panic!("{role} has no statement {sid}"))
    }

    /// The value of an attribute in a list of keys and values.
    pub fn attribute<'a>(&'a self, id: &str, list: &str, key: &str) -> &'a Value {
        let attributes = self.properties(id)[list].as_array();
        let mut attributes = attributes.into_iter().flatten();
        match attributes.find(|attribute| attribute["Key"] == key) {
            Some(attribute) => &attribute["Value"],
            None => &Value::Null,
        }
    }

    /// By the names that people read, whether there is an output for each.
    pub fn has_outputs(&self, names: &BTreeMap<String, String>, wanted: &[&str]) {
        for name in wanted {
            let output = names
                .get(*name)
                .unwrap_or_else(|| panic!("there is no output {name}"));
            assert!(
                self.0["Outputs"][output]["Value"] != Value::Null,
                "{output}"
            );
        }
    }
}
