//! What real brews ask a mirror for, replayed against a mirror that a sync has filled, as it is served:
//! through CloudFront with the module's own function and cache times, and straight from S3 through a VPC's
//! endpoint. `requests.json` has the requests, each with its source.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod served;

#[cfg(test)]
mod replayed {
    use std::collections::BTreeMap;

    use longshore_bottles::settings::RunnerSettings;
    use longshore_bottles::sync::{Engine, RunOutcome, RunRequest, SyncOptions, run, verify};
    use longshore_events::longshore::SyncSource;
    use longshore_state::Worker;
    use longshore_state::lease::Clock;
    use longshore_testkit::{FakeFormula, FakeMirror, INDEX_URL, MIRROR_STACK, bottle_sha256};
    use serde::Deserialize;
    use serde_json::Value;

    use crate::served::{Answer, Edge, Endpoint, Kept, routed};

    #[derive(Debug, Deserialize)]
    struct Table {
        sources: BTreeMap<String, String>,
        requests: Vec<Row>,
    }

    #[derive(Debug, Clone, Deserialize)]
    struct Row {
        brew: String,
        variables: Vec<String>,
        method: String,
        path: String,
        headers: BTreeMap<String, String>,
        expects: String,
        on_400_403_404: String,
        source: String,
    }

    impl Row {
        fn needs_registry_layout(&self) -> bool {
            self.expects.ends_with("with registry_layout")
        }

        fn is_for_cloudfront_alone(&self) -> bool {
            self.expects.ends_with("through CloudFront")
        }

        fn kind(&self) -> &str {
            self.expects.split(',').next().unwrap()
        }

        fn has_authorization(&self) -> bool {
            self.headers.contains_key("Authorization")
        }

        fn shown(&self) -> String {
            format!("brew {}: {} {}", self.brew, self.method, self.path)
        }
    }

    fn formula(
        name: &str,
        version: &str,
        (revision, rebuild): (u32, u32),
        content: u64,
        tags: &[&str],
    ) -> FakeFormula {
        let bottles = tags.iter().zip(content..);
        FakeFormula {
            revision,
            rebuild,
            bottles: bottles
                .map(|(tag, content)| ((*tag).to_owned(), content, 1_000))
                .collect(),
            ..FakeFormula::new(name, version, content)
        }
    }

    const TAGS: [&str; 4] = [
        "arm64_golden_gate",
        "arm64_tahoe",
        "arm64_sequoia",
        "x86_64_linux",
    ];

    fn formulae() -> Vec<FakeFormula> {
        vec![
            formula("boost@1.85", "1.85.0", (3, 2), 100, &TAGS),
            formula("ca-certificates", "2026-07-16", (0, 0), 200, &["all"]),
            formula("gtk+", "2.24.33", (2, 0), 300, &TAGS),
            formula("libidn2", "2.3.8", (0, 0), 400, &TAGS),
            formula(
                "portable-ruby",
                "4.0.6",
                (0, 0),
                500,
                &["arm64_big_sur", "x86_64_linux"],
            ),
            formula("tern", "0.24.3", (0, 8), 600, &TAGS),
            formula("wget", "1.25.0", (0, 0), 700, &TAGS),
        ]
    }

    /// The rubies that the index does not name, by the version that a row has.
    fn rubies() -> Vec<FakeFormula> {
        [("3.3.8", 510), ("3.4.8", 520), ("4.0.5_1", 530)]
            .map(|(version, content)| {
                let tags = ["arm64_big_sur", "x86_64_linux"];
                formula("portable-ruby", version, (0, 0), content, &tags)
            })
            .into()
    }

    fn page(file: &str) -> String {
        INDEX_URL.replace("formula.json", file)
    }

    fn publish(mirror: &FakeMirror, formulae: &[FakeFormula]) {
        mirror.publish_index(formulae);
        for tag in TAGS {
            mirror.set_packages(tag, formulae);
        }
        for (file, payload) in [
            ("cask.jws.json", "[]"),
            ("formula_tap_migrations.jws.json", "{}"),
            ("cask_tap_migrations.jws.json", "{}"),
        ] {
            let signed =
                format!(r#"{{"payload":"{payload}","signatures":[{{"signature":"c2ln"}}]}}"#);
            mirror.set_page(&page(file), &signed);
        }
        mirror.set_page(&page("internal/executables.txt"), "wget:wget\n");
    }

    async fn sync(mirror: &FakeMirror, id: &str) {
        let runner = RunnerSettings {
            threshold_bytes: 1_000_000,
            time_left: None,
            region: None,
        };
        let worker = Worker {
            id: id.to_owned(),
            now: mirror.now(),
        };
        let engine = Engine {
            cloud: mirror,
            source: mirror,
            transferrer: mirror,
            runner: &runner,
            worker: &worker,
        };
        let request = RunRequest {
            source: SyncSource::Schedule,
            requested_at: mirror.now(),
            options: SyncOptions::default(),
        };
        let outcome = run(&engine, MIRROR_STACK, &request).await.unwrap();
        let RunOutcome::Completed { result, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(result.is_clean(), "{result:?}");
    }

    async fn mirrored(registry_layout: bool) -> FakeMirror {
        let mirror = FakeMirror::new();
        mirror.change_settings(|settings| {
            settings.registry_layout = registry_layout;
            // What is said where nothing is said.
            settings.portable_ruby = None;
        });
        publish(&mirror, &formulae());
        for ruby in rubies() {
            mirror.publish_bottles(&ruby);
            if ruby.version == "3.3.8" {
                mirror.move_to_repository(&ruby, "portable-ruby/portable-ruby");
            }
        }
        sync(&mirror, "first").await;
        mirror
    }

    /// The rows, with what is in angle brackets filled in.
    fn table() -> Vec<Row> {
        let table: Table = serde_json::from_str(include_str!("requests.json")).unwrap();
        let mut rows = table.requests;
        for row in &mut rows {
            assert!(table.sources.contains_key(&row.source), "{row:?}");
            row.path = row
                .path
                .replace("<wget arm64_tahoe>", bottle_sha256(701).as_str());
            for ruby in rubies().iter().chain(&formulae()) {
                let digest = bottle_sha256(ruby.bottles[0].1 + 1);
                row.path = row
                    .path
                    .replace(&format!("<ruby {}>", ruby.version), digest.as_str());
            }
            assert!(!row.path.contains('<'), "{}", row.path);
        }
        rows
    }

    /// Whether an answer is what the row's brew goes on with.
    fn is_good(row: &Row, answer: &Answer, mirror: &FakeMirror) -> bool {
        let Answer::Found { key } = answer else {
            return false;
        };
        match row.kind() {
            "bottle" => mirror.sha256(key).is_some(),
            "manifest" => mirror.text(key).is_some_and(|text| {
                let manifest: Value = serde_json::from_str(&text).unwrap();
                let manifests = manifest["manifests"].as_array().unwrap();
                manifests.iter().all(|manifest| {
                    let has = |name: &str| manifest["annotations"][name].is_string();
                    has("sh.brew.tab") && has("sh.brew.bottle.digest")
                })
            }),
            "index" => {
                let file = key.strip_prefix("api/").unwrap();
                mirror.text(key) == mirror.page(&page(file))
            }
            _ => false,
        }
    }

    #[tokio::test]
    async fn every_request_of_every_brew_is_answered_through_cloudfront() {
        let rows = table();
        let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
        let Some(routed) = routed(&paths) else {
            return;
        };
        let (flat, whole) = (mirrored(false).await, mirrored(true).await);
        for (row, routed) in rows.iter().zip(routed) {
            for mirror in [&flat, &whole] {
                let answer = Edge { mirror }.answer(routed.as_deref());
                let is_layout = std::ptr::eq(mirror, &whole);
                let shown = format!("{}, layout {is_layout}: {answer:?}", row.shown());
                if row.kind() == "nothing" || row.needs_registry_layout() && !is_layout {
                    assert_eq!(answer, Answer::Refused(404), "{shown}");
                } else {
                    assert!(is_good(row, &answer, mirror), "{shown}");
                }
            }
        }
    }

    #[tokio::test]
    async fn straight_from_s3_a_request_is_answered_unless_it_brings_the_registrys_header() {
        let whole = mirrored(true).await;
        for row in table() {
            let answer = Endpoint { mirror: &whole }.answer(&row.path, row.has_authorization());
            let shown = format!("{}: {answer:?}", row.shown());
            if row.has_authorization() {
                assert_eq!(answer, Answer::Refused(400), "{shown}");
            } else if row.kind() == "nothing" || row.is_for_cloudfront_alone() {
                assert_eq!(answer, Answer::Refused(403), "{shown}");
            } else {
                assert!(is_good(&row, &answer, &whole), "{shown}");
            }
        }
    }

    /// What the module's README asks people to export.
    #[tokio::test]
    async fn with_all_three_variables_every_brew_gets_its_bottles_straight_from_s3() {
        let rows = table();
        let flat = mirrored(false).await;
        for brew in ["4.4.32", "5.0.16", "6.0.18", "7.0.0"] {
            let mine: Vec<&Row> = rows.iter().filter(|row| row.brew == brew).collect();
            let with_three = mine.iter().filter(|row| row.variables.len() == 3);
            for row in with_three.filter(|row| row.kind() == "manifest") {
                // Refused, or not there: brew goes on with the bottle domain.
                let fallback = &row.on_400_403_404;
                assert!(
                    fallback.starts_with("the flat file")
                        || fallback.starts_with("the bottle domain"),
                    "{}: {fallback}",
                    row.shown()
                );
            }
            let bottles = mine
                .iter()
                .filter(|row| row.variables.len() == 2 && row.kind() == "bottle");
            for row in bottles.filter(|row| !row.is_for_cloudfront_alone()) {
                let answer = Endpoint { mirror: &flat }.answer(&row.path, row.has_authorization());
                assert!(is_good(row, &answer, &flat), "{}: {answer:?}", row.shown());
            }
            // With two variables brew 6 cannot have a manifest there, and so no chain.
            let is_refused = mine.iter().any(|row| {
                row.variables.len() == 2 && row.kind() == "manifest" && row.has_authorization()
            });
            assert_eq!(is_refused, brew.starts_with(['6', '7']), "{brew}");
        }
    }

    #[tokio::test]
    async fn a_second_sync_is_seen_by_everybody_who_asks_after_it() {
        // A client asks, another one asks, the index is published, the first one asks twice more.
        let seen = |kept: u64| {
            let mut edge = Kept::new(kept);
            let mut s3 = 0;
            edge.ask(10, s3, None);
            edge.ask(50, s3, None);
            s3 = 60;
            let first = edge.ask(65, s3, Some(10));
            // A success, new or not, is the time of its next question.
            let second = edge.ask(600, s3, Some(65));
            (first, second)
        };
        let of_module = Kept::seconds_of_module("index");
        assert_eq!(of_module, 0);
        assert_eq!(seen(of_module), (true, false));
        // What a minute at the edge did: the publication is missed for good.
        assert_eq!(seen(60), (false, false));
        assert!(Kept::seconds_of_module("bottles") <= 86_400);
    }

    #[tokio::test]
    async fn what_is_missing_or_damaged_is_refused_to_clients_or_seen_by_a_verification() {
        let mirror = mirrored(false).await;
        assert!(
            verify(&mirror, &mirror, MIRROR_STACK)
                .await
                .unwrap()
                .is_right()
        );
        for (path, key) in [
            ("/wget/manifests/1.25.0", "wget/manifests/1.25.0"),
            (
                "/wget-1.25.0.arm64_tahoe.bottle.tar.gz",
                "wget-1.25.0.arm64_tahoe.bottle.tar.gz",
            ),
            (
                "/api/internal/packages.arm64_tahoe.jws.json",
                "api/internal/packages.arm64_tahoe.jws.json",
            ),
        ] {
            mirror.remove(key);
            assert_eq!(
                Edge { mirror: &mirror }.answer(Some(path)),
                Answer::Refused(404)
            );
            let verification = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
            assert!(!verification.is_right(), "{key}");
        }
        let mirror = mirrored(false).await;
        let key = "wget-1.25.0.arm64_tahoe.bottle.tar.gz";
        for content in [Some(bottle_sha256(9)), None] {
            mirror.put_bottle(key, content, 999);
            let verification = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
            assert_eq!(verification.wrong, [key]);
        }
        let mirror = mirrored(false).await;
        let key = "api/cask.jws.json";
        let whole = mirror.text(key).unwrap();
        for damaged in ["", &whole[..whole.len() / 2], "<html>502</html>"] {
            mirror.put(key, damaged);
            let verification = verify(&mirror, &mirror, MIRROR_STACK).await.unwrap();
            assert_eq!(verification.wrong_index_files[0].entry, key, "{damaged}");
        }
    }
}
