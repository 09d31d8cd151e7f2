//! Of the images that a registry holds, the one that a policy names; and what is news after another.

use chrono::{DateTime, Duration, Utc};
use longshore_policy::image_policy::{ImagePolicy, Policy, RegistryImage, is_release_tag};
use proptest::prelude::*;
use serde_json::{Value, json};

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

/// An image that was pushed this many minutes before noon.
fn image(tag: &str, number: u8, minutes_ago: i64) -> RegistryImage {
    RegistryImage {
        tag: tag.to_owned(),
        digest: format!("sha256:{number:064x}").parse().unwrap(),
        pushed_at: noon() - Duration::minutes(minutes_ago),
        tagged_at: None,
    }
}

fn read(policy: Value) -> ImagePolicy {
    serde_json::from_value(policy).unwrap()
}

fn policy(policy: Value) -> Policy {
    read(policy).compile().unwrap()
}

fn refusal(policy: Value) -> String {
    read(policy).compile().unwrap_err().to_string()
}

/// The tag of the image that the policy names.
fn named(policy: &Policy, images: &[RegistryImage]) -> Option<String> {
    policy.newest(images, noon()).map(|image| image.tag.clone())
}

#[test]
fn one_exact_tag_names_what_it_holds_now_however_old_that_is() {
    let policy = policy(json!({"tags": ["release"]}));
    assert_eq!(policy.exact_tag(), Some("release"));
    let images = [
        image("release", 1, 900),
        image("v9", 2, 5),
        image("release-2", 3, 1),
    ];
    assert_eq!(named(&policy, &images).as_deref(), Some("release"));
    assert!(!policy.allows("release-2"));
}

#[test]
fn an_exact_tag_that_moved_is_news_in_both_directions() {
    let policy = policy(json!({"tags": ["release"]}));
    let (old, new) = (image("release", 1, 900), image("release", 2, 5));
    assert!(policy.is_news(&new, Some(&old)));
    assert!(policy.is_news(&old, Some(&new)));
    assert!(!policy.is_news(&new, Some(&new)));
    assert!(policy.is_news(&old, None));
}

#[test]
fn of_several_names_the_image_pushed_last_is_named() {
    let policy = policy(json!({"tags": ["main", "v*"]}));
    assert_eq!(policy.exact_tag(), None);
    let images = [
        image("v10", 1, 50),
        image("main", 2, 20),
        image("v9", 3, 30),
        image("feature", 4, 1),
    ];
    assert_eq!(named(&policy, &images).as_deref(), Some("main"));
}

#[test]
fn one_pattern_is_a_pattern_and_no_name() {
    let policy = policy(json!({"tags": ["v?"]}));
    assert_eq!(policy.exact_tag(), None);
    assert!(policy.allows("v1"));
    assert!(!policy.allows("v10"));
    assert!(!policy.allows("v"));
}

#[test]
fn within_a_second_the_numbers_in_the_tag_decide() {
    let policy = policy(json!({"tags": ["v*"]}));
    let images = [image("v9", 1, 5), image("v10", 2, 5), image("v010", 3, 6)];
    assert_eq!(named(&policy, &images).as_deref(), Some("v10"));
    assert!(policy.is_news(&images[1], Some(&images[0])));
    assert!(!policy.is_news(&images[0], Some(&images[1])));
}

#[test]
fn an_older_image_is_not_news_after_a_newer_one() {
    let policy = policy(json!({"tags": ["v*"]}));
    let (old, new) = (image("v2", 2, 60), image("v1", 1, 5));
    assert!(policy.is_news(&new, Some(&old)));
    assert!(!policy.is_news(&old, Some(&new)));
}

#[test]
fn a_moved_tag_is_news_where_moved_tags_are_followed_and_nowhere_else() {
    let (before, after) = (image("v2", 1, 60), image("v2", 2, 5));
    let cases = [
        (json!({"tags": ["v*"]}), true),
        (json!({"tags": ["v*"], "moved_tags": false}), false),
        (json!({"tag_pattern": "v.*"}), true),
        (json!({"tag_pattern": "v.*", "moved_tags": false}), false),
        (
            json!({"semver": "*", "tag_pattern": "v(.*)", "moved_tags": true}),
            true,
        ),
    ];
    for (written, is_news) in cases {
        let policy = policy(written.clone());
        let (before, after) = if written.get("semver").is_some() {
            (image("v2.0.0", 1, 60), image("v2.0.0", 2, 5))
        } else {
            (before.clone(), after.clone())
        };
        assert_eq!(policy.is_news(&after, Some(&before)), is_news, "{written}");
        // Back onto an older image, as a tag is that somebody takes back.
        assert_eq!(policy.is_news(&before, Some(&after)), is_news, "{written}");
    }
    let policy = policy(json!({"semver": "*"}));
    let (before, after) = (image("2.0.0", 1, 60), image("2.0.0", 2, 5));
    assert!(!policy.is_news(&after, Some(&before)));
}

#[test]
fn another_tag_on_the_same_image_is_news_only_where_the_tag_counts() {
    let before = image("v2", 1, 60);
    let after = image("v3", 1, 60);
    let by_push = policy(json!({"tags": ["v*"], "order": "pushed"}));
    assert!(!by_push.is_news(&after, Some(&before)));
    // The image may not be what runs any more.
    let by_tag = policy(json!({"tags": ["v*"]}));
    assert!(by_tag.is_news(&after, Some(&before)));
    assert!(!by_tag.is_news(&before, Some(&after)));
    assert!(!policy(json!({"tags": ["v3"]})).is_news(&after, Some(&before)));
}

#[test]
fn after_the_policy_changed_what_it_names_is_news_though_it_is_older() {
    let followed = image("main-7", 1, 5);
    let release = image("v1", 2, 900);
    assert!(policy(json!({"tags": ["v*"]})).is_news(&release, Some(&followed)));
    assert!(policy(json!({"semver": "*"})).is_news(&image("1.0.0", 2, 900), Some(&followed)));
}

#[test]
fn the_highest_version_is_named_whenever_it_was_pushed() {
    let policy = policy(json!({"semver": ">=1.2, <2"}));
    let images = [
        image("1.10.0", 1, 900),
        image("v1.9.9", 2, 5),
        image("1.1.9", 3, 4),
        image("2.0.0", 4, 3),
        image("latest", 5, 1),
    ];
    assert_eq!(named(&policy, &images).as_deref(), Some("1.10.0"));
    assert!(!policy.is_news(&images[1], Some(&images[0])));
    assert!(policy.is_news(&images[0], Some(&images[1])));
}

#[test]
fn of_equal_versions_the_one_pushed_last_is_named() {
    let policy = policy(json!({"semver": "^1"}));
    let images = [image("1.2.0", 1, 5), image("v1.2.0", 2, 60)];
    assert_eq!(named(&policy, &images).as_deref(), Some("1.2.0"));
}

#[test]
fn the_version_is_where_the_group_says() {
    for pattern in [
        r"api-(?P<version>\d.+)",
        r"api-(\d.+)",
        r"(?:api)-(?P<build>)?(?P<version>\d.+)",
    ] {
        let policy = policy(json!({"semver": "*", "tag_pattern": pattern}));
        let images = [
            image("api-1.2.3", 1, 5),
            image("api-1.12.0", 2, 60),
            image("web-9.0.0", 3, 1),
            image("api-1.99.0-x-web-2", 4, 1),
        ];
        assert_eq!(
            named(&policy, &images).as_deref(),
            Some("api-1.12.0"),
            "{pattern}"
        );
        assert!(!policy.allows("1.2.3"), "{pattern}");
        assert!(!policy.allows("my-api-1.2.3"), "{pattern}");
    }
}

#[test]
fn a_tag_whose_group_matched_nothing_is_not_followed() {
    let policy = policy(json!({"semver": "*", "tag_pattern": r"latest|v(.+)"}));
    assert!(!policy.allows("latest"));
    assert!(policy.allows("v1.0.0"));
}

#[test]
fn a_pre_release_is_followed_only_where_the_range_names_one() {
    let images = [
        image("2.0.0-rc.2", 1, 5),
        image("2.0.0-rc.10", 2, 60),
        image("1.9.0", 3, 90),
    ];
    assert_eq!(
        named(&policy(json!({"semver": ">=1"})), &images).as_deref(),
        Some("1.9.0")
    );
    let candidates = policy(json!({"semver": ">=2.0.0-rc.1"}));
    assert_eq!(named(&candidates, &images).as_deref(), Some("2.0.0-rc.10"));
    // The release itself is the higher version.
    assert!(candidates.is_news(&image("2.0.0", 4, 1), Some(&images[1])));
    assert!(!candidates.allows("2.1.0-rc.1"));
}

#[test]
fn by_the_number_in_the_tag_a_slow_older_build_does_not_win() {
    let policy = policy(json!({
        "tag_pattern": "main-[0-9a-f]{7}-(?P<number>[0-9]+)",
        "order": "number",
    }));
    let slow = image("main-ccccccc-102", 3, 1);
    let last = image("main-bbbbbbb-103", 2, 5);
    let images = [image("main-aaaaaaa-99", 1, 9), slow.clone(), last.clone()];
    assert_eq!(named(&policy, &images), Some(last.tag.clone()));
    assert!(!policy.is_news(&slow, Some(&last)));
    assert!(policy.is_news(&last, Some(&slow)));
    assert!(!policy.allows("main-ccccccc-x"));
}

#[test]
fn numbers_with_dots_are_compared_part_by_part_and_of_any_length() {
    let policy = policy(json!({
        "tag_pattern": "([0-9]+(?:[.][0-9]+){3})-[0-9a-z]{9}",
        "order": "number",
    }));
    let images = [
        image("1.9.7.4460-a39b25852", 1, 3),
        image("1.10.0.4523-648bc61d4", 2, 2),
        image("1.9.6.4429-23901a099", 3, 1),
        image("latest", 4, 0),
    ];
    assert_eq!(
        named(&policy, &images).as_deref(),
        Some("1.10.0.4523-648bc61d4")
    );
    let longer = image("1.10.0.99999999999999999999999-648bc61d4", 5, 9);
    assert!(policy.is_news(&longer, Some(&images[1])));
}

#[test]
fn dates_are_ordered_as_text() {
    let dates = policy(json!({
        "tag_pattern": "[a-z]+-([0-9]{4}-[0-9]{2}-[0-9]{2})",
        "order": "alphabetical",
    }));
    let images = [
        image("nightly-2026-11-30", 1, 9),
        image("zebra-2026-11-29", 2, 1),
    ];
    assert_eq!(
        named(&dates, &images).as_deref(),
        Some("nightly-2026-11-30")
    );
    let whole = policy(json!({"tag_pattern": "[a-z]+", "order": "alphabetical"}));
    let images = [image("beta", 1, 1), image("alpha", 2, 0)];
    assert_eq!(named(&whole, &images).as_deref(), Some("beta"));
}

#[test]
fn the_highest_version_can_be_a_pre_release() {
    let images = [
        image("1.0.0", 1, 3),
        image("1.1.0-rc.1", 2, 2),
        image("2.0.0-beta.1", 3, 1),
    ];
    for (policy_of, expected) in [
        (json!({"semver": ">=1.0.0-0"}), "1.0.0"),
        (json!({"semver": "*", "pre_releases": true}), "2.0.0-beta.1"),
        (
            json!({"semver": ">=1, <2", "pre_releases": true}),
            "1.1.0-rc.1",
        ),
        (json!({"semver": "*"}), "1.0.0"),
    ] {
        let policy = policy(policy_of.clone());
        assert_eq!(
            named(&policy, &images).as_deref(),
            Some(expected),
            "{policy_of}"
        );
    }
}

#[test]
fn an_order_needs_what_it_orders() {
    for (policy, expected) in [
        (
            json!({"order": "number"}),
            "image_policy.order: it orders what `tag_pattern` allows",
        ),
        (
            json!({"tags": ["v*"], "order": "number"}),
            "image_policy.order: it orders what `tag_pattern` allows",
        ),
        (
            json!({"order": "tagged"}),
            "image_policy.order: no tag is allowed",
        ),
        (
            json!({"tags": ["release"], "order": "tagged"}),
            "image_policy.order: one exact tag is followed wherever it moves",
        ),
        (
            json!({"semver": "1", "tag_pattern": "(.*)", "order": "number"}),
            "image_policy.order: `semver` has an order of its own",
        ),
        (
            json!({"tag_pattern": "[0-9]+", "order": "number"}),
            "image_policy.tag_pattern: no group",
        ),
        (
            json!({"tags": ["v*"], "pre_releases": true}),
            "image_policy.pre_releases: ",
        ),
    ] {
        let refused = refusal(policy.clone());
        assert!(refused.starts_with(expected), "{policy}: {refused}");
    }
}

/// The same, with its tag put that many minutes before noon.
fn tagged(image: &RegistryImage, minutes_ago: i64) -> RegistryImage {
    RegistryImage {
        tagged_at: Some(noon() - Duration::minutes(minutes_ago)),
        ..image.clone()
    }
}

#[test]
fn a_release_tag_that_was_put_last_wins_though_its_image_is_older() {
    let promoted = tagged(&image("v1.0.2", 1, 60), 1);
    let before = tagged(&image("v1.0.1", 2, 50), 40);
    let images = [before.clone(), promoted.clone()];
    let by_tag = policy(json!({"tags": ["v*"]}));
    assert_eq!(named(&by_tag, &images).as_deref(), Some("v1.0.2"));
    assert!(by_tag.is_news(&promoted, Some(&before)));
    assert!(!by_tag.is_news(&before, Some(&promoted)));
    let by_push = policy(json!({"tags": ["v*"], "order": "pushed"}));
    assert_eq!(named(&by_push, &images).as_deref(), Some("v1.0.1"));
    assert!(!by_push.is_news(&promoted, Some(&before)));
}

#[test]
fn what_nobody_said_of_a_tag_is_taken_from_its_image_and_from_where_it_was_before() {
    let mut unknown = image("v1.0.2", 1, 60);
    assert_eq!(unknown.tagged_since(), noon() - Duration::minutes(60));
    // Of another image, or before this one was pushed: that says nothing.
    unknown.hear("v1.0.2", &image("v1.0.2", 2, 0).digest, noon());
    let digest = unknown.digest.clone();
    unknown.hear("v1.0.2", &digest, noon() - Duration::minutes(70));
    assert_eq!(unknown.tagged_at, None);
    unknown.hear("v1.0.2", &digest, noon() - Duration::minutes(5));
    assert_eq!(unknown.tagged_since(), noon() - Duration::minutes(5));
    // An earlier event that comes late.
    unknown.hear("v1.0.2", &digest, noon() - Duration::minutes(30));
    assert_eq!(unknown.tagged_since(), noon() - Duration::minutes(5));
    // Moved since, so it was put there after that.
    let mut moved = image("v1.0.2", 3, 90);
    moved.learn(&unknown);
    assert_eq!(moved.tagged_since(), noon() - Duration::minutes(5));
    let mut other = image("v1.0.1", 3, 90);
    other.learn(&unknown);
    assert_eq!(other.tagged_at, None);
}

#[test]
fn by_default_the_age_of_the_tag_counts_where_only_release_tags_are_allowed() {
    for (written, is_by_tag) in [
        (json!({"tags": ["v*"]}), true),
        (json!({"tags": ["v1.*", "2.*", "release-*"]}), true),
        (json!({"tags": ["v*", "main"]}), false),
        (json!({"tags": ["*"]}), false),
        (json!({"tags": ["vendor-*"]}), false),
        (json!({"tags": ["v1.2.3"]}), false),
        (json!({"tag_pattern": r"^v(?P<a>[0-9]+)\.[0-9]+"}), true),
        (json!({"tag_pattern": r"(?:v|main-)[0-9]+"}), false),
        (json!({"tag_pattern": r"\d+\.\d+\.\d+"}), true),
        (json!({"tag_pattern": "[0-9a-f]{7}"}), false),
        (
            json!({"tag_pattern": "main-[0-9]+", "order": "tagged"}),
            true,
        ),
        (json!({"tags": ["*"], "order": "tagged"}), true),
        (json!({"tags": ["v*"], "order": "pushed"}), false),
        (json!({"semver": "1"}), false),
        (
            json!({"tag_pattern": "v([0-9]+)", "order": "number"}),
            false,
        ),
    ] {
        assert_eq!(policy(written.clone()).is_by_tag(), is_by_tag, "{written}");
    }
}

#[test]
fn a_tag_with_a_version_looks_like_a_release_and_no_other() {
    for tag in [
        "v7",
        "v1.0.2",
        "1.4",
        "api-v2.0.0",
        "release-2026.11.30",
        "1.10.0.4523-a39b",
    ] {
        assert!(is_release_tag(tag), "{tag}");
    }
    for tag in [
        "main",
        "latest",
        "main-17",
        "0a1b2c3",
        "vendor",
        "v",
        "sha-1234567",
        "1.",
        "",
    ] {
        assert!(!is_release_tag(tag), "{tag}");
    }
}

/// Each push: its tag, its minute and the number of its digest. The tags that are deployed, in order.
fn deployed(policy: &Policy, pushes: &[(&str, i64, u8)]) -> Vec<String> {
    let at = |minute: i64| noon() - Duration::minutes(1_000 - minute);
    let mut held: Vec<RegistryImage> = Vec::new();
    let mut followed: Option<RegistryImage> = None;
    let mut deployed = Vec::new();
    for (place, (tag, minute, number)) in pushes.iter().enumerate() {
        let first = pushes[..=place].iter().find(|push| push.2 == *number);
        let pushed = image(tag, *number, 1_000 - first.unwrap().1);
        let digest = pushed.digest.clone();
        held.retain(|image| image.tag != *tag);
        held.push(pushed);
        for image in &mut held {
            if let Some(followed) = &followed {
                image.learn(followed);
            }
            image.hear(tag, &digest, at(*minute));
        }
        if let Some(newest) = policy.newest(&held, noon())
            && policy.is_news(newest, followed.as_ref())
        {
            deployed.push(newest.tag.clone());
            followed = Some(newest.clone());
        }
    }
    deployed
}

#[test]
fn the_pushes_of_a_release_on_an_older_build_are_deployed_one_after_the_other() {
    let pushes = [
        ("main-1", 1, 10),
        ("main-2", 2, 20),
        ("v1.0.0", 3, 10),
        ("v1.0.1", 4, 20),
        ("v1.0.2", 5, 10),
    ];
    let policy = policy(json!({"tags": ["v*"]}));
    assert_eq!(deployed(&policy, &pushes), ["v1.0.0", "v1.0.1", "v1.0.2"]);
}

#[test]
fn each_move_of_one_exact_tag_is_deployed_also_back_to_an_older_image() {
    let pushes = [
        ("latest", 1, 10),
        ("v2", 2, 20),
        ("latest", 3, 20),
        ("latest", 4, 10),
    ];
    let policy = policy(json!({"tags": ["latest"]}));
    assert_eq!(deployed(&policy, &pushes), ["latest"; 3]);
}

#[test]
fn every_pre_release_can_be_followed_and_a_range_with_one_takes_those_of_its_version_only() {
    let pushes = [
        ("1.0.0", 1, 1),
        ("1.1.0-rc.1", 2, 2),
        ("2.0.0-beta.1", 3, 3),
    ];
    let range = policy(json!({"semver": ">=1.0.0-0"}));
    assert_eq!(deployed(&range, &pushes), ["1.0.0"]);
    let every = policy(json!({"semver": "*", "pre_releases": true}));
    assert_eq!(
        deployed(&every, &pushes),
        ["1.0.0", "1.1.0-rc.1", "2.0.0-beta.1"]
    );
}

#[test]
fn builds_that_end_in_another_order_than_their_numbers_leave_the_highest_in_place() {
    let pushes = [
        ("main-aaaaaaa-101", 1, 1),
        ("main-bbbbbbb-103", 2, 2),
        ("main-ccccccc-102", 3, 3),
    ];
    let policy = policy(json!({
        "tag_pattern": "main-[0-9a-f]{7}-(?P<number>[0-9]+)",
        "order": "number",
    }));
    assert_eq!(
        deployed(&policy, &pushes),
        ["main-aaaaaaa-101", "main-bbbbbbb-103"]
    );
}

#[test]
fn of_versions_with_four_parts_the_highest_stays_though_an_older_one_is_pushed_later() {
    let pushes = [
        ("1.9.7.4460-a39b25852", 1, 1),
        ("1.10.0.4523-648bc61d4", 2, 2),
        ("latest", 3, 3),
        ("1.9.6.4429-23901a099", 4, 4),
    ];
    let policy = policy(json!({
        "semver": "*",
        "tag_pattern": r"^([0-9]+\.[0-9]+\.[0-9]+)\.[0-9]+-[0-9a-z]{9}$",
    }));
    assert_eq!(
        deployed(&policy, &pushes),
        ["1.9.7.4460-a39b25852", "1.10.0.4523-648bc61d4"]
    );
}

#[test]
fn a_regular_expression_must_match_the_whole_tag() {
    let policy = policy(json!({"tag_pattern": "v[0-9]+|main"}));
    for tag in ["v1", "v10", "main"] {
        assert!(policy.allows(tag), "{tag}");
    }
    for tag in ["v1-rc", "xv1", "mainline", "domain", "v"] {
        assert!(!policy.allows(tag), "{tag}");
    }
}

#[test]
fn a_pattern_may_end_with_a_comment() {
    let policy = policy(json!({"tag_pattern": "(?x) v [0-9]+ # a version (of ours"}));
    assert!(policy.allows("v12"));
    for tag in ["v12\n", "v", "v12 # a version (of ours"] {
        assert!(!policy.allows(tag), "{tag}");
    }
    let unfinished = refusal(json!({"tag_pattern": "(?x) (v # a version"}));
    assert!(
        unfinished.starts_with("image_policy.tag_pattern: `(?x) (v # a version`: "),
        "{unfinished}"
    );
}

#[test]
fn a_pattern_cannot_leave_the_parentheses_that_it_is_put_into() {
    assert!(
        refusal(json!({"tag_pattern": "a)|(b"})).starts_with("image_policy.tag_pattern: `a)|(b`: ")
    );
}

#[test]
fn an_image_is_named_when_it_is_old_enough_and_not_before() {
    let policy = policy(json!({"tags": ["v*"], "minimum_age_minutes": 30}));
    let images = [image("v1", 1, 60), image("v2", 2, 30), image("v3", 3, 29)];
    assert_eq!(named(&policy, &images).as_deref(), Some("v2"));
    let later = noon() + Duration::minutes(1);
    assert_eq!(policy.newest(&images, later).unwrap().tag, "v3");
    assert_eq!(policy.newest(&images[2..], noon()), None);
}

#[test]
fn an_image_from_the_future_is_named_where_no_age_is_asked_for() {
    let images = [image("v1", 1, -2)];
    assert_eq!(
        named(&policy(json!({"tags": ["v*"]})), &images).as_deref(),
        Some("v1")
    );
    let aged = policy(json!({"tags": ["v*"], "minimum_age_minutes": 1}));
    assert_eq!(named(&aged, &images), None);
}

#[test]
fn a_policy_that_chooses_nothing_names_nothing() {
    let policy = ImagePolicy::default().compile().unwrap();
    assert!(!policy.allows("latest"));
    assert_eq!(policy.exact_tag(), None);
    assert_eq!(policy.newest(&[image("latest", 1, 5)], noon()), None);
}

#[test]
fn what_is_wrong_is_reported_with_its_field() {
    let cases = [
        (
            json!({"tags": ["v*"], "semver": "*"}),
            "image_policy.semver: `tags` is given, too: keep one of both",
        ),
        (
            json!({"tags": ["v*"], "tag_pattern": "v.*"}),
            "image_policy.tag_pattern: `tags` is given, too: keep one of both",
        ),
        (
            json!({"tags": ["main", "feature/x"]}),
            "image_policy.tags: `feature/x`, expected 1 to 128 letters, digits, `_`, `.` or `-`, with \
             `*` for any part and `?` for any character",
        ),
        (
            json!({"semver": "newest"}),
            "image_policy.semver: `newest`: unexpected character 'n' while parsing major version \
             number; expected a range such as `>=1.2, <2`",
        ),
        (
            json!({"semver": "*", "tag_pattern": "v.*"}),
            "image_policy.tag_pattern: no group: beside `semver`, a group says where in the tag the \
             version is, such as `api-(?P<version>.+)`",
        ),
        (
            json!({"tags": ["release"], "moved_tags": false}),
            "image_policy.moved_tags: one exact tag is followed wherever it moves: leave this out, or \
             write the tag as a pattern",
        ),
    ];
    for (written, message) in cases {
        assert_eq!(refusal(written), message);
    }
}

#[test]
fn a_pattern_that_is_too_large_is_refused() {
    assert_eq!(
        refusal(json!({"tag_pattern": "a".repeat(513)})),
        "image_policy.tag_pattern: longer than 512 characters"
    );
    let exploding = refusal(json!({"tag_pattern": "((a{100}){100}){100}"}));
    assert!(
        exploding.starts_with("image_policy.tag_pattern: `((a{100}){100}){100}`: "),
        "{exploding}"
    );
}

fn policies() -> impl Strategy<Value = ImagePolicy> {
    prop_oneof![
        Just(json!({"tags": ["release"]})),
        Just(json!({"tags": ["v*", "release", "main"]})),
        Just(json!({"tags": ["*"], "moved_tags": false})),
        Just(json!({"tag_pattern": "v?[0-9].*"})),
        Just(json!({"tags": ["v*", "1.*"]})),
        Just(json!({"tags": ["*"], "order": "tagged"})),
        Just(json!({"tag_pattern": "v?([0-9]+).*", "order": "number"})),
        Just(json!({"tag_pattern": ".*", "order": "alphabetical"})),
        Just(json!({"semver": "*", "pre_releases": true})),
        Just(json!({"semver": "*"})),
        Just(json!({"semver": ">=1.0.0-0", "moved_tags": true})),
        Just(json!({"semver": "^1", "tag_pattern": "(?:v|api-)(?P<version>.*)"})),
        Just(json!({"tags": ["*"], "minimum_age_minutes": 3})),
    ]
    .prop_map(read)
}

/// What a repository may hold: each tag once, some images under several tags, each image with one time.
fn repositories() -> impl Strategy<Value = Vec<RegistryImage>> {
    let tags = prop::sample::select(vec![
        "release",
        "main",
        "latest",
        "v1",
        "v2",
        "v10",
        "v010",
        "1.0.0",
        "v1.0.0",
        "1.0.0-rc.1",
        "v1.0.0-rc.2",
        "1.2.0",
        "v1.10.0",
        "2.0.0",
        "api-1.2.3",
        "api-1.2.4",
        "2",
    ]);
    let minutes_ago = prop::array::uniform6(0..5_i64);
    (
        prop::collection::btree_map(tags, 0..6_u8, 0..12),
        minutes_ago,
    )
        .prop_map(|(digests, minutes_ago)| {
            digests
                .into_iter()
                .map(|(tag, number)| {
                    let pushed = minutes_ago[usize::from(number)];
                    let image = image(tag, number, pushed);
                    // Of some tags it is known when they were put, none before its image was there.
                    match tag.len() % 3 {
                        0 => image,
                        1 => tagged(&image, pushed - 1),
                        _ => tagged(&image, pushed - 2),
                    }
                })
                .collect()
        })
}

fn shuffled() -> impl Strategy<Value = (Vec<RegistryImage>, Vec<RegistryImage>)> {
    repositories().prop_flat_map(|images| (Just(images.clone()), Just(images).prop_shuffle()))
}

proptest! {
    #[test]
    fn what_is_named_does_not_depend_on_the_order_of_the_list(
        (images, shuffled) in shuffled(),
        policy in policies(),
    ) {
        let policy = policy.compile().unwrap();
        prop_assert_eq!(policy.newest(&images, noon()), policy.newest(&shuffled, noon()));
    }

    #[test]
    fn what_is_named_is_allowed_and_in_the_list(images in repositories(), policy in policies()) {
        let policy = policy.compile().unwrap();
        if let Some(image) = policy.newest(&images, noon()) {
            prop_assert!(policy.allows(&image.tag));
            prop_assert!(images.contains(image));
        }
    }

    /// Wherever the tags stay where they are, each wake-up finds the same image and nothing new about it,
    /// and what was named before it does not come back.
    #[test]
    fn of_any_sequence_of_pushes_the_newest_stays(images in repositories(), policy in policies()) {
        let policy = policy.compile().unwrap();
        let mut followed: Option<&RegistryImage> = None;
        for known in 1..=images.len() {
            if let Some(image) = policy.newest(&images[..known], noon())
                && policy.is_news(image, followed)
            {
                followed = Some(image);
            }
        }
        let newest = policy.newest(&images, noon());
        prop_assert_eq!(
            followed.map(|image| &image.digest),
            newest.map(|image| &image.digest)
        );
        for image in &images {
            if policy.exact_tag().is_none() && policy.allows(&image.tag) {
                let now = noon() + Duration::minutes(60);
                let last = policy.newest(&images, now).unwrap();
                prop_assert!(!policy.is_news(image, Some(last)), "{image:?} after {last:?}");
            }
        }
    }

    /// A total order: of any two different images exactly one is news after the other.
    #[test]
    fn of_two_images_under_different_tags_exactly_one_comes_after_the_other(
        images in repositories(),
        policy in policies(),
    ) {
        let policy = policy.compile().unwrap();
        let allowed: Vec<&RegistryImage> =
            images.iter().filter(|image| policy.allows(&image.tag)).collect();
        for one in &allowed {
            for other in &allowed {
                if one.digest != other.digest && policy.exact_tag().is_none() {
                    prop_assert_ne!(
                        policy.is_news(one, Some(other)),
                        policy.is_news(other, Some(one)),
                        "{:?} {:?}", one, other
                    );
                }
            }
        }
        // And transitive.
        for one in &allowed {
            for other in &allowed {
                for third in &allowed {
                    if policy.exact_tag().is_none()
                        && one.digest != third.digest
                        && policy.is_news(one, Some(other))
                        && policy.is_news(other, Some(third))
                    {
                        prop_assert!(policy.is_news(one, Some(third)));
                    }
                }
            }
        }
    }

    #[test]
    fn no_policy_is_a_reason_to_die(
        tags in prop::collection::vec(".{0,8}", 0..3),
        tag_pattern in prop::option::of(".{0,20}"),
        semver in prop::option::of("[ -~]{0,12}"),
        moved_tags in prop::option::of(any::<bool>()),
        minimum_age_minutes in any::<u32>(),
        tag in "[a-zA-Z0-9_.-]{1,20}",
    ) {
        let policy = ImagePolicy {
            tags,
            tag_pattern,
            semver,
            moved_tags,
            minimum_age_minutes,
            ..ImagePolicy::default()
        };
        if let Ok(policy) = policy.compile() {
            let images = [image(&tag, 1, 5)];
            let named = policy.newest(&images, noon());
            prop_assert!(named.is_none() || policy.allows(&tag));
        }
    }
}
