//! Stack files that are small and mean much work.

const HEAD: &str = "\
name: shop
network: {vpc_id: vpc-0a1b2c3d, subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]}
";

fn repeated(count: usize, part: impl Fn(usize) -> String) -> String {
    (0..count).map(part).collect()
}

/// A file of one service, with these lines in it.
fn service(lines: &str) -> String {
    format!("{HEAD}services:\n  api:\n    image: shop/api:v1\n    cpu: 256\n{lines}")
}

/// A file of services, each with this besides its image.
fn services(count: usize, rest: impl Fn(usize) -> String) -> String {
    let services = repeated(count, |number| {
        format!(
            "  s{number}: {{image: 'shop/api:v1', cpu: 256{}}}\n",
            rest(number)
        )
    });
    format!("{HEAD}services:\n{services}")
}

/// A stack file that is small and means much work.
pub struct PathologicalFile {
    pub name: &'static str,
    /// At most 1 MiB of YAML.
    pub text: String,
    /// A part of the error that it is refused with.
    pub error: &'static str,
}

/// Stack files that are small and mean much work, one or more for each bound of reading them.
pub fn pathological_stack_files() -> Vec<PathologicalFile> {
    let file = |(name, text, error)| PathologicalFile { name, text, error };
    files().into_iter().map(file).collect()
}

#[rustfmt::skip]
fn files() -> Vec<(&'static str, String, &'static str)> {
    let bomb = repeated(11, |level| {
        let aliases = vec![format!("*a{level}"); 10].join(", ");
        format!("a{}: &a{} [{aliases}]\n", level + 1, level + 1)
    });
    let nested = format!("a: {}{}x{}\n", repeated(30, |level| format!("&a{level} [")), "x, ".repeat(2_000), "]".repeat(30));
    vec![
        ("aliases of aliases", format!("a0: &a0 [x]\n{bomb}"), "more than 40000 values"),
        ("aliases of a long text", format!("a: &a {}\nb: [{}]\n", "x".repeat(70_000), "*a, ".repeat(1_000)), "bytes of keys and values"),
        ("aliases of a longer text", format!("a: &a {}\nb: [{}]\n", "x".repeat(400_000), "*a, ".repeat(15_000)), "bytes of keys and values"),
        ("anchors in anchors", nested, "more than 40000 values"),
        ("merges of merges", format!("a0: &a0 {{{}}}\n{}", repeated(500, |key| format!("k{key}: x, ")), repeated(200, |level| format!("a{}: &a{} {{<<: [*a{level}, *a{level}]}}\n", level + 1, level + 1))), "more than 40000 values"),
        ("lists in lists", "[".repeat(1_000_000), "recursion limit"),
        ("maps in maps", "{a: ".repeat(250_000), "recursion limit"),
        ("maps of one key", format!("a: [{}]\n", "{a: 1},".repeat(140_000)), "more than 40000 values"),
        ("maps of one key, as many as there may be", format!("{HEAD}tags: [{}]\n", "{a: 1},".repeat(13_000)), "this is a list"),
        ("a long key", format!("{HEAD}? {}\n: x\n", "k".repeat(900_000)), "the key has 900000 bytes"),
        ("the same key", format!("{HEAD}services: {{{}}}\n", "a: {image: x}, ".repeat(10_000)), "this key is there twice"),
        ("unknown keys", format!("{HEAD}{}", repeated(15_000, |key| format!("servicez{key}: x\n"))), "there is no such key"),
        ("unknown keys of services", services(400, |number| repeated(40, |key| format!(", imago{key}: {number}"))), "there is no such key"),
        ("values of wrong kinds", services(400, |_| ", memory: big, desired_count: many, family: [a], environment: {A: [], B: [], C: []}".into()), "this is a text"),
        ("values without quotes", format!("{HEAD}tags:\n{}{}", repeated(30, |tag| format!("  t{tag}: a: b\n")), repeated(30_000, |line| format!("# {line:025}\n"))), "put the whole value in quotes"),
        ("a long text with names", service(&format!("    environment: {{A: '{}'}}\n", "${stack}".repeat(100_000))), "task definition has about"),
        ("a long number", service(&format!("    desired_count: {}\n", "9".repeat(500_000))), "expected"),
        ("many services", services(501, |_| String::new()), "expected at most 500"),
        ("services that all wait for those before", services(200, |number| format!(", rollout: {{after: [{}]}}", repeated(number, |other| format!("s{other}, ")))), "resources"),
        ("services that all wait for each other", services(150, |_| format!(", rollout: {{after: [{}]}}", repeated(150, |other| format!("s{other}, ")))), "comes after this service itself"),
        ("services that wait for unknown ones", services(400, |number| format!(", rollout: {{after: [{}]}}", repeated(80, |other| format!("unknown-{number}-{other}, ")))), "the stack has no service"),
        ("many sidecars", service(&format!("    sidecars: {{{}}}\n", repeated(5_000, |number| format!("c{number}: {{image: 'a/b:c'}}, ")))), "at most 10 containers"),
        ("containers that all wait for each other", service(&format!("    sidecars: {{{}}}\n", repeated(9, |number| format!("c{number}: {{image: 'a/b:c', depends_on: [{}]}}, ", repeated(700, |other| format!("{{container_name: c{}, condition: START}}, ", other % 9)))))), "would wait for each other"),
        ("many freeze windows", service(&format!("    rollout: {{freeze_windows: [{}]}}\n", "{cron: '* * * * *', duration_minutes: 1}, ".repeat(7_000))), "expected at most 50"),
        ("freeze windows that touch", services(20, |number| format!(", rollout: {{freeze_windows: [{}]}}", repeated(50, |minute| format!("{{cron: '{minute}-59 * * * *', duration_minutes: {}}}, ", number + 1)))), "leave no pause"),
        ("the same freeze windows", services(150, |_| format!(", rollout: {{freeze_windows: [{}]}}", repeated(40, |minute| format!("{{cron: '{minute}-59 * * * *', duration_minutes: 1}}, ")))), "leave no pause"),
        ("many lists of freeze windows", services(300, |number| format!(", rollout: {{freeze_windows: [{{cron: '* * * * *', duration_minutes: {}}}]}}", number + 1)), "lists of freeze windows that differ"),
        ("mounts of unknown file systems", format!("{}file_systems: {{{}}}\n", service(&format!("    mount_points: [{}]\n", repeated(6_000, |number| format!("{{container_path: /m{number}, file_system: unknown-{number}}}, ")))), repeated(400, |number| format!("file-system-with-a-long-name-{number}: {{}}, "))), "the stack has no file system"),
        ("unknown capacity", service(&format!("    capacity_provider_strategy: [{}]\n", repeated(10_000, |number| format!("{{capacity_provider: unknown-{number}}}, ")))), "there is no capacity"),
        ("the same alarm", service(&format!("    deployment_configuration: {{alarms: [{}]}}\n", "a, ".repeat(30_000))), "in the list twice"),
        ("many environments", format!("{HEAD}environments: {{{}}}\n", repeated(2_000, |number| format!("e{number}: {{}}, "))), "1 to 50 environments"),
        ("days that no month has", service(&format!("    schedules: {{{}}}\n", repeated(5_000, |number| format!("n{number}: {{schedule_expression: 'cron(0 3 31 2 ? *)'}}, ")))), "there is no such day"),
        ("a large pattern", service("    image_policy: {tag_pattern: '((a{100}){100}){100}'}\n"), "tag_pattern"),
        ("numbers at their ends", service("    memory: 4294967295\n    ephemeral_storage_size_in_gib: 4294967295\n    expected_task_count: 1.7e308\n    desired_count: 4294967295\n    schedules: {n: {schedule_expression: rate(4294967295 days), task_count: 4294967295, expected_minutes: 4294967295}}\n    rollout: {deadline_minutes: 4294967295}\n"), "expected"),
    ]
}
