//! Names of images and of AWS's resources.

use longshore_events::arn::{Location, ServiceName, cluster_name, location, service_name};
use longshore_events::image::{Digest, Image, ImageReference, Selector};
use longshore_events::registry::{EcrEndpoint, EcrRegistry, ImageName, ecr_host};
use proptest::prelude::*;

const HEXADECIMAL: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn digest() -> Digest {
    format!("sha256:{HEXADECIMAL}").parse().unwrap()
}

#[test]
fn a_digest_is_the_algorithm_and_64_lowercase_hexadecimal_digits() {
    assert_eq!(digest().as_str(), format!("sha256:{HEXADECIMAL}"));
    assert_eq!(digest().short(), "9f86d081884c");
    for text in [
        String::new(),
        "sha256:".to_owned(),
        HEXADECIMAL.to_owned(),
        format!("sha256:{}", &HEXADECIMAL[1..]),
        format!("sha256:{HEXADECIMAL}0"),
        format!("sha256:{}", HEXADECIMAL.to_uppercase()),
        format!("SHA256:{HEXADECIMAL}"),
        format!("sha512:{HEXADECIMAL}"),
        format!(" sha256:{HEXADECIMAL}"),
        format!("sha256:{HEXADECIMAL}\n"),
        format!("sha256:{}g", &HEXADECIMAL[1..]),
        format!("sha256:{}é", &HEXADECIMAL[2..]),
    ] {
        let refusal = text.parse::<Digest>().unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!("digest `{text}`, expected sha256: and 64 lowercase hexadecimal digits")
        );
    }
}

#[test]
fn an_image_is_named_by_its_tag_or_by_its_digest() {
    let by_digest = format!("shop/api@sha256:{HEXADECIMAL}");
    let with_both = format!("shop/api:v3@sha256:{HEXADECIMAL}");
    for (text, repository, selector) in [
        ("api:v3", "api", Selector::Tag("v3".to_owned())),
        ("shop/api:v3", "shop/api", Selector::Tag("v3".to_owned())),
        (
            "a/b/c-d.e_f:latest",
            "a/b/c-d.e_f",
            Selector::Tag("latest".to_owned()),
        ),
        (
            "my.app/api:V1.2.3-rc_1",
            "my.app/api",
            Selector::Tag("V1.2.3-rc_1".to_owned()),
        ),
        ("00:_", "00", Selector::Tag("_".to_owned())),
        (by_digest.as_str(), "shop/api", Selector::Digest(digest())),
        // As Longshore itself shows an image: the digest says which one it is.
        (with_both.as_str(), "shop/api", Selector::Digest(digest())),
        (
            "shop/api--prod:v1",
            "shop/api--prod",
            Selector::Tag("v1".to_owned()),
        ),
        ("shop__api:v1", "shop__api", Selector::Tag("v1".to_owned())),
    ] {
        assert_eq!(
            text.parse::<ImageReference>(),
            Ok(ImageReference {
                repository: repository.to_owned(),
                selector,
            }),
            "{text}"
        );
    }
}

#[test]
fn a_name_that_is_not_an_images_is_refused_with_what_is_expected() {
    let neither = "expected <repository>:<tag> or <repository>@sha256:<digest>";
    let tag = "expected 1 to 128 letters, digits, `_`, `.` or `-`";
    let repository = "expected the name of an ECR repository without its registry";
    let digest = "expected sha256: and 64 lowercase hexadecimal digits";
    let long_tag = format!("shop/api:{}", "v".repeat(129));
    let long_repository = format!("{}:v1", "a".repeat(257));
    let with_registry =
        format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api@sha256:{HEXADECIMAL}");
    for (text, expected) in [
        ("", neither),
        ("shop/api", neither),
        ("shop/api:", tag),
        ("shop/api:.hidden", tag),
        ("shop/api:-v1", tag),
        ("shop/api:v 1", tag),
        ("shop/api:v1\n", tag),
        ("shop/api:größe", tag),
        (long_tag.as_str(), tag),
        (":v1", repository),
        ("a:v1", repository),
        ("/api:v1", repository),
        ("shop/:v1", repository),
        ("shop//api:v1", repository),
        ("Shop/api:v1", repository),
        ("shop/-api:v1", repository),
        ("shop/api.:v1", repository),
        ("shop/a..pi:v1", repository),
        ("shop/a___pi:v1", repository),
        ("shop/a._pi:v1", repository),
        ("shop/api--:v1", repository),
        ("shop/a-_pi:v1", repository),
        ("shop api:v1", repository),
        ("localhost:5000/shop/api:v1", repository),
        (
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/api:v3",
            repository,
        ),
        (with_registry.as_str(), repository),
        ("shop/api:v 1@sha256:abc", tag),
        (
            "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com/shop/api:v3",
            "leave 111122223333.dkr.ecr-fips.us-east-1.amazonaws.com/ out",
        ),
        (
            "111122223333.dkr-ecr.eu-west-1.on.aws/shop/api:v3",
            "leave 111122223333.dkr-ecr.eu-west-1.on.aws/ out",
        ),
        (long_repository.as_str(), repository),
        ("shop/api@", digest),
        ("shop/api@sha256:abc", digest),
        ("shop/api@v3", digest),
    ] {
        let refusal = text.parse::<ImageReference>().unwrap_err().to_string();
        assert!(refusal.contains(expected), "{text}: {refusal}");
    }
}

#[test]
fn a_private_registry_of_ecr_is_known_by_each_of_its_hosts() {
    use EcrEndpoint::{DualStack, DualStackFips, Fips, Standard};
    for (host, account, region, endpoint) in [
        (
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
            "111122223333",
            "eu-west-1",
            Standard,
        ),
        (
            "111122223333.dkr-ecr.eu-west-1.on.aws",
            "111122223333",
            "eu-west-1",
            DualStack,
        ),
        (
            "111122223333.dkr-ecr-fips.us-east-1.on.aws",
            "111122223333",
            "us-east-1",
            DualStackFips,
        ),
        (
            "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "111122223333",
            "us-gov-west-1",
            Fips,
        ),
        (
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "111122223333",
            "cn-north-1",
            Standard,
        ),
        (
            "111122223333.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
            "111122223333",
            "cn-northwest-1",
            DualStack,
        ),
        (
            "111122223333.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "111122223333",
            "eusc-de-east-1",
            Standard,
        ),
        (
            "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}",
            "${AWS::AccountId}",
            "${AWS::Region}",
            Standard,
        ),
        (
            "${AWS::AccountId}.dkr-ecr.${AWS::Region}.on.aws",
            "${AWS::AccountId}",
            "${AWS::Region}",
            DualStack,
        ),
    ] {
        let expected = EcrRegistry {
            account,
            region,
            endpoint,
        };
        assert_eq!(EcrRegistry::of(host), Some(expected), "{host}");
        let image = format!("{host}/shop/api:v1");
        assert_eq!(ImageName::of(&image).ecr(), Some(expected), "{image}");
    }
    for host in [
        "public.ecr.aws",
        "ecr.eu-west-1.amazonaws.com",
        "dkr.ecr.eu-west-1.amazonaws.com",
        "shop.dkr.ecr.eu-west-1.amazonaws.com",
        "111122223333.dkr.ecr.eu-west-1.amazonaws.com.example",
        "111122223333.dkr.ecr.eu-west-1.on.aws",
        "111122223333.dkr-ecr.eu-west-1.amazonaws.com",
        "111122223333.dkr.s3.eu-west-1.amazonaws.com",
        "111122223333.dkr.ecr.amazonaws.com",
        "111122223333.dkr-ecr.on.aws",
        "",
    ] {
        assert_eq!(EcrRegistry::of(host), None, "{host}");
    }
    for (partition, region, host) in [
        (
            "aws",
            "eu-west-1",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        ),
        (
            "aws-us-gov",
            "us-gov-west-1",
            "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com",
        ),
        (
            "aws-cn",
            "cn-north-1",
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
        ),
    ] {
        assert_eq!(ecr_host(partition, "111122223333", region), host);
    }
}

#[test]
fn a_full_name_is_taken_apart_as_docker_does_it() {
    for (text, registry, repository, tag, digest) in [
        ("nginx", None, "nginx", None, None),
        (
            "library/nginx:1.29",
            None,
            "library/nginx",
            Some("1.29"),
            None,
        ),
        ("localhost/a/b:1", Some("localhost"), "a/b", Some("1"), None),
        ("localhost:5000/a", Some("localhost:5000"), "a", None, None),
        (
            "ghcr.io/some/thing:v1@sha256:ab",
            Some("ghcr.io"),
            "some/thing",
            Some("v1"),
            Some("sha256:ab"),
        ),
        (
            "public.ecr.aws/docker/library/redis@sha256:ab",
            Some("public.ecr.aws"),
            "docker/library/redis",
            None,
            Some("sha256:ab"),
        ),
    ] {
        let expected = ImageName {
            registry,
            repository,
            tag,
            digest,
        };
        assert_eq!(ImageName::of(text), expected, "{text}");
    }
}

#[test]
fn a_pinned_image_is_shown_with_its_digest() {
    let mut image = Image {
        repository: "shop/api".to_owned(),
        tag: Some("v3".to_owned()),
        digest: digest(),
    };
    assert_eq!(
        image.to_string(),
        format!("shop/api:v3@sha256:{HEXADECIMAL}")
    );
    image.tag = None;
    assert_eq!(image.to_string(), format!("shop/api@sha256:{HEXADECIMAL}"));
}

#[test]
fn a_services_arn_names_cluster_and_service() {
    for arn in [
        "arn:aws:ecs:eu-west-1:111122223333:service/shop/api",
        "arn:aws-cn:ecs:cn-north-1:111122223333:service/shop/api",
        "arn:aws-us-gov:ecs:us-gov-west-1:111122223333:service/shop/api",
    ] {
        assert_eq!(
            service_name(arn),
            Ok(ServiceName {
                cluster: "shop".to_owned(),
                ecs_service: "api".to_owned(),
            })
        );
    }
}

#[test]
fn what_is_not_a_services_arn_is_refused() {
    for arn in [
        "",
        "api",
        "service/shop/api",
        "arn:aws:ecs:eu-west-1:111122223333",
        "arn:aws:ecs:eu-west-1:111122223333:service",
        "arn:aws:ecs:eu-west-1:111122223333:service/",
        "arn:aws:ecs:eu-west-1:111122223333:service/api",
        "arn:aws:ecs:eu-west-1:111122223333:service/shop/",
        "arn:aws:ecs:eu-west-1:111122223333:service//api",
        "arn:aws:ecs:eu-west-1:111122223333:service/shop/api/more",
        "arn:aws:ecs:eu-west-1:111122223333:cluster/shop",
        "arn:aws:ecr:eu-west-1:111122223333:service/shop/api",
        "urn:aws:ecs:eu-west-1:111122223333:service/shop/api",
    ] {
        assert_eq!(
            service_name(arn).unwrap_err().to_string(),
            format!(
                "ARN is malformed: `{arn}`, expected \
                 arn:aws:ecs:<region>:<account>:service/<cluster>/<service>"
            )
        );
    }
}

#[test]
fn a_clusters_arn_names_the_cluster_and_nothing_else_does() {
    assert_eq!(
        cluster_name("arn:aws:ecs:eu-west-1:111122223333:cluster/shop"),
        Ok("shop".to_owned())
    );
    for arn in [
        "",
        "shop",
        "arn:aws:ecs:eu-west-1:111122223333:cluster/",
        "arn:aws:ecs:eu-west-1:111122223333:cluster/shop/more",
        "arn:aws:ecs:eu-west-1:111122223333:service/shop/api",
    ] {
        assert_eq!(
            cluster_name(arn).unwrap_err().to_string(),
            format!(
                "ARN is malformed: `{arn}`, expected \
                 arn:aws:ecs:<region>:<account>:cluster/<cluster>"
            )
        );
    }
}

#[test]
fn an_arn_says_where_its_resource_is() {
    assert_eq!(
        location("arn:aws-cn:ecs:cn-north-1:111122223333:task-definition/shop-api:42"),
        Ok(Location {
            partition: "aws-cn".to_owned(),
            region: "cn-north-1".to_owned(),
            account: "111122223333".to_owned(),
        })
    );
    for arn in ["", "arn:aws:ecs:eu-west-1:111122223333", "a:b:c:d:e:f"] {
        assert!(location(arn).is_err(), "{arn}");
    }
}

proptest! {
    #[test]
    fn a_digest_survives_being_written_and_read(text in "sha256:[0-9a-f]{64}") {
        let digest: Digest = text.parse().unwrap();
        prop_assert_eq!(digest.to_string(), text.clone());
        let json = serde_json::to_value(&digest).unwrap();
        prop_assert_eq!(&json, &serde_json::Value::from(text));
        prop_assert_eq!(serde_json::from_value::<Digest>(json).unwrap(), digest);
    }

    #[test]
    fn an_image_reference_survives_being_written_and_read(
        repository in "[a-z0-9]{2,8}([._-][a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,8}([._-][a-z0-9]{1,5}){0,2}){0,3}",
        tag in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}",
        hexadecimal in "[0-9a-f]{64}",
        by_tag in any::<bool>(),
    ) {
        let text = if by_tag {
            format!("{repository}:{tag}")
        } else {
            format!("{repository}@sha256:{hexadecimal}")
        };
        let reference: ImageReference = text.parse().unwrap();
        prop_assert_eq!(reference.to_string(), text.clone());
        prop_assert_eq!(&reference.repository, &repository);
        let json = serde_json::to_value(&reference).unwrap();
        prop_assert_eq!(&json, &serde_json::Value::from(text));
        prop_assert_eq!(serde_json::from_value::<ImageReference>(json).unwrap(), reference);
    }

    #[test]
    fn any_text_is_a_name_that_is_written_the_same_or_is_refused(text in any::<String>()) {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text.clone());
            prop_assert_eq!(digest.short().len(), 12);
        }
        if let Ok(reference) = text.parse::<ImageReference>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn text_that_is_nearly_a_name_is_written_the_same_or_is_refused(
        text in "[a-zA-Z0-9/._-]{0,20}[@:]{0,2}(sha256:)?[a-zA-Z0-9._@:-]{0,70}",
    ) {
        if let Ok(reference) = text.parse::<ImageReference>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn an_arn_that_is_read_is_made_of_the_names_that_were_read(
        text in "(arn)?(:[a-z0-9-]{0,6}){0,5}:(service|cluster|task)?(/[a-zA-Z0-9_-]{0,6}){0,3}",
        anything in any::<String>(),
    ) {
        for arn in [&text, &anything] {
            if let Ok(name) = service_name(arn) {
                let end = format!(":service/{}/{}", name.cluster, name.ecs_service);
                prop_assert!(arn.ends_with(&end), "{arn} {name:?}");
            }
            if let Ok(cluster) = cluster_name(arn) {
                let end = format!(":cluster/{cluster}");
                prop_assert!(arn.ends_with(&end), "{arn}");
            }
            if let Ok(location) = location(arn) {
                let begin = format!("arn:{}:", location.partition);
                prop_assert!(arn.starts_with(&begin), "{arn}");
            }
        }
    }
}
