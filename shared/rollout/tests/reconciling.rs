//! The reconcile: what no event reported is done all the same, of many services with few calls, and what fails for
//! one keeps no other back.

// An integration test is compiled for tests only; clippy takes the functions beside its `#[test]`
// functions for tests only when it is configured so.
#[cfg(test)]
mod reconciling {
    use std::collections::BTreeMap;

    use longshore_events::longshore::{LongshoreEvent, ReconcileShard, WaitReason};
    use longshore_policy::route::Subscriber;
    use longshore_policy::settings::FreezeWindow;
    use longshore_rollout::engine::Outcome;
    use longshore_rollout::record::State;
    use longshore_rollout::triggers::reconcile::{Reconciled, SHARD, reconcile, reconcile_shard};
    use longshore_state::ErrorClass;
    use longshore_testkit::{FakeCloud, Fault, digest, noon, subscriber, worker};

    const CLUSTERS: usize = 10;

    fn repository(number: usize) -> String {
        format!("shop/repository-{number}")
    }

    /// This many services, spread over repositories and clusters, that run v1 and were never deployed to; v2
    /// was pushed, and no event reported it.
    fn account(services: usize, repositories: usize) -> (FakeCloud, Vec<Subscriber>) {
        let cloud = FakeCloud::default();
        let mut routes: BTreeMap<String, Vec<Subscriber>> = BTreeMap::new();
        let mut all = Vec::new();
        for number in 0..services {
            let mut subscriber = subscriber(&format!("service-{number}"));
            subscriber.stack = format!("stack-{}", number % 7);
            subscriber.cluster = format!("cluster-{}", number % CLUSTERS);
            let repository = repository(number % repositories);
            cloud.add_service(
                &subscriber,
                &format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/{repository}:v1"),
            );
            routes
                .entry(repository)
                .or_default()
                .push(subscriber.clone());
            all.push(subscriber);
        }
        for (repository, subscribers) in routes {
            cloud.push_to(&repository, "v2", digest('2'), noon(0));
            cloud.set_route(&repository, subscribers);
        }
        (cloud, all)
    }

    fn count(cloud: &FakeCloud) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in cloud.calls() {
            *counts.entry(call).or_default() += 1;
        }
        cloud.forget_calls();
        counts
    }

    fn of(counts: &BTreeMap<String, usize>, operation: &str) -> usize {
        counts.get(operation).copied().unwrap_or_default()
    }

    async fn look(cloud: &FakeCloud, seconds: i64) -> Reconciled {
        cloud.set_now(noon(seconds));
        reconcile(cloud, &worker(&format!("reconcile-{seconds}"), seconds))
            .await
            .unwrap()
    }

    fn runs(cloud: &FakeCloud, subscriber: &Subscriber, image: char) -> bool {
        cloud
            .running_image(subscriber)
            .is_some_and(|running| running.ends_with(digest(image).as_str()))
    }

    fn started(reconciled: &Reconciled) -> usize {
        let outcomes = reconciled.followed.iter();
        outcomes
            .filter(|followed| matches!(followed.outcome, Outcome::Started { .. }))
            .count()
    }

    #[tokio::test]
    async fn five_hundred_services_are_looked_at_with_few_calls() {
        let (cloud, subscribers) = account(SHARD, 50);
        let first = look(&cloud, 60).await;
        assert_eq!((first.services, started(&first)), (SHARD, SHARD));
        assert_eq!((first.refused.len(), first.failures.len()), (0, 0));
        assert!(
            subscribers
                .iter()
                .all(|subscriber| runs(&cloud, subscriber, '2'))
        );
        let counts = count(&cloud);
        assert_eq!(of(&counts, "DescribeImages"), 50, "{counts:?}");
        assert_eq!(of(&counts, "UpdateService"), SHARD, "{counts:?}");

        // All are done, and no event reported it.
        for subscriber in &subscribers {
            cloud.complete(subscriber);
        }
        let second = look(&cloud, 120).await;
        assert_eq!((second.closed, second.followed.len()), (SHARD, 0));
        let counts = count(&cloud);
        assert!(
            of(&counts, "DescribeServices") <= 50 + CLUSTERS,
            "{counts:?}"
        );
        // For what policies name; what services need was listed with that.
        assert_eq!(of(&counts, "DescribeImages"), 50, "{counts:?}");
        assert_eq!(of(&counts, "DescribeTaskDefinition"), 0, "{counts:?}");
        assert_eq!(of(&counts, "UpdateService"), 0, "{counts:?}");

        // The records say that they are done, and are read once more.
        look(&cloud, 180).await;
        let counts = count(&cloud);
        assert_eq!(of(&counts, "GetObject deployments"), SHARD, "{counts:?}");
        assert_eq!(of(&counts, "GetObject routes"), 0, "{counts:?}");

        // Nothing happened since.
        for seconds in [240, 300] {
            let quiet = look(&cloud, seconds).await;
            assert_eq!((quiet.services, quiet.closed), (SHARD, 0));
            assert_eq!((quiet.followed.len(), quiet.failures.len()), (0, 0));
            assert_eq!(count(&cloud), of_a_quiet_account());
        }

        // Of what a few services have done since, only their records are read, and nothing is overlooked.
        for (number, repository) in (0..3).map(|number| (number, repository(number))) {
            cloud.push_to(&repository, "v3", digest('3'), noon(310 + number as i64));
        }
        let news = look(&cloud, 360).await;
        assert_eq!(started(&news), 3 * SHARD / 50);
        count(&cloud);
        for subscriber in &subscribers {
            cloud.complete(subscriber);
        }
        assert_eq!(look(&cloud, 420).await.closed, 3 * SHARD / 50);
        look(&cloud, 480).await;
        count(&cloud);
        look(&cloud, 540).await;
        let total: usize = count(&cloud).values().sum();
        assert!(total <= 120, "{total} calls");
    }

    /// What is asked where nothing has happened to 500 services of 50 repositories.
    fn of_a_quiet_account() -> BTreeMap<String, usize> {
        [
            ("DescribeImages", 50),
            ("GetObject reconcile", 1),
            ("ListObjectsV2 deployments", 1),
            ("ListObjectsV2 routes", 1),
            ("ListObjectsV2 schedules", 1),
            ("ListObjectsV2 services", 1),
        ]
        .map(|(operation, calls)| (operation.to_owned(), calls))
        .into()
    }

    #[tokio::test]
    async fn what_was_kept_and_is_damaged_or_outdated_only_costs_calls() {
        let (cloud, subscribers) = account(60, 2);
        look(&cloud, 60).await;
        subscribers
            .iter()
            .for_each(|subscriber| cloud.complete(subscriber));
        look(&cloud, 120).await;
        look(&cloud, 180).await;
        count(&cloud);
        look(&cloud, 240).await;
        assert_eq!(of(&count(&cloud), "GetObject deployments"), 0);

        cloud.objects().put_bytes("reconcile/services.json", "{");
        let quiet = look(&cloud, 300).await;
        assert_eq!((quiet.failures.len(), quiet.followed.len()), (0, 0));
        assert_eq!(of(&count(&cloud), "GetObject deployments"), 60);
        look(&cloud, 360).await;
        assert_eq!(of(&count(&cloud), "GetObject deployments"), 0);

        // A route that is changed and a record that is damaged are seen at once.
        let route = repository(0);
        cloud.set_route(&route, vec![subscribers[0].clone()]);
        let service_id = subscribers[1].service_id();
        let record = format!(
            "deployments/{}/{}/current.json",
            service_id.stack, service_id.service
        );
        cloud.objects().put_bytes(&record, "{");
        cloud.push_to(&route, "v3", digest('3'), noon(370));
        let reconciled = look(&cloud, 420).await;
        assert_eq!((started(&reconciled), reconciled.failures.len()), (1, 1));
        assert!(runs(&cloud, &subscribers[0], '3'));
        assert!(runs(&cloud, &subscribers[2], '2'));
    }

    #[tokio::test]
    async fn more_services_are_looked_at_in_parts_each_exactly_once() {
        let services = 1_200;
        let (cloud, subscribers) = account(services, 40);
        let asked = look(&cloud, 60).await;
        assert_eq!((asked.services, asked.shards), (services, 3));
        let counts = count(&cloud);
        assert_eq!(of(&counts, "GetObject deployments"), 0, "{counts:?}");
        let shards: Vec<ReconcileShard> = cloud
            .published()
            .into_iter()
            .map(|event| match event {
                LongshoreEvent::ReconcileShard(shard) => shard,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(shards.len(), 3);

        let mut looked_at = 0;
        for shard in &shards {
            let worker = worker(&format!("shard-{}", shard.shard), 60);
            let part = reconcile_shard(&cloud, *shard, &worker).await.unwrap();
            assert_eq!((part.failures.len(), part.refused.len()), (0, 0));
            assert_eq!(started(&part), part.services);
            assert!(
                (300..=500).contains(&part.services),
                "{} in part {}",
                part.services,
                shard.shard
            );
            looked_at += part.services;
        }
        assert_eq!(looked_at, services);
        assert!(
            subscribers
                .iter()
                .all(|subscriber| cloud.updates(subscriber) == 1)
        );
        // Each repository was listed once for each part, however many of its subscribers are in it.
        let counts = count(&cloud);
        assert!(of(&counts, "DescribeImages") <= 3 * 40, "{counts:?}");

        // The same event a second time.
        let again = reconcile_shard(&cloud, shards[0], &worker("again", 60))
            .await
            .unwrap();
        assert_eq!((again.closed, again.followed.len()), (0, 0));
        assert!(
            subscribers
                .iter()
                .all(|subscriber| cloud.updates(subscriber) == 1)
        );
    }

    #[tokio::test]
    async fn a_push_that_no_event_reported_goes_out_once_and_to_nobody_else() {
        let (cloud, subscribers) = account(4, 2);
        look(&cloud, 60).await;
        subscribers
            .iter()
            .for_each(|subscriber| cloud.complete(subscriber));
        look(&cloud, 120).await;
        cloud.push_to(&repository(1), "v3", digest('3'), noon(130));
        for seconds in [180, 240] {
            look(&cloud, seconds).await;
        }
        for (number, subscriber) in subscribers.iter().enumerate() {
            let image = if number % 2 == 1 { '3' } else { '2' };
            assert!(runs(&cloud, subscriber, image), "{number}");
            assert_eq!(cloud.updates(subscriber), 1 + number % 2, "{number}");
        }
    }

    #[tokio::test]
    async fn what_fails_once_keeps_back_one_service_or_one_repository_and_not_for_long() {
        let (services, repositories) = (6, 3);
        let (undisturbed, _) = account(services, repositories);
        look(&undisturbed, 60).await;
        let calls = undisturbed.calls();
        let surveyed = calls
            .iter()
            .rposition(|call| call == "GetObject routes")
            .unwrap();
        for (number, operation) in calls.iter().enumerate().skip(surveyed + 1) {
            for fault in [
                Fault::Fails(ErrorClass::Transient),
                Fault::Fails(ErrorClass::Denied),
                Fault::Fails(ErrorClass::LostRace),
                Fault::AnswerLost,
            ] {
                let case = format!("call {number} {operation}, {fault:?}");
                let (cloud, subscribers) = account(services, repositories);
                cloud.inject(number, fault);
                look(&cloud, 60).await;
                let kept_back: Vec<&Subscriber> = subscribers
                    .iter()
                    .filter(|subscriber| !runs(&cloud, subscriber, '2'))
                    .collect();
                let allowed = if operation == "DescribeImages" { 2 } else { 1 };
                assert!(kept_back.len() <= allowed, "{case}: {kept_back:?}");
                let second = look(&cloud, 900).await;
                assert!(second.failures.is_empty(), "{case}: {second:?}");
                for subscriber in &subscribers {
                    assert!(runs(&cloud, subscriber, '2'), "{case}: {subscriber:?}");
                    let record = cloud.record(subscriber).unwrap();
                    assert_eq!(record.deployment.state, State::Deploying, "{case}");
                    assert!(record.outbox.is_empty(), "{case}");
                }
                let published = cloud.detail_types();
                let starts = published
                    .iter()
                    .filter(|published| **published == "Deployment Started");
                assert!(starts.count() >= services, "{case}: {published:?}");
            }
        }
    }

    #[tokio::test]
    async fn ten_services_that_ecs_does_not_describe_keep_no_others_back() {
        let (cloud, subscribers) = account(40, 1);
        look(&cloud, 60).await;
        subscribers
            .iter()
            .for_each(|subscriber| cloud.complete(subscriber));
        cloud.inject_at("DescribeServices", Fault::Fails(ErrorClass::Transient));
        let reconciled = look(&cloud, 120).await;
        // Ten clusters with four services each.
        assert_eq!((reconciled.closed, reconciled.failures.len()), (36, 4));
        let reconciled = look(&cloud, 180).await;
        assert_eq!((reconciled.closed, reconciled.failures.len()), (4, 0));
    }

    #[tokio::test]
    async fn a_route_that_cannot_be_read_keeps_its_subscribers_back_and_no_others() {
        let (cloud, subscribers) = account(4, 2);
        cloud.inject_at("GetObject routes", Fault::Fails(ErrorClass::Refused));
        let reconciled = look(&cloud, 60).await;
        assert_eq!((started(&reconciled), reconciled.failures.len()), (2, 1));
        look(&cloud, 120).await;
        assert!(
            subscribers
                .iter()
                .all(|subscriber| runs(&cloud, subscriber, '2'))
        );
    }

    #[tokio::test]
    async fn a_policy_that_cannot_be_followed_is_published_and_keeps_no_others_back() {
        let (cloud, mut subscribers) = account(3, 1);
        subscribers[1].image_policy.tags.clear();
        subscribers[1].image_policy.semver = Some("newest".to_owned());
        cloud.set_route(&repository(0), subscribers.clone());
        let reconciled = look(&cloud, 60).await;
        assert_eq!((started(&reconciled), reconciled.failures.len()), (2, 0));
        let [refused] = reconciled.refused.as_slice() else {
            panic!("{reconciled:?}");
        };
        assert!(
            refused.contains("routes/shop/repository-0.json: image_policy.semver: `newest`: "),
            "{refused}"
        );
    }

    #[tokio::test]
    async fn a_repository_that_is_not_there_yet_is_not_a_failure() {
        let (cloud, _) = account(2, 1);
        let mut early = subscriber("early");
        early.cluster = "cluster-0".to_owned();
        cloud.add_service(
            &early,
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/early:v1",
        );
        cloud.set_route("shop/early", vec![early]);
        cloud.inject_at("DescribeImages", Fault::Fails(ErrorClass::NotFound));
        let reconciled = look(&cloud, 60).await;
        assert_eq!((started(&reconciled), reconciled.failures.len()), (2, 0));
    }

    #[tokio::test]
    async fn a_deployment_whose_service_follows_nothing_any_more_is_still_closed() {
        let (cloud, subscribers) = account(1, 1);
        look(&cloud, 60).await;
        cloud.complete(&subscribers[0]);
        cloud.set_route(&repository(0), Vec::new());
        assert_eq!(look(&cloud, 120).await.closed, 1);
        let record = cloud.record(&subscribers[0]).unwrap();
        assert_eq!(record.deployment.state, State::Succeeded);
    }

    #[tokio::test]
    async fn services_that_follow_nothing_cost_no_call_of_ecr() {
        let (cloud, mut subscribers) = account(3, 1);
        for subscriber in &mut subscribers {
            subscriber.image_policy.tags.clear();
        }
        cloud.set_route(&repository(0), subscribers);
        let reconciled = look(&cloud, 60).await;
        assert_eq!((reconciled.services, reconciled.followed.len()), (3, 0));
        let counts = count(&cloud);
        assert_eq!(of(&counts, "DescribeImages"), 0, "{counts:?}");
    }

    #[tokio::test]
    async fn what_waited_for_the_end_of_a_freeze_window_goes_out_with_the_first_look_after_it() {
        let (cloud, mut subscribers) = account(1, 1);
        // Noon of the tests is 14:13:20 in UTC.
        subscribers[0].rollout.freeze_windows = vec![FreezeWindow {
            cron: "0 14 * * *".to_owned(),
            time_zone: "UTC".to_owned(),
            duration_minutes: 30,
        }];
        cloud.set_route(&repository(0), subscribers.clone());
        let frozen = look(&cloud, 60).await;
        assert!(
            matches!(
                frozen.followed.as_slice(),
                [followed] if matches!(followed.outcome,
                    Outcome::Waiting { reason: WaitReason::Frozen, .. })
            ),
            "{frozen:?}"
        );
        assert_eq!(cloud.updates(&subscribers[0]), 0);
        look(&cloud, 960).await;
        assert_eq!(cloud.updates(&subscribers[0]), 0);
        let open = look(&cloud, 1_020).await;
        assert_eq!(started(&open), 1, "{open:?}");
        assert!(runs(&cloud, &subscribers[0], '2'));
    }
}
