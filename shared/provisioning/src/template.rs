//! What the engine reads out of templates: who is served, and which resources hold data.

use std::collections::{BTreeMap, BTreeSet};

use longshore_policy::route::Subscriber;
use longshore_policy::template::TemplateMetadata;
use serde_json::{Map, Value};

use crate::ports::{FoundBucket, FoundFileSystem, ResourceToImport};

/// What holds data and can outlive its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    FileSystem,
    Bucket,
}

impl Holder {
    const ALL: [Self; 2] = [Self::FileSystem, Self::Bucket];

    fn resource_type(self) -> &'static str {
        match self {
            Self::FileSystem => "AWS::EFS::FileSystem",
            Self::Bucket => "AWS::S3::Bucket",
        }
    }

    /// The tag that says which of a stack file's file systems or buckets a resource is.
    fn tag(self) -> &'static str {
        match self {
            Self::FileSystem => "longshore:file-system",
            Self::Bucket => "longshore:bucket",
        }
    }

    /// By what CloudFormation imports it.
    fn identifier(self) -> &'static str {
        match self {
            Self::FileSystem => "FileSystemId",
            Self::Bucket => "BucketName",
        }
    }
}

/// Something with data that an earlier stack of the same name has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retained {
    pub holder: Holder,
    /// Its name in the stack file.
    pub name: String,
    /// AWS's name for it.
    pub physical_id: String,
}

impl From<FoundFileSystem> for Retained {
    fn from(found: FoundFileSystem) -> Self {
        Self {
            holder: Holder::FileSystem,
            name: found.name,
            physical_id: found.file_system_id,
        }
    }
}

impl From<FoundBucket> for Retained {
    fn from(found: FoundBucket) -> Self {
        Self {
            holder: Holder::Bucket,
            name: found.name,
            physical_id: found.bucket_name,
        }
    }
}

/// A template that was rendered from a stack file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    document: Value,
}

/// A resource of a template that holds data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataResource {
    pub holder: Holder,
    /// Its name in the stack file.
    pub name: String,
    /// Its name in the template.
    pub logical_id: String,
    /// Whether it is deleted with the stack.
    pub deleted_with_stack: bool,
}

impl DataResource {
    /// What an earlier stack has left of it.
    pub fn among<'a>(&self, retained: &'a [Retained]) -> Option<&'a Retained> {
        let mut retained = retained.iter();
        retained.find(|retained| retained.holder == self.holder && retained.name == self.name)
    }
}

impl Template {
    /// Reads a template's text; `None` for one that is not JSON, which is nobody's of ours.
    pub fn parse(body: &str) -> Option<Self> {
        serde_json::from_str(body)
            .ok()
            .map(|document| Self { document })
    }

    /// What the template says about its services; `None` for a template that Longshore did not render.
    pub fn metadata(&self) -> Option<TemplateMetadata> {
        let metadata = self.document.pointer("/Metadata/Longshore")?;
        serde_json::from_value(metadata.clone()).ok()
    }

    /// Its file systems and buckets.
    pub fn data(&self) -> Vec<DataResource> {
        let data = self.resources().filter_map(|(logical_id, resource)| {
            let mut holders = Holder::ALL.into_iter();
            let holder = holders.find(|holder| resource["Type"] == holder.resource_type())?;
            Some(DataResource {
                holder,
                name: tag(resource, holder.tag()).unwrap_or_else(|| logical_id.clone()),
                logical_id: logical_id.clone(),
                deleted_with_stack: resource["DeletionPolicy"] == "Delete",
            })
        });
        data.collect()
    }

    /// The template that adopts what exists already, and nothing else: CloudFormation imports only with a
    /// template that holds no resource besides (AWS CloudFormation User Guide, "Import AWS resources into a
    /// CloudFormation stack").
    pub fn importing(&self, retained: &[Retained]) -> Option<(String, Vec<ResourceToImport>)> {
        let mut imported = Vec::new();
        let mut resources = Map::new();
        for data in self.data() {
            let Some(existing) = data.among(retained) else {
                continue;
            };
            let resource = &self.document["Resources"][&data.logical_id];
            resources.insert(data.logical_id.clone(), resource.clone());
            imported.push(ResourceToImport {
                logical_id: data.logical_id,
                resource_type: data.holder.resource_type().to_owned(),
                identifier: data.holder.identifier().to_owned(),
                value: existing.physical_id.clone(),
            });
        }
        if imported.is_empty() {
            return None;
        }
        let mut document = self.document.clone();
        let fields = document.as_object_mut()?;
        fields.remove("Outputs");
        fields.insert("Resources".to_owned(), Value::Object(resources));
        Some((document.to_string(), imported))
    }

    /// The logical ids of the listener rules in which ECS says to which of two target groups requests go.
    pub fn shifting_rules(&self) -> BTreeSet<String> {
        let rules = self.resources().filter(|(_, resource)| {
            resource["Type"] == "AWS::ElasticLoadBalancingV2::ListenerRule"
                && resource
                    .pointer("/Properties/Actions/0/ForwardConfig/TargetGroups/1")
                    .is_some()
        });
        rules.map(|(logical_id, _)| logical_id.clone()).collect()
    }

    /// The properties that others change by design, by logical id: ECS, to which of two target groups a rule sends the
    /// requests; Application Auto Scaling, between how many tasks a service scales, at the times of its schedule.
    pub fn changed_by_design(&self) -> BTreeMap<String, &'static [&'static str]> {
        let rules = self.shifting_rules().into_iter();
        let rules = rules.map(|rule| (rule, &["/Actions"][..]));
        let targets = self.resources().filter(|(_, resource)| {
            resource["Type"] == "AWS::ApplicationAutoScaling::ScalableTarget"
                && resource.pointer("/Properties/ScheduledActions").is_some()
        });
        let bounds = &["/MaxCapacity", "/MinCapacity"][..];
        rules
            .chain(targets.map(|(target, _)| (target.clone(), bounds)))
            .collect()
    }

    /// Whether one of its [`Self::shifting_rules`] sends requests to the second target group; `None` for what is
    /// none of them.
    pub fn sends_to_alternate(&self, rule: &str) -> Option<bool> {
        let alternate = self.document["Resources"][rule]
            .pointer("/Properties/Actions/0/ForwardConfig/TargetGroups/1")?;
        Some(alternate["Weight"] != 0)
    }

    /// Whether there is a resource of this logical id.
    pub fn has(&self, logical_id: &str) -> bool {
        self.document["Resources"].get(logical_id).is_some()
    }

    /// Whether a resource is another one in `after`, or one that it refers to is: where CloudFormation replaces that,
    /// it changes this one, too.
    pub fn differs_in(&self, logical_id: &str, after: &Self) -> bool {
        self.with_references(logical_id) != after.with_references(logical_id)
    }

    /// The properties of a resource and of all that it refers to, by logical id.
    fn with_references(&self, logical_id: &str) -> BTreeMap<&str, &Value> {
        let mut found = BTreeMap::new();
        let mut open = vec![logical_id];
        while let Some(id) = open.pop() {
            // A reference may lead to a parameter, or to what AWS fills in.
            let resources = self.document["Resources"].as_object();
            let resource = resources.and_then(|resources| resources.get_key_value(id));
            let Some((id, resource)) = resource else {
                continue;
            };
            let properties = &resource["Properties"];
            if found.insert(id.as_str(), properties).is_none() {
                open.extend(references(properties));
            }
        }
        found
    }

    pub fn parameters(&self) -> Vec<String> {
        let parameters = self.document["Parameters"].as_object();
        parameters
            .into_iter()
            .flat_map(|parameters| parameters.keys().cloned())
            .collect()
    }

    pub fn resource_types(&self) -> Vec<(String, String)> {
        self.resources()
            .map(|(logical_id, resource)| {
                let resource_type = resource["Type"].as_str().unwrap_or_default();
                (logical_id.clone(), resource_type.to_owned())
            })
            .collect()
    }

    fn resources(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.document["Resources"].as_object().into_iter().flatten()
    }
}

/// The logical ids to which a part of a template refers by `Ref` and `Fn::GetAtt`.
fn references(part: &Value) -> Vec<&str> {
    match part {
        Value::Object(fields) => {
            let own = fields.get("Ref").or_else(|| part.pointer("/Fn::GetAtt/0"));
            let inner = fields.values().flat_map(references);
            own.and_then(Value::as_str)
                .into_iter()
                .chain(inner)
                .collect()
        }
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

fn tag(resource: &Value, key: &str) -> Option<String> {
    // EFS is the one service whose resources name their tags so.
    let properties = &resource["Properties"];
    let tags = properties["FileSystemTags"]
        .as_array()
        .or_else(|| properties["Tags"].as_array())?;
    tags.iter()
        .find(|tag| tag["Key"] == key)
        .and_then(|tag| tag["Value"].as_str())
        .map(str::to_owned)
}

/// What a template's text says about its services; `None` for one that Longshore did not render.
pub(crate) fn metadata_of(body: &str) -> Option<TemplateMetadata> {
    Template::parse(body)?.metadata()
}

/// The subscribers that a template asks for, by repository.
pub(crate) fn subscribers(metadata: &TemplateMetadata) -> BTreeMap<String, Vec<Subscriber>> {
    let mut subscribers: BTreeMap<String, Vec<Subscriber>> = BTreeMap::new();
    for (service, described) in &metadata.services {
        for (repository, subscriber) in described.subscribers(&metadata.stack, service) {
            subscribers
                .entry(repository.to_owned())
                .or_default()
                .push(subscriber);
        }
    }
    subscribers
}
