//! Which requests a rule is for.

use serde::Serialize;

use crate::spec::TargetGroup;

use super::super::template::Value;

#[derive(Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Condition {
    field: &'static str,
    path_pattern_config: Option<Values>,
    host_header_config: Option<Values>,
    http_header_config: Option<Header>,
    http_request_method_config: Option<Values>,
    query_string_config: Option<Parameters>,
    source_ip_config: Option<Values>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Values {
    values: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    http_header_name: Value,
    values: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    values: Vec<Parameter>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    key: Option<Value>,
    value: Value,
}

fn values(texts: &[String]) -> Option<Values> {
    Value::all_written(texts).map(|values| Values { values })
}

/// The conditions of a service's rule; without any it is for every request.
pub(super) fn of(spec: &TargetGroup) -> Vec<Condition> {
    let everything = (!spec.is_conditional()).then(|| Values {
        values: vec!["/*".into()],
    });
    let paths = values(&spec.path_patterns).or(everything);
    let paths = paths.map(|values| Condition {
        field: "path-pattern",
        path_pattern_config: Some(values),
        ..Condition::default()
    });
    let hosts = values(&spec.host_headers).map(|values| Condition {
        field: "host-header",
        host_header_config: Some(values),
        ..Condition::default()
    });
    let headers = spec.http_headers.iter().map(|(name, texts)| Condition {
        field: "http-header",
        http_header_config: Some(Header {
            http_header_name: Value::written(name),
            values: texts.iter().map(|text| Value::written(text)).collect(),
        }),
        ..Condition::default()
    });
    let methods = values(&spec.http_request_methods).map(|values| Condition {
        field: "http-request-method",
        http_request_method_config: Some(values),
        ..Condition::default()
    });
    let parameters = spec.query_strings.iter().map(|text| {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (Some(Value::written(key)), value),
            None => (None, text.as_str()),
        };
        Parameter {
            key,
            value: Value::written(value),
        }
    });
    let parameters = (!spec.query_strings.is_empty()).then(|| Condition {
        field: "query-string",
        query_string_config: Some(Parameters {
            values: parameters.collect(),
        }),
        ..Condition::default()
    });
    let addresses = values(&spec.source_ips).map(|values| Condition {
        field: "source-ip",
        source_ip_config: Some(values),
        ..Condition::default()
    });
    paths
        .into_iter()
        .chain(hosts)
        .chain(headers)
        .chain(methods)
        .chain(parameters)
        .chain(addresses)
        .collect()
}
