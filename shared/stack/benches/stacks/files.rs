//! Stack files of any number of services.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A stack of services as people have them: behind the load balancer, with secrets, health checks and
/// scaling.
pub fn document(services: usize) -> Value {
    let service = |number: usize| {
        json!({
            "image": format!("shop/service-{number}:v1"),
            "container_port": 8080,
            "cpu": 512,
            "memory": 1024,
            "environment": {"PORT": 8080, "REGION": "${AWS::Region}"},
            "secrets": {
                "DATABASE_URL": {"value_from": format!("shop/service-{number}"), "json_key": "url"},
            },
            "target_group": {
                "path_patterns": [format!("/service-{number}/*")],
                "priority": number + 1,
            },
            "security_group": {},
            "health_check": {"command": ["CMD-SHELL", "curl -f http://localhost:8080/health"]},
            "scaling": {"max_capacity": 4, "target_cpu_utilization": 70},
        })
    };
    let services: serde_json::Map<String, Value> = (0..services)
        .map(|number| (format!("service-{number:04}"), service(number)))
        .collect();
    json!({
        "name": "shop",
        "network": {
            "vpc_id": "vpc-0a1b2c3d4e5f60000",
            "subnet_ids": ["subnet-0a1b2c3d4e5f60001", "subnet-0a1b2c3d4e5f60002"],
        },
        "load_balancer": {
            "subnet_ids": ["subnet-0a1b2c3d4e5f60003", "subnet-0a1b2c3d4e5f60004"],
            "ingress_cidr_ips": ["10.0.0.0/8"],
        },
        "alarms": {},
        "services": services,
    })
}

/// The document as people write it: a line each entry, maps indented.
pub fn yaml(document: &Value) -> String {
    fn entries(map: &serde_json::Map<String, Value>, indent: usize, text: &mut String) {
        for (key, value) in map {
            let _ = write!(text, "{:indent$}{key}:", "");
            match value {
                Value::Object(map) if !map.is_empty() => {
                    text.push('\n');
                    entries(map, indent + 2, text);
                }
                other => {
                    let _ = writeln!(text, " {other}");
                }
            }
        }
    }
    let mut text = String::new();
    if let Value::Object(map) = document {
        entries(map, 0, &mut text);
    }
    text
}
