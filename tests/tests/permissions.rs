//! What happens when a function's role lacks a permission: the function fails with AccessDenied, and the event is not
//! lost. A program of its own, because the role is the same for every test.

use anyhow::{Context, Result, ensure};
use longshore_local::client::{QueryService, element, percent_decoded};
use longshore_local::environment::Environment;
use longshore_local::homebrew::Formula;
use longshore_local::mirror::Mirror;
use longshore_local::scene::{credentials_of_function_role, refused, serves};
use longshore_tests::{MirrorScene, Scene};
use serde_json::{Value, json};
use ureq::http::Method;

/// An inline policy of a function's role with some actions taken out; the policy is restored when this goes.
struct Without<'environment> {
    environment: &'environment Environment,
    role: String,
    policy: String,
    document: String,
}

impl<'environment> Without<'environment> {
    fn action(
        environment: &'environment Environment,
        function: &str,
        action: &str,
    ) -> Result<Self> {
        let client = environment.client();
        let arn = environment.applied.role_arn(function)?;
        let role = arn.rsplit('/').next().unwrap_or(arn).to_owned();
        let listed = client.query(
            QueryService::Iam,
            "ListRolePolicies",
            &[("RoleName", &role)],
        )?;
        for policy in listed
            .split("<member>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</member>"))
        {
            let policy = policy.0.to_owned();
            let names = [("RoleName", role.as_str()), ("PolicyName", policy.as_str())];
            let answer = client.query(QueryService::Iam, "GetRolePolicy", &names)?;
            let document =
                element(&answer, "PolicyDocument").context("the answer has no document")?;
            let document = percent_decoded(&document);
            let mut changed: Value = serde_json::from_str(&document).context("read the policy")?;
            if take_out(&mut changed, action) {
                let without = Self {
                    environment,
                    role,
                    policy,
                    document,
                };
                without.put(&changed.to_string())?;
                return Ok(without);
            }
        }
        anyhow::bail!("no inline policy of {role} allows {action}")
    }

    fn put(&self, document: &str) -> Result<()> {
        let parameters = [
            ("RoleName", self.role.as_str()),
            ("PolicyName", self.policy.as_str()),
            ("PolicyDocument", document),
        ];
        self.environment
            .client()
            .query(QueryService::Iam, "PutRolePolicy", &parameters)
            .with_context(|| format!("put policy {} of role {}", self.policy, self.role))?;
        Ok(())
    }
}

impl Drop for Without<'_> {
    fn drop(&mut self) {
        // Other tests need it; when even this fails, they fail with AccessDenied and say so.
        if let Err(error) = self.put(&self.document) {
            panic!("{error:#}");
        }
    }
}

/// Takes an action out of every statement that allows it; answers whether one did.
fn take_out(document: &mut Value, action: &str) -> bool {
    let Some(statements) = document["Statement"].as_array_mut() else {
        return false;
    };
    let mut found = false;
    for statement in statements {
        let actions: Vec<Value> = match &statement["Action"] {
            Value::Array(actions) => actions.clone(),
            one => vec![one.clone()],
        };
        if actions.iter().any(|allowed| allowed == action) {
            found = true;
            let others: Vec<Value> = actions
                .into_iter()
                .filter(|allowed| allowed != action)
                .collect();
            if others.is_empty() {
                statement["Effect"] = json!("Deny");
            } else {
                statement["Action"] = Value::from(others);
            }
        }
    }
    found
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn without_a_permission_the_function_fails_and_its_event_is_in_the_dead_letter_queue() -> Result<()>
{
    let scene = Scene::new("forbidden")?;
    let before = scene.service.describe(&scene.environment)?["taskDefinition"].clone();
    let digest = {
        let _without = Without::action(&scene.environment, "deploy", "ecs:UpdateService")?;
        let digest = scene.push("v2", &serves("v2"))?;
        scene.wait_until_logged("deploy", &["AccessDenied", "forbidden"])?;
        let letter = scene.wait_for_dead_letter("deploy", &["forbidden/api", &digest])?;
        ensure!(
            letter.contains("AccessDenied"),
            "the reason is not in the dead-letter queue: {letter}"
        );
        let after = scene.service.describe(&scene.environment)?["taskDefinition"].clone();
        ensure!(before == after, "the service was updated all the same");
        digest
    };
    // Nothing is lost: with the permission back, the event that was kept is all it takes.
    let event = scene
        .environment
        .control()
        .events()?
        .into_iter()
        .find(|event| event["detail"]["image-digest"] == digest.as_str())
        .context("no event reports the push")?;
    scene.environment.control().send_event(&event)?;
    scene.wait_until_runs(&digest)?;
    scene.wait_until_published(&["succeeded", "v2"])?;
    Ok(())
}

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn sync_writes_mirrors_and_nothing_else() -> Result<()> {
    let formula = Formula::new("wget", "1.25.0", &[("arm64_sequoia", 1000)]);
    let scene = MirrorScene::new(Mirror::new("guarded"), &[formula])?;
    scene.complete()?;
    let administrator = scene.environment.client();
    let applied = &scene.environment.applied;
    let sync = administrator.with_credentials(credentials_of_function_role(
        &administrator,
        applied.role_arn("sync")?,
    )?);
    // What it may do works: it is the policy that refuses the rest, not wrong credentials.
    let bucket = scene.mirror.bucket();
    ensure!(
        sync.get_object(&bucket, "api/formula.json")?.is_some(),
        "the index is not published"
    );
    let state = &applied.state_bucket_name;
    for key in ["stacks/guarded.yaml", "routes/guarded/api.json"] {
        refused(sync.put_object(state, key, "{}")).with_context(|| format!("write {key}"))?;
    }
    refused(sync.delete_object(state, "syncs/guarded.json"))
        .context("delete syncs/guarded.json")?;
    refused(sync.s3("DeleteBucket", Method::DELETE, &format!("/{bucket}"), ""))
        .context("delete the mirror's bucket")?;
    Ok(())
}
