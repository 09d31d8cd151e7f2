//! That the table of properties is what AWS's resource schemas say.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

/// The types that Longshore renders and a stack file may change, or may add.
const TYPES: [&str; 19] = [
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::AutoScaling::AutoScalingGroup",
    "AWS::CloudWatch::Alarm",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::ECS::Cluster",
    "AWS::ECS::Service",
    "AWS::ECS::TaskDefinition",
    "AWS::EFS::FileSystem",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::ElasticLoadBalancingV2::ListenerCertificate",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::Logs::LogGroup",
    "AWS::Scheduler::Schedule",
    "AWS::ServiceDiscovery::Service",
];

fn reduced(schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return json!(format!("#{name}"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(fields) = schema["properties"].as_object() {
        return fields_of(fields);
    }
    if kinds == ["array"] {
        return json!([reduced(&schema["items"])]);
    }
    json!(kinds.join("|"))
}

fn fields_of(fields: &Map<String, Value>) -> Value {
    let fields = fields.iter();
    fields
        .map(|(name, schema)| (name.clone(), reduced(schema)))
        .collect()
}

/// The table as the emulator's schemas give it, a type a line.
#[cfg(test)]
fn table() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../emulator/provisioning/resource_types.json");
    let schemas: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let lines = TYPES.map(|name| {
        let schema = &schemas[name];
        let properties = schema["properties"].as_object();
        let mut properties = properties
            .unwrap_or_else(|| panic!("no schema of {name}"))
            .clone();
        for path in schema["readOnlyProperties"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let name = path.as_str().unwrap().strip_prefix("/properties/").unwrap();
            properties.remove(name);
        }
        let definitions = schema["definitions"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let reduced = json!({
            "properties": fields_of(&properties),
            "definitions": fields_of(&definitions),
        });
        format!("\"{name}\": {reduced}")
    });
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

#[test]
fn the_table_of_properties_is_what_the_resource_schemas_say() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("properties/properties.json");
    let wanted = table();
    if std::env::var_os("UPDATE_PROPERTIES").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "properties/properties.json is out of date; run this test with UPDATE_PROPERTIES=1 and commit the file"
    );
}

#[test]
fn no_definition_is_only_another_name_of_itself() {
    let table: Value = serde_json::from_str(&table()).unwrap();
    for (name, of_type) in table.as_object().unwrap() {
        let definitions = of_type["definitions"].as_object().unwrap();
        for definition in definitions.values() {
            let mut seen = 0;
            let mut schema = definition;
            while let Some(next) = schema.as_str().and_then(|text| text.strip_prefix('#')) {
                schema = &definitions[next];
                seen += 1;
                assert!(seen < 10, "{name}: {definition}");
            }
        }
    }
}
