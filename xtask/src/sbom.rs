//! The bill of materials of programs: every crate that they are compiled of, as CycloneDX 1.5.
//!
//! It is as reproducible as the archive that it lies beside: no time, no serial number and no path is in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, anyhow, ensure};
use cyclonedx_bom::models::component::Classification;
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::prelude::{
    Bom, Component, Components, Metadata, Purl, SpdxExpression, SpecVersion, Validate,
};
use longshore_local::process::capture;
use longshore_local::workspace::Workspace;
use serde::Deserialize;

use crate::compile::cargo;

/// Its name, beside the package.
pub const FILE: &str = "longshore.cdx.json";

/// The crate of the program that runs on AWS.
pub const ON_AWS: &str = "longshore-bootstrap";

/// The crate of the command line.
pub const COMMAND_LINE: &str = "longshore-cli";

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
struct Crates {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// `dev`, `build`, or none: only such a dependency is a part of the program.
    kind: Option<String>,
}

/// The bill of a program, by the name of its crate, for a target of rustc.
///
/// # Errors
/// When cargo fails, or something that it says has no place in CycloneDX.
pub fn of_program(workspace: &Workspace, target: &str, program: &str) -> Result<Vec<u8>> {
    let metadata = capture(cargo(workspace, "metadata").args([
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        target,
    ]))?;
    let lock = std::fs::read_to_string(workspace.path("Cargo.lock")).context("read Cargo.lock")?;
    written(&metadata, &lock, program)
}

fn written(metadata: &str, lock: &str, program: &str) -> Result<Vec<u8>> {
    let crates: Crates =
        serde_json::from_str(metadata).context("read the answer of cargo metadata")?;
    let checksums = checksums(lock);
    let uses = uses(&crates, program)?;
    let packages: BTreeMap<&str, &Package> = crates
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let package = |id: &str| {
        let package = packages.get(id).copied();
        package.with_context(|| format!("cargo metadata does not describe {id}"))
    };
    let mut components = BTreeMap::new();
    let mut dependencies = BTreeMap::new();
    for (id, used) in &uses {
        let used = used.iter().map(|id| Ok(purl(package(id)?)?.to_string()));
        let package = package(id)?;
        let reference = purl(package)?.to_string();
        dependencies.insert(reference.clone(), used.collect::<Result<BTreeSet<_>>>()?);
        components.insert(reference, component(package, &checksums)?);
    }
    let bom = Bom {
        spec_version: SpecVersion::V1_5,
        serial_number: None,
        metadata: Some(Metadata {
            component: Some(Component::new(
                Classification::Application,
                "longshore",
                env!("CARGO_PKG_VERSION"),
                None,
            )),
            ..Metadata::default()
        }),
        components: Some(Components(components.into_values().collect())),
        dependencies: Some(Dependencies(
            dependencies
                .into_iter()
                .map(|(dependency_ref, used)| Dependency {
                    dependency_ref,
                    dependencies: used.into_iter().collect(),
                })
                .collect(),
        )),
        ..Bom::default()
    };
    let validation = bom.validate();
    ensure!(
        validation.passed(),
        "the bill of materials is not valid: {validation:?}"
    );
    let mut text = Vec::new();
    bom.output_as_json_v1_5(&mut text)
        .context("write the bill of materials")?;
    Ok(text)
}

/// Which crates each crate of the programs uses, by their ids.
fn uses<'a>(crates: &'a Crates, program: &str) -> Result<BTreeMap<&'a str, BTreeSet<&'a str>>> {
    let used_by: BTreeMap<&str, BTreeSet<&str>> = crates
        .resolve
        .nodes
        .iter()
        .map(|node| {
            let is_part = |edge: &&Edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none());
            let parts = node.deps.iter().filter(is_part);
            (node.id.as_str(), parts.map(|edge| &*edge.pkg).collect())
        })
        .collect();
    let first = crates
        .packages
        .iter()
        .find(|package| package.name == program);
    let first = first.with_context(|| format!("cargo metadata does not describe {program}"))?;
    let mut open: Vec<&str> = vec![&first.id];
    let mut uses = BTreeMap::new();
    while let Some(id) = open.pop() {
        let used = used_by.get(id).cloned().unwrap_or_default();
        open.extend(used.iter().filter(|id| !uses.contains_key(*id)));
        uses.insert(id, used);
    }
    Ok(uses)
}

fn component(package: &Package, checksums: &BTreeMap<String, String>) -> Result<Component> {
    let Package { name, version, .. } = package;
    let purl = purl(package)?;
    let license = |text: &String| {
        let expression = SpdxExpression::parse_lax(text.clone())
            .map_err(|error| anyhow!("license `{text}` of {name}: {error}"))?;
        Ok::<_, anyhow::Error>(Licenses(vec![LicenseChoice::Expression(expression)]))
    };
    let hash = |checksum: &String| {
        Hashes(vec![Hash {
            alg: HashAlgorithm::SHA_256,
            content: HashValue(checksum.clone()),
        }])
    };
    Ok(Component {
        licenses: package.license.as_ref().map(license).transpose()?,
        hashes: checksums.get(&format!("{name} {version}")).map(hash),
        purl: Some(purl.clone()),
        ..Component::new(
            Classification::Library,
            name,
            version,
            Some(purl.to_string()),
        )
    })
}

fn purl(package: &Package) -> Result<Purl> {
    Purl::new("cargo", &package.name, &package.version)
        .map_err(|error| anyhow!("name {}: {error}", package.name))
}

/// The SHA-256 of each crate's archive, by `<name> <version>`. The workspace's own crates have none.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let of_package = |package: &str| {
        let field = |name: &str| {
            let mut lines = package.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
            Some(value.trim_matches('"').to_owned())
        };
        let name = format!("{} {}", field("name")?, field("version")?);
        Some((name, field("checksum")?))
    };
    lock.split("[[package]]").filter_map(of_package).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \
                        \"registry+https://github.com/rust-lang/crates.io-index\"\nchecksum = \
                        \"0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a\"\n\n[[package]]\nname = \
                        \"longshore-bootstrap\"\nversion = \"0.2.0\"\n";

    fn package(name: &str, version: &str, license: &str) -> Value {
        json!({"id": format!("path+file:///somewhere#{name}"), "name": name, "version": version, "license": license})
    }

    fn node(name: &str, uses: &[(&str, Option<&str>)]) -> Value {
        let id = |name: &str| format!("path+file:///somewhere#{name}");
        let deps: Vec<Value> = uses
            .iter()
            .map(|(name, kind)| json!({"pkg": id(name), "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": id(name), "deps": deps})
    }

    fn bill(is_reversed: bool) -> Vec<u8> {
        let mut packages = vec![
            package("longshore-bootstrap", "0.2.0", "Apache-2.0"),
            package("longshore-bottle-sync", "0.2.0", "Apache-2.0"),
            package("serde", "1.0.0", "MIT/Apache-2.0"),
            package("cc", "1.0.0", "MIT"),
            package("insta", "1.0.0", "MIT"),
            package("clap", "1.0.0", "MIT"),
        ];
        let mut nodes = vec![
            node(
                "longshore-bootstrap",
                &[
                    ("longshore-bottle-sync", None),
                    ("serde", None),
                    ("insta", Some("dev")),
                    ("cc", Some("build")),
                ],
            ),
            node("longshore-bottle-sync", &[("serde", None)]),
            node("serde", &[]),
            node("clap", &[("serde", None)]),
        ];
        if is_reversed {
            packages.reverse();
            nodes.reverse();
        }
        let metadata = json!({"packages": packages, "resolve": {"nodes": nodes}});
        written(&metadata.to_string(), LOCK, ON_AWS).unwrap()
    }

    #[test]
    fn a_bill_lists_the_crates_of_the_programs_and_no_other() {
        let bill: Value = serde_json::from_slice(&bill(false)).unwrap();
        assert_eq!(bill["bomFormat"], "CycloneDX");
        assert_eq!(bill["specVersion"], "1.5");
        let components = bill["components"].as_array().unwrap();
        let names: Vec<&str> = components
            .iter()
            .map(|component| component["purl"].as_str().unwrap())
            .collect();
        let serde = "pkg:cargo/serde@1.0.0";
        let functions = "pkg:cargo/longshore-bootstrap@0.2.0";
        let task = "pkg:cargo/longshore-bottle-sync@0.2.0";
        assert_eq!(names, [functions, task, serde]);
        assert_eq!(
            components[2]["licenses"],
            json!([{"expression": "MIT OR Apache-2.0"}])
        );
        assert_eq!(
            components[2]["hashes"],
            json!([{"alg": "SHA-256", "content": "0a".repeat(32)}])
        );
        assert_eq!(
            bill["dependencies"],
            json!([
                {"ref": functions, "dependsOn": [task, serde]},
                {"ref": task, "dependsOn": [serde]},
                {"ref": serde},
            ])
        );
    }

    #[test]
    fn a_bill_is_the_same_whatever_order_cargo_lists_its_crates_in_and_names_no_folder() {
        let text = bill(false);
        assert_eq!(text, bill(true));
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("somewhere"), "{text}");
        assert!(!text.contains("serialNumber") && !text.contains("timestamp"));
    }
}
