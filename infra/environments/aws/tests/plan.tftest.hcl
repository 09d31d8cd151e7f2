mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1", region = "eu-west-1" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::longshore-state-111122223333-eu-west-1" }
  }

  mock_resource "aws_cloudwatch_event_bus" {
    defaults = { arn = "arn:aws:events:eu-west-1:111122223333:event-bus/longshore" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/a-function" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/a-policy" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/a-function" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:111122223333:a-queue" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:111122223333:rule/a-rule" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111122223333:function:a-function" }
  }

  mock_data "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-webhook-AbCdEf" }
  }
}

variables {
  region            = "eu-west-1"
  package_directory = "tests/packages"
  task_role_arns    = ["arn:aws:iam::111122223333:role/shop-execution"]
}

run "it_plans_with_nothing_but_a_region" {
  command = plan

  variables {
    task_role_arns = []
  }

  assert {
    condition = (
      output.function_names == { provision = "longshore-provision", deploy = "longshore-deploy", watch = "longshore-watch", sync = "longshore-sync", notify = "longshore-notify" }
      && output.event_bus_name == "longshore"
      && output.state_bucket_name == "longshore-state-111122223333-eu-west-1"
      && output.slack_webhook_secret_name == "longshore/slack-webhook"
      && keys(output.dead_letter_queue_urls) == ["deploy", "notify", "provision", "sync", "watch"]
      && output.cloudformation_role_arn == "arn:aws:iam::111122223333:role/a-function"
      && output.permissions_boundary_arn == "arn:aws:iam::111122223333:policy/a-policy"
    )
    error_message = "The defaults have other names than the documentation says."
  }
}

run "the_secret_for_slack_gets_a_policy_unless_its_own_is_to_stay" {
  command = plan

  assert {
    condition     = strcontains(coalesce(module.longshore.slack_webhook_secret_policy, "none"), "role/longshore-notify")
    error_message = "Whoever may read all secrets of the account reads the one for Slack."
  }
}

run "a_policy_of_one_s_own_for_the_secret_stays" {
  command = plan

  variables {
    slack_secret_reader_arns = null
  }

  assert {
    condition     = module.longshore.slack_webhook_secret_policy == null
    error_message = "The policy of the secret is replaced although it is to stay."
  }
}

run "nothing_that_is_off_for_the_local_cloud_is_off_here" {
  command = plan

  assert {
    condition = alltrue([
      for policy in values(module.longshore.dead_letter_queue_policies) :
      contains([for statement in jsondecode(policy).Statement : statement.Sid], "RefusePlainHttp")
    ])
    error_message = "A queue accepts plain HTTP."
  }

  assert {
    condition = alltrue([
      for environment in values(module.longshore.environments) :
      length(setsubtract(keys(environment), ["STATE_BUCKET_NAME", "EVENT_BUS_NAME", "LOG_LEVEL", "SLACK_WEBHOOK_SECRET_NAME", "CLOUDFORMATION_ROLE_ARN", "PERMISSIONS_BOUNDARY_ARN", "SYNC_LAMBDA_THRESHOLD_BYTES"])) == 0
    ])
    error_message = "A function has a variable that does not belong into an AWS account."
  }
}

run "only_given_roles_and_those_of_templates_are_passed_to_ecs" {
  command = plan

  assert {
    condition = jsonencode(flatten([
      for statement in jsondecode(module.longshore.policies.deploy.work).Statement : [statement.Resource, statement.Condition] if contains(statement.Action, "iam:PassRole")
      ])) == jsonencode([
      "arn:aws:iam::111122223333:role/shop-execution",
      "arn:aws:iam::111122223333:role/longshore/*",
      { StringEquals = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com"] } },
    ])
    error_message = "Other roles than the given ones are passed, or to another service."
  }
}

run "the_value_of_the_secret_is_nowhere" {
  command = plan

  assert {
    condition = alltrue([
      for environment in values(module.longshore.environments) : alltrue([
        for value in values(environment) : !strcontains(value, "hooks.slack.com")
      ])
    ])
    error_message = "A function has the webhook's URL in its environment."
  }

  assert {
    condition     = module.longshore.environments.notify["SLACK_WEBHOOK_SECRET_NAME"] == "longshore/slack-webhook"
    error_message = "notify does not have the secret's name."
  }
}

run "an_account_id_of_another_length_is_refused" {
  command = plan

  variables {
    account_id = "1234"
  }

  expect_failures = [var.account_id]
}
