//! The page of `longshore dashboard` in a real Chromium, on the local cloud.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};
use longshore_local::scene::{fails, serves};
use longshore_tests::Scene;

use super::browser::{Browser, program};
use super::longshore;

/// A dashboard that ends with the test.
struct Dashboard {
    child: Child,
    url: String,
}

impl Dashboard {
    fn serve(scene: &Scene) -> Result<Self> {
        let mut child = longshore()
            .arg("dashboard")
            .envs(scene.environment.variables())
            .stdout(Stdio::piped())
            .spawn()
            .context("run longshore dashboard")?;
        let output = child
            .stdout
            .take()
            .context("the page's address is printed")?;
        let mut url = String::new();
        BufReader::new(output).read_line(&mut url)?;
        let url = url.trim().to_owned();
        ensure!(url.starts_with("http://127.0.0.1:"), "{url}");
        Ok(Self { child, url })
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
#[ignore = "needs the local cloud: run cargo xtask test"]
async fn a_page_shows_rollouts_of_the_local_cloud_and_acts_on_it() -> Result<()> {
    let scene = Scene::new("by-page")?;
    let service = "services/by-page/api.html";
    scene.push("v1", &serves("v1"))?;
    scene.wait_until_published(&["succeeded", "v1"])?;

    // The copy needs no browser.
    let folder = std::env::temp_dir().join(format!("by-page-{}", std::process::id()));
    let copied = longshore()
        .arg("dashboard")
        .arg("--export")
        .arg(&folder)
        .envs(scene.environment.variables())
        .output()?;
    ensure!(copied.status.success(), "{copied:?}");
    let copy = std::fs::read_to_string(folder.join(service))?;
    for expected in ["by-page/api:v1", "2 of 2 tasks run", "#1"] {
        ensure!(copy.contains(expected), "{expected}: {copy}");
    }
    std::fs::remove_dir_all(&folder)?;

    let Some(program) = program("the page on the local cloud") else {
        return Ok(());
    };
    let dashboard = Dashboard::serve(&scene)?;
    let browser = Browser::start(&program).await;
    browser.look(1100, 780, false).await;
    browser.open(&dashboard.url).await;
    browser.shows("by-page").await;
    browser.open(&format!("{}{service}", dashboard.url)).await;
    browser.shows("by-page/api:v1, since").await;

    // A failing one, live, with what its tasks died of.
    scene.push("v2", &fails("no database"))?;
    // Containers that end at once may be given up between two looks.
    let is_seen =
        "/#2 (starting|deploying|rolling back|rolled back)/.test(document.body.innerText)";
    browser.until(is_seen).await;
    browser.keep_picture("dashboard-local-cloud").await;
    browser.shows("exited with 1").await;
    browser.shows("rolled back").await;

    // By the keyboard: held, so that what is pushed waits, and resumed.
    for (act, shows) in [("act-hold", "is held until"), ("act-resume", "is resumed")] {
        if act == "act-resume" {
            scene.push("v3", &serves("v3"))?;
            browser.shows("v3 waits for").await;
        }
        browser.tab_to(act).await;
        browser.press("Enter").await;
        browser.until("document.getElementById('does')").await;
        browser.tab_to("does").await;
        browser.press("Enter").await;
        browser.shows(shows).await;
    }
    scene.wait_until_published(&["succeeded", "v3"])?;
    browser.shows("by-page/api:v3, since").await;
    let title = browser.value("document.title").await;
    ensure!(title == "by-page/api · Longshore", "{title}");
    ensure!(browser.complaints.borrow().is_empty());
    Ok(())
}
