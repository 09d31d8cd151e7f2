//! From a Compose file.
//!
//! Each of its services becomes a service of the stack; one that only runs to its end before others becomes a task or
//! a sidecar of theirs. Databases are left out: Longshore does not build them.

use std::collections::BTreeMap;

use longshore_events::registry::ImageName;

use crate::document::Block;
use crate::draft::{Draft, Parameters};
use crate::fields::Fields;
use crate::notes::Notes;
use crate::source::{Content, Fault, Node, Place};
use crate::values::{
    checked_path, docker_image, literal, literals, mebibytes, part_name, seconds, set_image,
    set_secret, set_size, set_variable, words,
};

/// Images of what AWS runs better itself, and what to use instead.
const DATABASES: [(&str, &str); 15] = [
    ("postgres", "Amazon RDS"),
    ("postgis", "Amazon RDS"),
    ("mysql", "Amazon RDS"),
    ("mariadb", "Amazon RDS"),
    ("mongo", "Amazon DocumentDB"),
    ("redis", "Amazon ElastiCache"),
    ("valkey", "Amazon ElastiCache"),
    ("memcached", "Amazon ElastiCache"),
    ("rabbitmq", "Amazon MQ"),
    ("kafka", "Amazon MSK"),
    ("cp-kafka", "Amazon MSK"),
    ("elasticsearch", "Amazon OpenSearch Service"),
    ("opensearch", "Amazon OpenSearch Service"),
    ("minio", "Amazon S3"),
    ("localstack", "AWS itself"),
];

/// Whether this is a Compose file.
pub fn is_compose(node: &Node) -> bool {
    node.get("services")
        .is_some_and(|services| matches!(services.content, Content::Map(_)))
        && node.get("network").is_none()
}

/// What of a Compose service others need to know.
struct Known {
    name: String,
    image: String,
    command: Vec<String>,
    is_database: bool,
    /// Whether others wait for its end.
    runs_to_its_end: bool,
    port: Option<u32>,
}

/// A stack with the services of a Compose file.
///
/// # Errors
/// Values of another kind than Compose takes.
pub fn draft(node: Node, folder: &str, parameters: &Parameters) -> Result<Draft, Fault> {
    let mut file = Fields::of(node)?;
    let name = file.text("name")?.filter(|name| !name.contains('$'));
    let name = name.unwrap_or_else(|| folder.to_owned());
    let mut draft = Draft::new("a Compose file", &name, parameters);
    let Some(mut services) = file.map("services")? else {
        return Err(Fault::at(&file.place, "there is no `services`"));
    };
    let mut entries = Vec::new();
    for (name, node) in services.all() {
        entries.push((name, Fields::of(node)?));
    }
    let known = known(&draft.name, &entries)?;
    let secrets = file.map("secrets")?;
    if let Some(secrets) = secrets {
        draft.notes.add(
            &secrets.place,
            "not carried over: files of secrets; containers get them as environment variables, by `secrets`",
        );
    }
    if let Some(mut volumes) = file.map("volumes")? {
        for (_, node) in volumes.all() {
            let mut volume = Fields::of(node)?;
            volume.skip(&["name"]);
            volume.rest(&mut draft.notes, |_| {
                Some("a named volume is an EFS file system of the stack's own")
            });
        }
    }
    // Every service is reached in the VPC, and each network is one.
    file.skip(&["networks", "version"]);
    let mut others = Vec::new();
    let mut published = 0;
    for (key, fields) in entries {
        let Some(this) = known.get(&key) else {
            continue;
        };
        if this.is_database {
            let instead = database(&this.image).unwrap_or_default();
            draft.notes.add(
                &fields.place,
                format!(
                    "not carried over: a stack holds no database (`{}`); use {instead}, and give its address to the \
                     services that need it",
                    this.image
                ),
            );
        } else if this.runs_to_its_end {
            others.push((key, fields));
        } else {
            service(&mut draft, fields, this, &known, &mut published)?;
        }
    }
    for (key, fields) in others {
        if let Some(this) = known.get(&key) {
            run_before(&mut draft, fields, this, &known)?;
        }
    }
    find_each_other(&mut draft, &known);
    file.rest(&mut draft.notes, |key| match key {
        key if key.starts_with("x-") => Some("an extension; its aliases were followed"),
        "configs" => Some("build the files into the image, or read them from S3"),
        "include" => Some("merge the files first: `docker compose config`"),
        _ => None,
    });
    Ok(draft)
}

fn known(stack: &str, entries: &[(String, Fields)]) -> Result<BTreeMap<String, Known>, Fault> {
    let mut awaited = Vec::new();
    for (_, fields) in entries {
        let mut fields = fields.clone();
        for (name, condition) in dependencies(&mut fields)? {
            if condition == "service_completed_successfully" {
                awaited.push(name);
            }
        }
    }
    let mut known = BTreeMap::new();
    for (key, fields) in entries {
        let mut fields = fields.clone();
        let name = part_name(key);
        let built = fields.take("build").map(|node| build_of(&node));
        let image = fields.text("image")?;
        let image = match (&built, image) {
            // What one Dockerfile builds is one image, whoever runs it.
            (Some(build), _) => {
                let first = entries.iter().find(|(_, other)| {
                    let mut other = other.clone();
                    other.take("build").map(|node| build_of(&node)).as_ref() == Some(build)
                });
                let owner = first.map_or(name.clone(), |(first, _)| part_name(first));
                format!("{stack}/{owner}:v1")
            }
            (None, Some(image)) => docker_image(&image),
            (None, None) => {
                return Err(Fault::at(
                    &fields.place,
                    "the service has neither `image` nor `build`; merge the files first: `docker compose config`",
                ));
            }
        };
        let is_database = built.is_none() && database(&image).is_some();
        let port = container_ports(&mut fields)?.0.first().copied();
        let value = Known {
            is_database,
            runs_to_its_end: awaited.contains(key),
            command: command(&mut fields, "command")?,
            port,
            name,
            image,
        };
        known.insert(key.clone(), value);
    }
    Ok(known)
}

/// What is built, as a text that is the same for the same build.
fn build_of(node: &Node) -> String {
    match node.scalar() {
        Some(context) => format!("{context} Dockerfile "),
        None => {
            let part = |key: &str| node.get(key).and_then(Node::scalar);
            format!(
                "{} {} {}",
                part("context").unwrap_or_else(|| ".".to_owned()),
                part("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned()),
                part("target").unwrap_or_default()
            )
        }
    }
}

/// What runs a database of this image on AWS, if it is one.
fn database(image: &str) -> Option<&'static str> {
    let repository = ImageName::of(image).repository;
    let last = repository.rsplit('/').next().unwrap_or(repository);
    let known = DATABASES.iter().find(|(name, _)| *name == last);
    known.map(|(_, instead)| *instead)
}

/// The names of `depends_on`, with their conditions.
fn dependencies(fields: &mut Fields) -> Result<Vec<(String, String)>, Fault> {
    let Some(node) = fields.take("depends_on") else {
        return Ok(Vec::new());
    };
    let mut result = Vec::new();
    if let Content::List(items) = &node.content {
        for item in items {
            let name = item.scalar();
            result.extend(name.map(|name| (name, "service_started".to_owned())));
        }
        return Ok(result);
    }
    for (name, value) in Fields::of(node)?.all() {
        let condition = Fields::of(value)?.text("condition")?;
        result.push((
            name,
            condition.unwrap_or_else(|| "service_started".to_owned()),
        ));
    }
    Ok(result)
}

/// A command: a list of words, or a text that a shell would take apart.
fn command(fields: &mut Fields, key: &str) -> Result<Vec<String>, Fault> {
    match fields.take(key) {
        None => Ok(Vec::new()),
        Some(Node {
            content: Content::List(items),
            ..
        }) => Ok(items
            .iter()
            .filter_map(Node::scalar)
            .map(|word| word.replace("$$", "$"))
            .collect()),
        Some(node) => match node.scalar() {
            Some(text) => Ok(words(&text.replace("$$", "$"))),
            None => Err(Fault::at(&node.place, "expected a text or a list")),
        },
    }
}

/// The ports that containers listen on, and whether any is published; what cannot be a port is left to the caller.
fn container_ports(fields: &mut Fields) -> Result<(Vec<u32>, bool, Vec<Place>), Fault> {
    let mut ports: Vec<u32> = Vec::new();
    let mut strange = Vec::new();
    let mut is_published = false;
    for node in fields.list("ports")? {
        let place = node.place.clone();
        let (target, protocol) = match node.scalar() {
            Some(text) => {
                let (text, protocol) = match text.split_once('/') {
                    Some((text, protocol)) => (text.to_owned(), protocol.to_owned()),
                    None => (text, "tcp".to_owned()),
                };
                let target = text.rsplit(':').next().unwrap_or_default().to_owned();
                (target, protocol)
            }
            None => {
                let mut port = Fields::of(node)?;
                let target = port.text("target")?.unwrap_or_default();
                let protocol = port.text("protocol")?;
                (target, protocol.unwrap_or_else(|| "tcp".to_owned()))
            }
        };
        match target.parse() {
            Ok(port) if protocol == "tcp" => {
                is_published = true;
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
            _ => strange.push(place),
        }
    }
    for node in fields.list("expose")? {
        match node.scalar().and_then(|text| text.parse().ok()) {
            Some(port) if !ports.contains(&port) => ports.push(port),
            Some(_) => {}
            None => strange.push(node.place),
        }
    }
    Ok((ports, is_published, strange))
}

fn service(
    draft: &mut Draft,
    mut fields: Fields,
    this: &Known,
    known: &BTreeMap<String, Known>,
    published: &mut u32,
) -> Result<(), Fault> {
    let mut block = Block::default();
    let place = fields.place.clone();
    let (ports, is_published, strange) = container_ports(&mut fields)?;
    for place in strange {
        draft
            .notes
            .add(&place, "not carried over: a range, or a port of UDP");
    }
    let mut others = ports.iter().copied();
    block.set_some("container_port", others.next());
    block.set_filled("additional_container_ports", others.collect::<Vec<u32>>());
    for (name, condition) in dependencies(&mut fields)? {
        let Some(other) = known.get(&name) else {
            continue;
        };
        if other.runs_to_its_end || other.is_database {
            continue;
        }
        draft.notes.add(
            &place.key("depends_on"),
            format!(
                "not carried over: `{name}` ({condition}); the services of a stack start side by side, so let this \
                 one try again until `{name}` answers"
            ),
        );
    }
    container(draft, &mut fields, this, &mut block, true)?;
    size(&mut fields, &mut block, &mut draft.notes)?;
    if is_published {
        behind_load_balancer(&mut block, this, *published);
        *published += 1;
    }
    fields.rest(&mut draft.notes, advice);
    draft.services.set(&this.name, block);
    Ok(())
}

/// The first published service gets all requests that no other one gets.
fn behind_load_balancer(block: &mut Block, this: &Known, published: u32) {
    let mut group = Block::default();
    if published > 0 {
        group.set(
            "path_patterns",
            vec![format!("/{0}", this.name), format!("/{0}/*", this.name)],
        );
        group.set("priority", published * 10);
    }
    let command = match block.get("health_check") {
        Some(crate::document::Value::Map(check)) => check.words("command"),
        _ => Vec::new(),
    };
    let path = checked_path(&command);
    group.set(
        "health_check",
        Block::with("path", path.clone().unwrap_or_else(|| "/".to_owned())),
    );
    if path.is_none() {
        group.comment(
            "health_check",
            "A path that the service answers with 200 when it is healthy.",
        );
    }
    block.set("target_group", group);
}

/// What a service and a sidecar have in common.
fn container(
    draft: &mut Draft,
    fields: &mut Fields,
    this: &Known,
    block: &mut Block,
    is_service: bool,
) -> Result<(), Fault> {
    let place = fields.place.clone();
    let owner = draft.owner(&this.name);
    let built = fields.take("build");
    fields.skip(&[
        "image",
        "container_name",
        "networks",
        "stdin_open",
        "tty",
        "init",
        "pull_policy",
    ]);
    set_image(block, &this.image, is_service);
    if let Some(build) = built {
        let repository = ImageName::of(&this.image).repository;
        draft.notes.add(
            &build.place,
            format!(
                "Longshore does not build images: push this one to the ECR repository `{repository}`"
            ),
        );
        block.comment("image", "Push this image to ECR first.");
    }
    let words = command(fields, "entrypoint")?;
    block.set_filled("entry_point", literals(&words));
    let words = command(fields, "command")?;
    block.set_filled("command", literals(&words));
    block.set_some("working_directory", fields.text("working_dir")?);
    block.set_some("user", fields.text("user")?);
    for (name, value, place) in environment(fields)? {
        match resolved(value.as_deref()) {
            Resolved::Known(value) => {
                set_variable(block, &owner, (&name, &value), &place, &mut draft.notes);
            }
            Resolved::Default(value) => {
                set_variable(block, &owner, (&name, &value), &place, &mut draft.notes);
                draft.notes.add(
                    &place,
                    "the value is the default of a variable of the shell; another one was not known",
                );
            }
            Resolved::Unknown if longshore_stack::check::is_secret(&name, "unknown") => {
                let secret = set_secret(block, &owner, &name);
                draft.notes.add(
                    &place,
                    format!(
                        "the value comes from the shell: put it into Secrets Manager as `{secret}`"
                    ),
                );
            }
            Resolved::Unknown => {
                let environment = block.block("environment");
                environment.set(&name, "");
                environment.comment(&name, "Put in the value: it came from the shell.");
                draft.notes.add(
                    &place,
                    "not carried over: the value comes from the shell; put it into `environment`",
                );
            }
        }
    }
    for node in fields.take("env_file").into_iter() {
        draft.notes.add(
            &node.place,
            "not carried over: put the variables into `environment`, or the file into S3 and its ARN into \
             `environment_files`",
        );
    }
    for node in fields.list("secrets")? {
        let name = node
            .scalar()
            .or_else(|| node.get("source").and_then(Node::scalar));
        let name = name.unwrap_or_default();
        let variable = part_name(&name).replace('-', "_").to_uppercase();
        let secret = set_secret(block, &owner, &variable);
        draft.notes.add(
            &node.place,
            format!(
                "the container finds it in the variable `{variable}`, not in a file: put it into Secrets Manager as \
                 `{secret}`"
            ),
        );
    }
    health_check(fields, block, &mut draft.notes)?;
    if let Some(text) = fields.text("stop_grace_period")? {
        match seconds(&text) {
            Some(seconds) if (2..=120).contains(&seconds) => block.set("stop_timeout", seconds),
            Some(_) => {
                block.set("stop_timeout", 120_u32);
                draft.notes.add(
                    &place.key("stop_grace_period"),
                    format!("`{text}` became 120 seconds, which is the longest on Fargate"),
                );
            }
            None => draft.notes.add(
                &place.key("stop_grace_period"),
                format!("not carried over: `{text}` is not a duration"),
            ),
        }
    }
    if fields.flag("read_only")? == Some(true) {
        block.set("readonly_root_filesystem", true);
    }
    mounts(draft, fields, block, &this.name)?;
    if let Some(labels) = fields.take("labels") {
        draft.notes.add(
            &labels.place,
            "not carried over: labels; `docker_labels` has them, if an agent reads them",
        );
    }
    platform(fields, block, &mut draft.notes)
}

fn platform(fields: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let Some(node) = fields.take("platform") else {
        return Ok(());
    };
    match node.scalar().as_deref() {
        Some("linux/arm64" | "linux/arm64/v8") => block.set("cpu_architecture", "ARM64"),
        Some("linux/amd64" | "linux/x86_64") => {}
        _ => notes.add(&node.place, "not carried over: a task is X86_64 or ARM64"),
    }
    Ok(())
}

fn health_check(fields: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let Some(mut check) = fields.map("healthcheck")? else {
        return Ok(());
    };
    let test = check.take("test");
    let command: Vec<String> = match &test {
        Some(Node {
            content: Content::List(items),
            ..
        }) => items.iter().filter_map(Node::scalar).collect(),
        Some(node) => vec!["CMD-SHELL".to_owned(), node.scalar().unwrap_or_default()],
        None => Vec::new(),
    };
    let is_off =
        check.flag("disable")? == Some(true) || command.first().is_none_or(|first| first == "NONE");
    if !is_off {
        let command: Vec<String> = command
            .iter()
            .map(|word| literal(&word.replace("$$", "$")))
            .collect();
        let mut inner = Block::with("command", command);
        for (key, name, least, most) in [
            ("interval", "interval", 5, 300),
            ("timeout", "timeout", 2, 60),
            ("start_period", "start_period", 0, 300),
        ] {
            let Some(text) = check.text(key)? else {
                continue;
            };
            let Some(asked) = seconds(&text) else {
                notes.add(
                    &check.place.key(key),
                    format!("not carried over: `{text}` is not a duration"),
                );
                continue;
            };
            let taken = asked.clamp(least, most);
            if taken != asked {
                notes.add(
                    &check.place.key(key),
                    format!("`{text}` became {taken} seconds: ECS takes {least} to {most}"),
                );
            }
            inner.set(name, taken);
        }
        inner.set_some(
            "retries",
            check.whole("retries")?.map(|retries| retries.clamp(1, 10)),
        );
        block.set("health_check", inner);
    }
    check.rest(notes, |_| Some("ECS has no such setting of health checks"));
    Ok(())
}

/// Named volumes are file systems of the stack, temporary ones are scratch space.
fn mounts(
    draft: &mut Draft,
    fields: &mut Fields,
    block: &mut Block,
    service: &str,
) -> Result<(), Fault> {
    let mut mounts = Vec::new();
    for node in fields.list("volumes")? {
        let place = node.place.clone();
        let (kind, source, target, read_only) = match node.scalar() {
            Some(text) => {
                let parts: Vec<&str> = text.split(':').collect();
                let (source, target, options) = match parts[..] {
                    [target] => ("", target, ""),
                    [source, target] => (source, target, ""),
                    [source, target, options, ..] => (source, target, options),
                    [] => ("", "", ""),
                };
                let kind = if source.starts_with(['.', '/', '~', '$']) {
                    "bind"
                } else {
                    "volume"
                };
                let read_only = options.split(',').any(|option| option == "ro");
                (
                    kind.to_owned(),
                    source.to_owned(),
                    target.to_owned(),
                    read_only,
                )
            }
            None => {
                let mut volume = Fields::of(node)?;
                let kind = volume.text("type")?.unwrap_or_else(|| "volume".to_owned());
                let source = volume.text("source")?.unwrap_or_default();
                let target = volume.text("target")?.unwrap_or_default();
                (
                    kind,
                    source,
                    target,
                    volume.flag("read_only")? == Some(true),
                )
            }
        };
        if kind == "bind" {
            draft.notes.add(
                &place,
                format!(
                    "not carried over: `{source}` is a directory of your computer; build it into the image, or use a \
                     named volume"
                ),
            );
            continue;
        }
        let mut mount = Block::default();
        if kind == "volume" && !source.is_empty() {
            let name = draft.file_system(&source);
            draft.notes.add(
                &place,
                format!(
                    "the volume is the stack's own EFS file system `{name}`, which begins empty; a user other than root \
                     needs an access point there"
                ),
            );
            mount.set("file_system", name);
        }
        mount.set("container_path", target);
        if read_only {
            mount.set("read_only", true);
        }
        mounts.push(mount);
    }
    for path in fields.texts("tmpfs")? {
        let path = path.split(':').next().unwrap_or_default().to_owned();
        mounts.push(Block::with("container_path", path));
        draft.notes.add(
            &fields.place.key("tmpfs"),
            format!("`{service}` gets scratch space on disk there, not memory"),
        );
    }
    block.set_filled("mount_points", mounts);
    Ok(())
}

fn environment(fields: &mut Fields) -> Result<Vec<(String, Option<String>, Place)>, Fault> {
    let Some(node) = fields.take("environment") else {
        return Ok(Vec::new());
    };
    if let Content::List(items) = &node.content {
        return Ok(items
            .iter()
            .filter_map(|item| {
                let text = item.scalar()?;
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (text, None),
                };
                Some((name, value, item.place.clone()))
            })
            .collect());
    }
    let entries = Fields::of(node)?.all();
    Ok(entries
        .into_iter()
        .map(|(name, value)| (name, value.scalar(), value.place))
        .collect())
}

enum Resolved {
    Known(String),
    /// With defaults in place of variables of the shell.
    Default(String),
    Unknown,
}

/// A value without the shell's variables: `${NAME:-default}` is its default, `$$` is `$`.
fn resolved(value: Option<&str>) -> Resolved {
    let Some(mut rest) = value else {
        return Resolved::Unknown;
    };
    let mut text = String::new();
    let mut is_default = false;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
            continue;
        }
        let inner = after
            .strip_prefix('{')
            .and_then(|after| after.split_once('}'));
        let Some((inner, after)) = inner else {
            return Resolved::Unknown;
        };
        let default = inner.split_once(":-").or_else(|| inner.split_once('-'));
        let Some((_, default)) = default else {
            return Resolved::Unknown;
        };
        if default.contains('$') {
            return Resolved::Unknown;
        }
        text.push_str(default);
        is_default = true;
        rest = after;
    }
    text.push_str(rest);
    if is_default {
        Resolved::Default(text)
    } else {
        Resolved::Known(text)
    }
}

/// The size of the task, and the number of tasks.
fn size(fields: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let place = fields.place.clone();
    let mut cpus = fields.number("cpus")?;
    let mut memory = fields.text("mem_limit")?;
    fields.skip(&["mem_reservation", "cpu_shares"]);
    let mut count = fields.whole("scale")?;
    if let Some(mut deploy) = fields.map("deploy")? {
        count = deploy.whole("replicas")?.or(count);
        if let Some(mut resources) = deploy.map("resources")? {
            if let Some(mut limits) = resources.map("limits")? {
                cpus = limits.number("cpus")?.or(cpus);
                memory = limits.text("memory")?.or(memory);
                limits.rest(notes, advice);
            }
            if let Some(mut reservations) = resources.map("reservations")? {
                reservations.skip(&["cpus", "memory"]);
                reservations.rest(notes, advice);
            }
        }
        // ECS replaces tasks that end, and updates and rolls back services by itself.
        deploy.skip(&[
            "restart_policy",
            "update_config",
            "rollback_config",
            "mode",
            "endpoint_mode",
        ]);
        deploy.rest(notes, advice);
    }
    // ECS replaces tasks that end.
    fields.skip(&["restart"]);
    block.set_some("desired_count", count.filter(|count| *count != 1));
    let units = cpus.map(|cpus| (cpus * 1024.0).ceil() as u32);
    let size = memory.as_deref().map(|memory| (memory, mebibytes(memory)));
    if let Some((text, None)) = size {
        notes.add(
            &place,
            format!("not carried over: `{text}` is not a size of memory"),
        );
    }
    set_size(
        block,
        (units, size.and_then(|(_, memory)| memory)),
        &place,
        notes,
    );
    Ok(())
}

/// What runs to its end before others: with their image it is a task before each deployment, with another one a sidecar
/// that they wait for.
fn run_before(
    draft: &mut Draft,
    mut fields: Fields,
    this: &Known,
    known: &BTreeMap<String, Known>,
) -> Result<(), Fault> {
    let place = fields.place.clone();
    let waiting: Vec<String> = known
        .values()
        .filter(|other| !other.is_database && !other.runs_to_its_end)
        .map(|other| other.name.clone())
        .filter(|name| draft.services.has(name))
        .collect();
    let with_image: Vec<&String> = waiting
        .iter()
        .filter(|name| {
            let image = draft.services.block(name).text("image").map(str::to_owned);
            image.as_deref() == Some(literal(&this.image).as_str())
        })
        .collect();
    if let Some(first) = with_image.first()
        && !this.command.is_empty()
    {
        let task = Block::with("name", this.name.as_str()).and("command", literals(&this.command));
        let service = draft.services.block(first);
        let rollout = service.block("rollout");
        let mut tasks = match rollout.get("before_tasks") {
            Some(crate::document::Value::List(tasks)) => tasks.clone(),
            _ => Vec::new(),
        };
        tasks.push(task.into());
        rollout.set("before_tasks", tasks);
        draft.notes.add(
            &place,
            format!(
                "it runs before each deployment of `{first}`, with that service's variables, volumes and size: \
                 `rollout.before_tasks`"
            ),
        );
        fields.skip(&[
            "build",
            "image",
            "command",
            "container_name",
            "depends_on",
            "environment",
            "env_file",
            "networks",
            "restart",
            "stop_grace_period",
            "volumes",
        ]);
        fields.rest(&mut draft.notes, advice);
        return Ok(());
    }
    let Some(first) = waiting.first() else {
        draft
            .notes
            .add(&place, "not carried over: no service waits for it");
        return Ok(());
    };
    let mut block = Block::with("essential", false);
    container(draft, &mut fields, this, &mut block, false)?;
    fields.skip(&["depends_on", "restart", "ports", "expose"]);
    fields.rest(&mut draft.notes, advice);
    let service = draft.services.block(first);
    service.block("sidecars").set(&this.name, block);
    let wait = Block::with("container_name", this.name.as_str()).and("condition", "SUCCESS");
    service.set("depends_on", vec![wait]);
    draft.notes.add(
        &place,
        format!("it runs in each task of `{first}`, which waits for its success"),
    );
    Ok(())
}

/// Services that others name as a host are found by their name in the stack's namespace.
fn find_each_other(draft: &mut Draft, known: &BTreeMap<String, Known>) {
    let namespace = format!("{}.local", draft.name);
    let mut found = Vec::new();
    for name in draft.services.keys() {
        let service = draft.services.block(&name);
        if !service.has("environment") {
            continue;
        }
        let environment = service.block("environment");
        for variable in environment.keys() {
            let Some(value) = environment.text(&variable).map(str::to_owned) else {
                continue;
            };
            for (host, other) in known {
                if other.is_database && (value == *host || with_address(&value, host, "").is_some())
                {
                    draft.notes.general(format!(
                        "`{variable}` of `{name}` names the host `{host}`, which is not in the stack: put in the address \
                         of what takes its place"
                    ));
                }
                if other.is_database || other.runs_to_its_end || other.port.is_none() {
                    continue;
                }
                let address = format!("{}.{namespace}", other.name);
                if let Some(value) = with_address(&value, host, &address) {
                    environment.set(&variable, value);
                    found.push((other.name.clone(), variable.clone(), host.clone()));
                }
            }
        }
    }
    for (service, variable, host) in found {
        draft.discover(&service);
        draft.notes.general(format!(
            "`{variable}` named the host `{host}`, which is `{service}.{namespace}` in the stack"
        ));
    }
}

/// A value with another address in place of a host.
fn with_address(value: &str, host: &str, address: &str) -> Option<String> {
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with([':', '/']);
    if let Some(rest) = value.strip_prefix(host)
        && rest.starts_with(':')
        && rest[1..].bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(format!("{address}{rest}"));
    }
    for separator in ["://", "@"] {
        let start = format!("{separator}{host}");
        if let Some((before, rest)) = value.split_once(&start)
            && is_end(rest)
        {
            return Some(format!("{before}{separator}{address}{rest}"));
        }
    }
    None
}

/// What to do instead of a key of Compose.
fn advice(key: &str) -> Option<&'static str> {
    Some(match key {
        key if key.starts_with("x-") => "an extension of Compose",
        "extends" => "merge the files first: `docker compose config`",
        "profiles" => {
            "the service is in the stack always; take it out of the file if it is for development"
        }
        "configs" => "build the files into the image, or read them from S3",
        "logging" => "logs go to CloudWatch Logs; `log_delivery` and log routers can do more",
        "network_mode" | "links" | "external_links" | "extra_hosts" | "dns" | "hostname" => {
            "each task has addresses of its own; services find each other by `service_discovery`"
        }
        "privileged" | "cap_add" | "cap_drop" | "devices" | "security_opt" | "pid" | "ipc" => {
            "containers of a stack have no further rights on their host"
        }
        "ulimits" => "say `ulimits` of the service",
        "shm_size" => "`linux_parameters.shared_memory_size` says it, on EC2 only",
        "sysctls" => "`overrides.task_definition` can say `SystemControls`",
        "develop" => "it is for development",
        "placement" | "labels" => "it is for Docker Swarm",
        "devices_requests" | "gpus" | "runtime" => "GPUs need instances: `capacity`, and `gpu`",
        _ => return None,
    })
}
