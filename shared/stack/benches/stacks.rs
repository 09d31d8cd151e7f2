//! How long it takes to read, check, render and price stacks of 1 to 500 services, and how that grows.
//!
//! `cargo bench -p longshore-stack` prints the fastest of several runs, beside a floor that was measured in
//! the same one: `serde_json` serialising the value that the template is. A time that grew faster
//! than the number of services would show in the last lines.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use longshore_stack::cost::estimate;
use longshore_stack::read::{Selection, read};
use longshore_stack::render::{Context, render};
use longshore_stack::spec::Stack;
use serde_json::{Value, json};

const SIZES: [usize; 4] = [1, 10, 100, 500];
/// Every size is measured for about so long, and at least this many times.
const TIME_A_MEASUREMENT: Duration = Duration::from_millis(800);
const FEWEST_RUNS: usize = 15;

struct Row {
    services: usize,
    file: usize,
    template: usize,
    resources: usize,
    read: Duration,
    render: Duration,
    estimate: Duration,
    floor: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut rows = Vec::new();
    for services in SIZES {
        rows.push(measure(services)?);
    }
    let mut output = io::stdout().lock();
    writeln!(
        output,
        "{:>8} {:>10} {:>10} {:>9} {:>12} {:>12} {:>12} {:>12} {:>14} {:>13}",
        "services",
        "file",
        "template",
        "resources",
        "read+check",
        "render",
        "estimate",
        "floor",
        "render/service",
        "render/floor"
    )?;
    for row in &rows {
        writeln!(
            output,
            "{:>8} {:>10} {:>10} {:>9} {:>12} {:>12} {:>12} {:>12} {:>14} {:>13.1}",
            row.services,
            bytes(row.file),
            bytes(row.template),
            row.resources,
            milliseconds(row.read),
            milliseconds(row.render),
            milliseconds(row.estimate),
            milliseconds(row.floor),
            format!("{:.1} us", micros(row.render) / row.services as f64),
            micros(row.render) / micros(row.floor)
        )?;
    }
    for pair in rows.windows(2) {
        let [small, large] = pair else { continue };
        let growth = |time: fn(&Row) -> Duration| micros(time(large)) / micros(time(small));
        writeln!(
            output,
            "from {} to {} services: read+check x {:.1}, render x {:.1}, estimate x {:.1}, floor x {:.1}",
            small.services,
            large.services,
            growth(|row| row.read),
            growth(|row| row.render),
            growth(|row| row.estimate),
            growth(|row| row.floor),
        )?;
    }
    Ok(())
}

fn measure(services: usize) -> serde_json::Result<Row> {
    let document = document(services);
    let text = yaml(&document);
    let stack: Stack = serde_json::from_value(document)?;
    let context = Context::default();
    let rendered = render(&stack, &context);
    let template: Value = serde_json::from_str(&rendered.body)?;
    Ok(Row {
        services,
        file: text.len(),
        template: rendered.body.len(),
        resources: rendered.resource_types.len(),
        // From some size on a stack has more resources than CloudFormation takes. Then reading ends
        // with that problem, after the same work.
        read: fastest(|| {
            black_box(read(
                black_box(text.as_bytes()),
                &Selection::Environment(None),
            ))
            .is_ok()
        }),
        render: fastest(|| {
            black_box(render(black_box(&stack), &context))
                .body
                .is_empty()
        }),
        estimate: fastest(|| black_box(estimate(black_box(&stack))).lines.is_empty()),
        floor: fastest(|| black_box(serde_json::to_string(black_box(&template))).is_ok()),
    })
}

/// The fastest of several runs, after one that does not count. The work is the same in every run, so
/// whatever a run takes longer is another program's doing.
fn fastest<T>(mut work: impl FnMut() -> T) -> Duration {
    black_box(work());
    let begin = Instant::now();
    let mut fastest = Duration::MAX;
    let mut runs = 0;
    while runs < FEWEST_RUNS || begin.elapsed() < TIME_A_MEASUREMENT {
        let start = Instant::now();
        black_box(work());
        fastest = fastest.min(start.elapsed());
        runs += 1;
    }
    fastest
}

/// A stack of services as people have them: behind the load balancer, with secrets, health checks and
/// scaling.
fn document(services: usize) -> Value {
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
fn yaml(document: &Value) -> String {
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

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn milliseconds(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

fn bytes(count: usize) -> String {
    format!("{:.1} kB", count as f64 / 1e3)
}
