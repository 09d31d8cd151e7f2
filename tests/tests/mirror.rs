//! What real clients ask a mirror for, asked of one: the requests of brew 4.4, 5.0 and 6.0, as they write them. S3
//! decodes a path as the server in front of a real mirror lets it: `%40` is `@`, `%2B` is `+`.

use anyhow::{Context, Result, ensure};
use longshore_local::homebrew::{Bottle, Formula};
use longshore_local::mirror::{Mirror, check_bottle, check_manifest};
use longshore_tests::MirrorScene;
use ureq::http::Method;

/// As brew writes a name in a URL.
fn escaped(text: &str) -> String {
    text.replace('@', "%40").replace('+', "%2B")
}

fn formulae() -> Vec<Formula> {
    let both = [("arm64_sequoia", 40_000), ("x86_64_linux", 30_000)];
    vec![
        Formula::new("wget", "1.25.0", &both),
        Formula::new("boost@1.85", "1.85.0", &both).built(3, 2),
        Formula::new("libsigc++@2", "2.12.1", &both),
        Formula::new("gtk+", "2.24.33", &both).built(2, 0),
        Formula::new("mysql++", "3.3.0", &both).built(4, 0),
        Formula::new("crf++", "0.58", &both).built(0, 3),
        Formula::new("bloaty", "1.1", &both).built(52, 0),
        Formula::new("tern", "0.0.1", &both).built(0, 8),
        Formula::new("ca-certificates", "2026-08-21", &[("all", 20_000)]),
        Formula::new("x264", "r3222", &both),
        Formula::new("passt", "2026_07_28.f8df3f1", &[("x86_64_linux", 10_000)]),
        Formula::new("actionlint", "1.7.7", &both).with_content("actionlint"),
    ]
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn brew_4_4_and_5_0_and_6_0_find_what_they_ask_for() -> Result<()> {
    let mirror = Mirror {
        registry_layout: true,
        ..Mirror::new("clients")
    };
    let scene = MirrorScene::new(mirror, &formulae())?;
    scene.complete()?;

    // HOMEBREW_API_DOMAIN: byte for byte what Homebrew has signed.
    for file in [
        // brew 4.4 and 5.0
        "formula.jws.json",
        "cask.jws.json",
        "formula_tap_migrations.jws.json",
        // brew 6
        "internal/packages.arm64_sequoia.jws.json",
        "internal/packages.x86_64_linux.jws.json",
        // people
        "formula.json",
    ] {
        check_api_file(&scene, file)?;
    }
    for bottle in &scene.published.bottles {
        ask_as_brew(&scene, bottle).with_context(|| bottle.key.clone())?;
    }
    Ok(())
}

/// Everything that the three ask for before they pour a bottle.
fn ask_as_brew(scene: &MirrorScene, bottle: &Bottle) -> Result<()> {
    let (client, bucket) = (scene.environment.client(), scene.mirror.bucket());
    // HOMEBREW_BOTTLE_DOMAIN, brew 6: the manifest, then HEAD and GET of the flat file; older ones the flat file only.
    let manifest = format!("{}/manifests/{}", bottle.image, bottle.manifest_tag);
    check_manifest(&client, &bucket, &manifest, bottle)?;
    check_bottle(&client, &bucket, &escaped(&bottle.key), bottle)?;
    // HOMEBREW_ARTIFACT_DOMAIN: the registry's paths.
    let registry = "v2/homebrew/core";
    check_manifest(&client, &bucket, &format!("{registry}/{manifest}"), bottle)?;
    let blob = format!("{registry}/{}/blobs/sha256:{}", bottle.image, bottle.sha256);
    check_bottle(&client, &bucket, &blob, bottle)?;
    let index = client
        .read_path(Method::HEAD, &bucket, &manifest)?
        .context("HEAD of the manifest")?;
    ensure!(
        index.content_type.as_deref() == Some("application/vnd.oci.image.index.v1+json"),
        "the manifest is sent as {:?}",
        index.content_type
    );
    let file = client
        .read_path(Method::HEAD, &bucket, &escaped(&bottle.key))?
        .context("HEAD of the flat file")?;
    ensure!(
        file.content_type.as_deref() == Some("application/gzip"),
        "the flat file is sent as {:?}",
        file.content_type
    );
    // A mirror that stored what the URL says is a known fault.
    let keys = scene.mirror.contents(&client)?;
    ensure!(
        keys.keys().all(|key| !key.contains('%')),
        "a key is percent-encoded: {keys:#?}"
    );
    Ok(())
}

/// The published file is that of the source.
fn check_api_file(scene: &MirrorScene, file: &str) -> Result<()> {
    let client = scene.environment.client();
    let published = client
        .read_path(Method::GET, &scene.mirror.bucket(), &format!("api/{file}"))
        .with_context(|| format!("GET api/{file}"))?
        .with_context(|| format!("api/{file} is not published"))?;
    let original = scene
        .source
        .file(&scene.published, &format!("api/{file}"))?;
    ensure!(
        published.sha256 == original,
        "api/{file} is not what the source has"
    );
    ensure!(
        published.content_type.as_deref() == Some("application/json"),
        "api/{file} is sent as {:?}",
        published.content_type
    );
    Ok(())
}
