//! From a manifest of AWS Copilot: a Load Balanced Web Service, a Backend Service, a Worker Service or a Scheduled Job.
//!
//! An environment of the manifest is laid over it as Copilot does, translated as a whole, and compared with the rest: what
//! differs is the environment's part of the stack file.

use crate::document::{Block, Value};
use crate::draft::{Draft, Parameters};
use crate::fields::Fields;
use crate::notes::Notes;
use crate::source::{Content, Fault, Node, Place};
use crate::values::{
    checked_path, docker_image, literal, literals, parameter, part_name, schedule, seconds,
    secret_source, set_image, set_size, set_variable, words,
};

/// What a manifest describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LoadBalanced,
    Backend,
    Worker,
    Job,
}

/// Whether this is a manifest.
pub fn is_manifest(node: &Node) -> bool {
    let kind = node.get("type").and_then(Node::scalar);
    node.get("name").is_some()
        && kind.is_some_and(|kind| {
            ["Service", "Job", "Site", "Environment", "Pipeline"]
                .iter()
                .any(|word| kind.ends_with(word))
        })
}

/// A stack with the service of a manifest.
///
/// # Errors
/// Types of manifests that do not run on ECS, and values of another kind than Copilot takes.
pub fn draft(node: Node, parameters: &Parameters) -> Result<Draft, Fault> {
    let mut manifest = Fields::of(node.clone())?;
    let name = manifest.text("name")?.unwrap_or_default();
    let kind = match manifest.text("type")?.as_deref() {
        Some("Load Balanced Web Service") => Kind::LoadBalanced,
        Some("Backend Service") => Kind::Backend,
        Some("Worker Service") => Kind::Worker,
        Some("Scheduled Job") => Kind::Job,
        Some(other) => {
            return Err(Fault::at(
                &manifest.place.key("type"),
                format!(
                    "a `{other}` does not run as a service or a job on Amazon ECS; a stack file can be made of a Load \
                     Balanced Web Service, a Backend Service, a Worker Service or a Scheduled Job"
                ),
            ));
        }
        None => return Err(Fault::at(&manifest.place, "there is no `type`")),
    };
    let mut draft = Draft::new("an AWS Copilot manifest", &name, parameters);
    let service = part_name(&name);
    let overlays = manifest.map("environments")?;
    let base = translated(&mut draft, &service, kind, manifest)?;
    for (environment, overlay) in overlays
        .map(|mut overlays| overlays.all())
        .unwrap_or_default()
    {
        let merged = overlaid(node.clone(), overlay);
        let mut merged = Fields::of(merged)?;
        merged.skip(&["name", "type", "environments"]);
        let whole = translated(&mut draft, &service, kind, merged)?;
        let difference = difference(&base, &whole);
        let block = draft.environments.block(&part_name(&environment));
        if !difference.is_empty() {
            block.block("services").set(&service, difference);
        }
    }
    if draft.environments.is_empty() && base.to_yaml().contains("${environment}") {
        draft.environments.block("prod");
        draft
            .environments
            .comment("prod", "Name the environments that Copilot had.");
    }
    draft.services.set(&service, base);
    if kind == Kind::Backend && draft.services.block(&service).has("container_port") {
        draft.discover(&service);
    }
    if kind == Kind::LoadBalanced && draft.load_balancer_subnet_ids.is_empty() {
        draft.notes.general(
            "Copilot's load balancer is reached from the internet, this one from the VPC only: give `--public-subnet` \
             twice",
        );
    }
    draft.notes.general(
        "Copilot sets COPILOT_APPLICATION_NAME, COPILOT_ENVIRONMENT_NAME, COPILOT_SERVICE_NAME, COPILOT_LB_DNS, \
         COPILOT_SERVICE_DISCOVERY_ENDPOINT, and variables of its addons; what your program reads of them belongs in \
         `environment`",
    );
    Ok(draft)
}

/// A manifest with an environment laid over it: maps are merged, everything else replaces.
fn overlaid(base: Node, overlay: Node) -> Node {
    match (base.content, overlay.content) {
        (Content::Map(mut entries), Content::Map(overlays)) => {
            for (key, value) in overlays {
                let index = entries.iter().position(|(name, _)| *name == key);
                match index {
                    Some(index) => {
                        let (_, before) = entries.remove(index);
                        entries.insert(index, (key, overlaid(before, value)));
                    }
                    None => entries.push((key, value)),
                }
            }
            Node {
                place: base.place,
                content: Content::Map(entries),
            }
        }
        (content, Content::Null) => Node {
            place: base.place,
            content,
        },
        (_, content) => Node {
            place: overlay.place,
            content,
        },
    }
}

/// What of a block is not in another one, with nulls for what is there only.
fn difference(base: &Block, whole: &Block) -> Block {
    let mut result = Block::default();
    for key in whole.keys() {
        let (before, now) = (base.get(&key), whole.get(&key));
        match (before, now) {
            (Some(Value::Map(before)), Some(Value::Map(now))) => {
                result.set_filled(&key, difference(before, now));
            }
            (before, Some(now)) if before != Some(now) => result.set(&key, now.clone()),
            _ => {}
        }
    }
    for key in base.keys() {
        if !whole.has(&key) {
            result.set(&key, Value::Plain("null".to_owned()));
        }
    }
    result
}

fn translated(
    draft: &mut Draft,
    service: &str,
    kind: Kind,
    mut manifest: Fields,
) -> Result<Block, Fault> {
    let mut block = Block::default();
    let place = manifest.place.clone();
    let owner = draft.owner(service);
    image(draft, &mut manifest, &owner, &mut block)?;
    let size = (manifest.whole("cpu")?, manifest.whole("memory")?);
    set_size(&mut block, size, &place, &mut draft.notes);
    platform(&mut manifest, &mut block, &mut draft.notes)?;
    if manifest.flag("exec")? == Some(true) {
        block.set("enable_execute_command", true);
    }
    block.set_filled(
        "entry_point",
        literals(&command(&mut manifest, "entrypoint")?),
    );
    block.set_filled("command", literals(&command(&mut manifest, "command")?));
    variables(
        &mut manifest,
        &owner,
        &draft.name,
        &mut block,
        &mut draft.notes,
    )?;
    storage(draft, &mut manifest, &mut block)?;
    count(&mut manifest, &mut block, &mut draft.notes)?;
    if let Some(mut sidecars) = manifest.map("sidecars")? {
        for (name, node) in sidecars.all() {
            let sidecar = sidecar(draft, Fields::of(node)?, &owner)?;
            block.block("sidecars").set(&name, sidecar);
        }
    }
    network(draft, &mut manifest, kind, &mut block)?;
    http(draft, &mut manifest, service, &mut block)?;
    deployment(&mut manifest, &mut block, &mut draft.notes)?;
    if let Some(mut logging) = manifest.map("logging")? {
        if let Some(days) = logging.whole("retention")? {
            draft
                .stack
                .set("logs", Block::with("retention_in_days", days));
        }
        logging.rest(&mut draft.notes, |_| {
            Some("say the log router among the `sidecars`, with `firelens_configuration`, and `log_options`")
        });
    }
    if kind == Kind::Job {
        job(&mut manifest, &mut block, &mut draft.notes)?;
    }
    manifest.rest(&mut draft.notes, advice);
    Ok(block)
}

/// A text with Copilot's variables: the environment is the stack file's, the application the stack.
fn filled_in(text: &str, stack: &str) -> String {
    let text = text
        .replace("${COPILOT_ENVIRONMENT_NAME}", "\u{0}")
        .replace("${COPILOT_APPLICATION_NAME}", stack)
        .replace("${AWS_REGION}", "\u{1}")
        .replace("${AWS_ACCOUNT_ID}", "\u{2}");
    literal(&text)
        .replace('\u{0}', "${environment}")
        .replace('\u{1}', "${AWS::Region}")
        .replace('\u{2}', "${AWS::AccountId}")
}

fn image(
    draft: &mut Draft,
    manifest: &mut Fields,
    owner: &str,
    block: &mut Block,
) -> Result<(), Fault> {
    let Some(mut image) = manifest.map("image")? else {
        return Err(Fault::at(&manifest.place, "there is no `image`"));
    };
    let place = image.place.clone();
    let build = image.take("build");
    match image.text("location")? {
        Some(location) => set_location(block, &location, owner, &place, &mut draft.notes),
        None => built(
            block,
            owner,
            build.as_ref().map_or(&place, |node| &node.place),
            &mut draft.notes,
        ),
    }
    block.set_some("container_port", image.whole("port")?);
    if let Some(check) = image.map("healthcheck")? {
        health_check(check, block, &mut draft.notes)?;
    }
    if let Some(waits) = image.map("depends_on")? {
        block.set_filled("depends_on", dependencies(waits));
    }
    credentials(image.text("credentials")?, block);
    labels(&mut image, block)?;
    image.rest(&mut draft.notes, advice);
    Ok(())
}

fn set_location(block: &mut Block, location: &str, owner: &str, place: &Place, notes: &mut Notes) {
    if location.contains("${") {
        built(block, owner, place, notes);
        return;
    }
    let is_elsewhere = longshore_events::registry::ImageName::of(location)
        .registry
        .is_none();
    if is_elsewhere {
        set_image(block, &docker_image(location), true);
    } else {
        set_image(block, location, true);
    }
}

fn built(block: &mut Block, owner: &str, place: &Place, notes: &mut Notes) {
    set_image(block, &format!("{owner}:v1"), true);
    block.comment("image", "Push this image to ECR first.");
    notes.add(
        place,
        format!(
            "Longshore does not build images: push this one to the ECR repository `{owner}`, or name the repository that \
             Copilot has made"
        ),
    );
}

/// The secret with the credentials of a registry, of an image or a sidecar.
fn credentials(secret: Option<String>, block: &mut Block) {
    if let Some(secret) = secret {
        block.set(
            "repository_credentials",
            Block::with("credentials_parameter", secret),
        );
    }
}

/// `docker_labels`, of an image or a sidecar.
fn labels(fields: &mut Fields, block: &mut Block) -> Result<(), Fault> {
    if let Some(mut labels) = fields.map("labels")? {
        let mut inner = Block::default();
        for (key, value) in labels.all() {
            inner.set_some(&key, value.scalar().map(|value| literal(&value)));
        }
        block.set_filled("docker_labels", inner);
    }
    Ok(())
}

fn command(fields: &mut Fields, key: &str) -> Result<Vec<String>, Fault> {
    Ok(match fields.take(key) {
        None => Vec::new(),
        Some(Node {
            content: Content::List(items),
            ..
        }) => items.iter().filter_map(Node::scalar).collect(),
        Some(node) => match node.scalar() {
            Some(text) => words(&text),
            None => return Err(Fault::at(&node.place, "expected a text or a list")),
        },
    })
}

fn platform(fields: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let Some(node) = fields.take("platform") else {
        return Ok(());
    };
    let text = match node.scalar() {
        Some(text) => text,
        None => {
            let part = |key: &str| node.get(key).and_then(Node::scalar).unwrap_or_default();
            format!("{}/{}", part("osfamily"), part("architecture"))
        }
    };
    let text = text.to_lowercase();
    match text.rsplit('/').next() {
        _ if text.starts_with("windows") => notes.add(
            &node.place,
            "not carried over: Longshore runs Linux containers only",
        ),
        Some("arm64" | "arm") => block.set("cpu_architecture", "ARM64"),
        _ => {}
    }
    Ok(())
}

fn variables(
    fields: &mut Fields,
    owner: &str,
    stack: &str,
    block: &mut Block,
    notes: &mut Notes,
) -> Result<(), Fault> {
    if let Some(mut variables) = fields.map("variables")? {
        for (name, node) in variables.all() {
            match node.scalar() {
                Some(value) => {
                    set_variable(block, owner, (&name, &value), &node.place, notes);
                    let is_named = value.contains("${COPILOT_");
                    if is_named && block.has("environment") {
                        let environment = block.block("environment");
                        // A secret is not among them.
                        if environment.has(&name) {
                            environment.set(&name, filled_in(&value, stack));
                        }
                    }
                }
                None => notes.add(
                    &node.place,
                    format!(
                        "not carried over: `{name}` comes from another CloudFormation stack; put its value into \
                         `environment`"
                    ),
                ),
            }
        }
    }
    let Some(mut secrets) = fields.map("secrets")? else {
        return Ok(());
    };
    for (name, node) in secrets.all() {
        let source = match node.scalar() {
            Some(text) if text.starts_with("arn:") => secret_source(&text, &node.place, notes),
            Some(text) => parameter(&with_copilots_names(&text, stack)),
            None => match node.get("secretsmanager").and_then(Node::scalar) {
                Some(text) => {
                    let mut parts = text.splitn(3, ':');
                    let secret = parts.next().unwrap_or_default();
                    let mut source = Block::with("value_from", with_copilots_names(secret, stack));
                    source.set_some("json_key", parts.next().filter(|key| !key.is_empty()));
                    source
                }
                None => {
                    notes.add(
                        &node.place,
                        format!(
                            "not carried over: `{name}` comes from another CloudFormation stack; name the secret in \
                             `secrets`"
                        ),
                    );
                    continue;
                }
            },
        };
        block.block("secrets").set(&name, source);
    }
    Ok(())
}

/// The same as [`filled_in`], of a text whose other placeholders are Longshore's.
fn with_copilots_names(text: &str, stack: &str) -> String {
    text.replace("${COPILOT_ENVIRONMENT_NAME}", "${environment}")
        .replace("${COPILOT_APPLICATION_NAME}", stack)
}

fn health_check(mut check: Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let words = check.take("command");
    let command: Vec<String> = match words {
        Some(node) if !node.items().is_empty() => {
            node.items().iter().filter_map(Node::scalar).collect()
        }
        Some(node) => vec!["CMD-SHELL".to_owned(), node.scalar().unwrap_or_default()],
        None => vec![
            "CMD-SHELL".to_owned(),
            "curl -f http://localhost/ || exit 1".to_owned(),
        ],
    };
    let mut inner = Block::with("command", literals(&command));
    // What Copilot says where the manifest does not.
    for (key, usual) in [
        ("interval", "10s"),
        ("timeout", "5s"),
        ("start_period", "0s"),
    ] {
        let text = check.text(key)?.unwrap_or_else(|| usual.to_owned());
        let value = seconds(&text).filter(|value| *value > 0);
        inner.set_some(key, value);
    }
    inner.set("retries", check.whole("retries")?.unwrap_or(2));
    block.set("health_check", inner);
    check.rest(notes, advice);
    Ok(())
}

/// Other containers, with what must have become of them.
fn dependencies(mut waits: Fields) -> Vec<Block> {
    let waits = waits.all().into_iter();
    waits
        .map(|(name, condition)| {
            let condition = condition.scalar().unwrap_or_default().to_uppercase();
            Block::with("container_name", name).and("condition", condition)
        })
        .collect()
}

fn storage(draft: &mut Draft, manifest: &mut Fields, block: &mut Block) -> Result<(), Fault> {
    let Some(mut storage) = manifest.map("storage")? else {
        return Ok(());
    };
    let size = storage.whole("ephemeral")?;
    block.set_some(
        "ephemeral_storage_size_in_gib",
        size.filter(|size| *size > 20),
    );
    if storage.flag("readonly_fs")? == Some(true) {
        block.set("readonly_root_filesystem", true);
    }
    let mut mounts = Vec::new();
    for (name, node) in storage
        .map("volumes")?
        .map(|mut volumes| volumes.all())
        .unwrap_or_default()
    {
        let mut volume = Fields::of(node)?;
        let mut mount = Block::default();
        match volume.take("efs") {
            Some(efs) if efs.scalar().as_deref() != Some("false") => {
                file_system(draft, &name, efs, &mut mount)?;
            }
            _ => {}
        }
        mount.set_some("container_path", volume.text("path")?);
        // Copilot mounts volumes to be read only, unless it is said otherwise.
        if volume.flag("read_only")? != Some(false) {
            mount.set("read_only", true);
        }
        volume.rest(&mut draft.notes, advice);
        mounts.push(mount);
    }
    block.set_filled("mount_points", mounts);
    storage.rest(&mut draft.notes, advice);
    Ok(())
}

/// A file system of the stack's own, with an access point for the user that Copilot says.
fn file_system(draft: &mut Draft, name: &str, efs: Node, mount: &mut Block) -> Result<(), Fault> {
    let place = efs.place.clone();
    let key = draft.file_system(name);
    let mut user = None;
    if matches!(efs.content, Content::Map(_)) {
        let mut efs = Fields::of(efs)?;
        if let (Some(uid), Some(gid)) = (efs.whole("uid")?, efs.whole("gid")?) {
            user = Some((uid, gid));
        }
        efs.skip(&["id"]);
        efs.rest(&mut draft.notes, |_| {
            Some("say the directory and the user in `access_points` of the file system")
        });
    }
    let file_systems = draft.stack.block("file_systems");
    if let Some((uid, gid)) = user {
        let point = Block::with("posix_user", Block::with("uid", uid).and("gid", gid))
            .and("root_directory", Block::with("path", format!("/{key}")));
        file_systems
            .block(&key)
            .set("access_points", Block::with("data", point));
        mount.set("access_point", "data");
    }
    draft.notes.add(
        &place,
        format!(
            "a stack makes its own file systems: `{key}` begins empty, and Copilot's stays; copy the files before the first \
             requests. A user other than root needs an access point"
        ),
    );
    mount.set("file_system", key);
    Ok(())
}

/// The number of tasks, and what they scale by.
fn count(manifest: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let Some(node) = manifest.take("count") else {
        return Ok(());
    };
    if let Some(text) = node.scalar() {
        match text.parse::<u32>() {
            Ok(1) => {}
            Ok(count) => block.set("desired_count", count),
            Err(_) => return Err(Fault::at(&node.place, "expected a number of tasks")),
        }
        return Ok(());
    }
    let mut count = Fields::of(node)?;
    if let Some(spot) = count.whole("spot")? {
        block.set(
            "capacity_provider_strategy",
            vec![Block::with("capacity_provider", "FARGATE_SPOT")],
        );
        if spot != 1 {
            block.set("desired_count", spot);
        }
    }
    let mut scaling = Block::default();
    if let Some(range) = count.take("range") {
        let (least, most) = match range.scalar() {
            Some(text) => {
                let (least, most) = text.split_once('-').unwrap_or_default();
                let number = |text: &str| text.trim().parse::<u32>().ok();
                (number(least), number(most))
            }
            None => {
                let mut range = Fields::of(range.clone())?;
                let limits = (range.whole("min")?, range.whole("max")?);
                range.rest(notes, advice);
                limits
            }
        };
        let (Some(least), Some(most)) = (least, most) else {
            return Err(Fault::at(&range.place, "expected a range such as `1-10`"));
        };
        scaling.set("min_capacity", least);
        scaling.set("max_capacity", most);
    }
    let mut cooldown = count.take("cooldown");
    for (key, target) in [
        ("cpu_percentage", "target_cpu_utilization"),
        ("memory_percentage", "target_memory_utilization"),
        ("requests", "target_requests_per_task"),
    ] {
        let Some(node) = count.take(key) else {
            continue;
        };
        let value = node.scalar().or_else(|| node.get("value")?.scalar());
        match value.and_then(|value| value.parse::<u32>().ok()) {
            Some(value) => scaling.set(target, value),
            None => return Err(Fault::at(&node.place, "expected a number")),
        }
        if let Some(own) = node.get("cooldown") {
            cooldown = Some(own.clone());
        }
    }
    if let Some(node) = cooldown {
        for (key, target, usual) in [
            ("in", "scale_in_cooldown", 300),
            ("out", "scale_out_cooldown", 60),
        ] {
            let text = node.get(key).and_then(Node::scalar);
            let value = text.as_deref().and_then(seconds);
            scaling.set_some(target, value.filter(|value| *value != usual));
        }
    }
    let is_tracked = ["cpu_utilization", "memory_utilization", "requests_per_task"]
        .iter()
        .any(|metric| scaling.has(&format!("target_{metric}")));
    if scaling.has("max_capacity") {
        if !is_tracked {
            scaling.set("target_cpu_utilization", 70_u32);
            scaling.comment("target_cpu_utilization", "Say by what to scale.");
        }
        block.set("scaling", scaling);
    }
    count.rest(notes, |key| {
        Some(match key {
            "queue_delay" => {
                "`scaling.custom_metrics` can scale by the queue's metric ApproximateNumberOfMessagesVisible"
            }
            "response_time" => "`scaling.custom_metrics` can scale by a metric of the load balancer",
            _ => return None,
        })
    });
    Ok(())
}

fn sidecar(draft: &mut Draft, mut fields: Fields, owner: &str) -> Result<Block, Fault> {
    let mut block = Block::default();
    let place = fields.place.clone();
    let stack = draft.name.clone();
    let notes = &mut draft.notes;
    match fields.take("image") {
        Some(node) => match node.scalar() {
            Some(location) => {
                set_location(&mut block, &location, owner, &node.place, notes);
                block.remove("image_policy");
            }
            None => built(&mut block, owner, &node.place, notes),
        },
        None => return Err(Fault::at(&place, "there is no `image`")),
    }
    if fields.flag("essential")? == Some(false) {
        block.set("essential", false);
    }
    if let Some(port) = fields.text("port")? {
        let (number, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
        match number.parse::<u32>() {
            Ok(number) if protocol == "tcp" => block.set("container_port", number),
            _ => notes.add(
                &place.key("port"),
                "not carried over: a port of UDP; containers of a task reach it at localhost all the same",
            ),
        }
    }
    block.set_filled(
        "entry_point",
        literals(&command(&mut fields, "entrypoint")?),
    );
    block.set_filled("command", literals(&command(&mut fields, "command")?));
    variables(&mut fields, owner, &stack, &mut block, notes)?;
    if let Some(check) = fields.map("healthcheck")? {
        health_check(check, &mut block, notes)?;
    }
    if let Some(waits) = fields.map("depends_on")? {
        block.set_filled("depends_on", dependencies(waits));
    }
    credentials(fields.text("credentialsParameter")?, &mut block);
    labels(&mut fields, &mut block)?;
    let mut mounts = Vec::new();
    for mut mount in fields.maps("mount_points")? {
        let mut inner = Block::default();
        let volume = mount.text("source_volume")?.unwrap_or_default();
        let volume = part_name(&volume);
        let is_file_system =
            draft.stack.has("file_systems") && draft.stack.block("file_systems").has(&volume);
        if is_file_system {
            inner.set("file_system", volume);
        }
        inner.set_some("container_path", mount.text("path")?);
        if mount.flag("read_only")? != Some(false) {
            inner.set("read_only", true);
        }
        mounts.push(inner);
    }
    block.set_filled("mount_points", mounts);
    fields.rest(&mut draft.notes, advice);
    Ok(block)
}

fn network(
    draft: &mut Draft,
    manifest: &mut Fields,
    kind: Kind,
    block: &mut Block,
) -> Result<(), Fault> {
    let mut is_private = false;
    if let Some(mut network) = manifest.map("network")? {
        if let Some(mut vpc) = network.map("vpc")? {
            match vpc.take("placement") {
                Some(node) if node.scalar().as_deref() == Some("private") => is_private = true,
                Some(node) if node.scalar().is_none() => {
                    let ids = node.get("subnets").map(Node::items).unwrap_or_default();
                    draft.default_subnets(ids.iter().filter_map(Node::scalar).collect());
                    is_private = true;
                }
                _ => {}
            }
            if let Some(node) = vpc.take("security_groups") {
                let ids: Vec<String> = node
                    .items()
                    .iter()
                    .filter_map(Node::scalar)
                    .filter(|id| id.starts_with("sg-"))
                    .collect();
                if ids.is_empty() {
                    draft.notes.add(
                        &node.place,
                        "not carried over: security groups without ids; name them in `security_group_ids`",
                    );
                } else {
                    draft.notes.add(
                        &node.place,
                        "Copilot adds its environment's security group to these; the stack does not",
                    );
                }
                block.set_filled("security_group_ids", ids);
            }
            vpc.rest(&mut draft.notes, advice);
        }
        if let Some(connect) = network.take("connect")
            && connect.scalar().as_deref() != Some("false")
        {
            draft.notes.add(
                &connect.place,
                "not carried over: Service Connect; services find each other as `<service>.<namespace>` by \
                 `service_discovery`",
            );
        }
        network.rest(&mut draft.notes, advice);
    }
    if !is_private && kind != Kind::Job {
        block.set("assign_public_ip", true);
        block.comment(
            "assign_public_ip",
            "As Copilot has it, for public subnets. Take it out if yours have a NAT gateway.",
        );
    }
    Ok(())
}

fn http(
    draft: &mut Draft,
    manifest: &mut Fields,
    service: &str,
    block: &mut Block,
) -> Result<(), Fault> {
    let Some(node) = manifest.take("http") else {
        return Ok(());
    };
    if node.scalar().as_deref() == Some("false") {
        return Ok(());
    }
    let mut http = Fields::of(node)?;
    let place = http.place.clone();
    let notes = &mut draft.notes;
    let mut group = Block::default();
    if let Some(container) = http.text("target_container")?
        && container != service
    {
        group.set("container_name", container);
    }
    if let Some(port) = http.whole("target_port")?
        && block.text("container_port") != Some(&port.to_string())
    {
        block.set("container_port", port);
    }
    if let Some(path) = http.text("path")? {
        let path = path.trim_matches('/');
        if !path.is_empty() {
            group.set(
                "path_patterns",
                vec![format!("/{path}"), format!("/{path}/*")],
            );
        }
    }
    let aliases = aliases(&mut http)?;
    if !aliases.is_empty() {
        group.set("host_headers", aliases);
        notes.add(
            &place.key("alias"),
            "name a certificate for them in `load_balancer.certificate_arns`, and make DNS records that point to the load \
             balancer, or let `load_balancer.dns` make them",
        );
    }
    if group.has("path_patterns") || group.has("host_headers") {
        group.set("priority", 10_u32);
    }
    let mut check = Block::default();
    match http.take("healthcheck") {
        Some(node) if node.scalar().is_some() => check.set_some("path", node.scalar()),
        Some(node) => {
            let mut fields = Fields::of(node)?;
            check.set(
                "path",
                fields.text("path")?.unwrap_or_else(|| "/".to_owned()),
            );
            for (key, name) in [
                ("interval", "interval_seconds"),
                ("timeout", "timeout_seconds"),
            ] {
                let text = fields.text(key)?;
                check.set_some(name, text.as_deref().and_then(seconds));
            }
            check.set_some(
                "healthy_threshold_count",
                fields.whole("healthy_threshold")?,
            );
            check.set_some(
                "unhealthy_threshold_count",
                fields.whole("unhealthy_threshold")?,
            );
            check.set_some("matcher", fields.text("success_codes")?);
            let grace = fields.text("grace_period")?;
            block.set_some(
                "health_check_grace_period_seconds",
                grace.as_deref().and_then(seconds),
            );
            fields.rest(notes, |key| match key {
                "port" => Some("the load balancer checks the port that requests go to"),
                _ => None,
            });
        }
        None => {
            let command = match block.get("health_check") {
                Some(Value::Map(check)) => check.words("command"),
                _ => Vec::new(),
            };
            let path = checked_path(&command);
            check.set("path", path.unwrap_or_else(|| "/".to_owned()));
        }
    }
    group.set("health_check", check);
    // What Copilot says where the manifest does not.
    let delay = http.text("deregistration_delay")?;
    let delay = delay.as_deref().and_then(seconds).unwrap_or(60);
    group.set("deregistration_delay", delay);
    if http.text("stickiness")?.as_deref() == Some("true") {
        group.set("stickiness_duration", 86_400_u32);
    }
    let sources = http.texts("allowed_source_ips")?;
    if !sources.is_empty() {
        draft
            .stack
            .block("load_balancer")
            .set("ingress_cidr_ips", sources);
    }
    http.rest(&mut draft.notes, |key| {
        Some(match key {
            "additional_rules" => "`resources` can add rules to the listener: docs/stacks.md",
            "hosted_zone" => "say it in `load_balancer.dns`",
            "redirect_to_https" => "with a certificate, HTTP is redirected to HTTPS",
            "alb" => "a rule on its listener: name it in `target_group.listener_arn`",
            "version" => "say it in `target_group.protocol_version`",
            _ => return None,
        })
    });
    block.set("target_group", group);
    Ok(())
}

/// Names of hosts: one text with commas, or a list of texts or of maps with `name`.
fn aliases(http: &mut Fields) -> Result<Vec<String>, Fault> {
    let Some(node) = http.take("alias") else {
        return Ok(Vec::new());
    };
    if let Some(text) = node.scalar() {
        return Ok(text.split(',').map(|name| name.trim().to_owned()).collect());
    }
    let names = node.items().iter();
    Ok(names
        .filter_map(|item| item.scalar().or_else(|| item.get("name")?.scalar()))
        .collect())
}

fn deployment(manifest: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    let Some(mut deployment) = manifest.map("deployment")? else {
        return Ok(());
    };
    let mut inner = Block::default();
    if deployment.text("rolling")?.as_deref() == Some("recreate") {
        inner.set("minimum_healthy_percent", 0_u32);
        inner.set("maximum_percent", 100_u32);
    }
    match deployment.take("rollback_alarms") {
        Some(node) if !node.items().is_empty() => {
            let names: Vec<String> = node.items().iter().filter_map(Node::scalar).collect();
            inner.set("alarms", names);
        }
        Some(node) => notes.add(
            &node.place,
            "not carried over: alarms that Copilot makes; `alarms` of the stack makes alarms for all services",
        ),
        None => {}
    }
    deployment.rest(notes, advice);
    block.set_filled("deployment_configuration", inner);
    Ok(())
}

/// A job is a service without tasks of its own, which is started by the clock.
fn job(manifest: &mut Fields, block: &mut Block, notes: &mut Notes) -> Result<(), Fault> {
    block.set("desired_count", 0_u32);
    block.comment(
        "desired_count",
        "Nothing runs between the runs of its schedule.",
    );
    let Some(mut on) = manifest.map("on")? else {
        return Err(Fault::at(&manifest.place, "there is no `on.schedule`"));
    };
    let place = on.place.clone();
    match on.text("schedule")? {
        Some(text) if text == "none" => notes.add(
            &place.key("schedule"),
            "not carried over: a job without a schedule has nothing to start it; add one to `schedules`",
        ),
        Some(text) => match schedule(&text) {
            Some(expression) => {
                let inner = Block::with("schedule_expression", expression);
                block.set("schedules", Block::with("run", inner));
            }
            None => {
                return Err(Fault::at(
                    &place.key("schedule"),
                    format!("`{text}` is not a schedule that EventBridge Scheduler could have"),
                ));
            }
        },
        None => return Err(Fault::at(&place, "there is no `schedule`")),
    }
    on.rest(notes, advice);
    Ok(())
}

/// What to do instead of a key of Copilot.
fn advice(key: &str) -> Option<&'static str> {
    Some(match key {
        "observability" => "tracing needs a collector among the `sidecars`",
        "publish" => {
            "say them in `topics` of the stack, and `publish` in `topics` of the service; their ARNs are in variables of \
             their names"
        }
        "subscribe" => {
            "say a queue in `queues` of the stack, `subscriptions` of the topic, and `receive` in `queues` of the service; \
             its URL is in a variable of its name, not in COPILOT_QUEUE_URI"
        }
        "env_file" => {
            "put the variables into `environment`, or the file into S3 and its ARN into `environment_files`"
        }
        "env_files" => {
            "put the variables into `environment`, or the files into S3 and their ARNs into `environment_files`"
        }
        "taskdef_overrides" => "`overrides.task_definition` can say it",
        "timeout" => "a run ends when its container does; let the program end itself",
        "retries" => "a failed run is reported and not repeated; let the program try again",
        "spot_from" => "`capacity_provider_strategy` can mix FARGATE and FARGATE_SPOT",
        "nlb" => "the stack's load balancer can be one: `load_balancer.type: network`",
        "cluster" | "build_args" => "it is for Copilot itself",
        _ => return None,
    })
}
