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

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111122223333:function:a-function" }
  }
}

override_resource {
  override_during = plan
  target          = module.image_pushed.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-image-pushed" }
}

override_resource {
  override_during = plan
  target          = module.image_cached.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-image-cached" }
}

override_resource {
  override_during = plan
  target          = module.release_written.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-release-written" }
}

override_resource {
  override_during = plan
  target          = module.deployment_changed.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-deployment-changed" }
}

override_resource {
  override_during = plan
  target          = module.task_stopped.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-task-stopped" }
}

override_resource {
  override_during = plan
  target          = module.scheduled_task_runs.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-scheduled-task-runs" }
}

override_resource {
  override_during = plan
  target          = module.shard_completed.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore/longshore-shard-completed" }
}

override_resource {
  override_during = plan
  target          = module.sync_task_stopped.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-sync-task-stopped" }
}

override_resource {
  override_during = plan
  target          = module.notifications.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore/longshore-notifications" }
}

override_resource {
  override_during = plan
  target          = module.stack_written.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-stack-written" }
}

override_resource {
  override_during = plan
  target          = module.stack_imported.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-stack-imported" }
}

override_resource {
  override_during = plan
  target          = module.stack_changed.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-stack-changed" }
}

override_resource {
  override_during = plan
  target          = module.stack_settled_for_provision.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore/longshore-stack-settled-provision" }
}

override_resource {
  override_during = plan
  target          = module.stack_settled_for_deploy.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore/longshore-stack-settled-deploy" }
}

override_resource {
  override_during = plan
  target          = module.deploy_task_stopped.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-deploy-task-stopped" }
}

override_resource {
  override_during = plan
  target          = module.rollout_continued.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore/longshore-rollout-continued" }
}

override_resource {
  override_during = plan
  target          = aws_iam_role.cloudformation
  values          = { arn = "arn:aws:iam::111122223333:role/longshore-cloudformation" }
}

override_resource {
  override_during = plan
  target          = aws_iam_policy.permissions_boundary
  values          = { arn = "arn:aws:iam::111122223333:policy/longshore-permissions-boundary" }
}

variables {
  package_directory         = "tests/packages"
  slack_webhook_secret_name = "longshore/slack-webhook"
  task_role_arns = [
    "arn:aws:iam::111122223333:role/shop-task",
    "arn:aws:iam::111122223333:role/shop-execution",
  ]
}

run "each_rule_waits_for_exactly_its_events" {
  command = plan

  assert {
    condition = {
      for key, rule in output.rules : key => [
        rule.event_bus_name,
        { for field, value in jsondecode(rule.event_pattern) : field => value if field != "account" },
      ]
      } == {
      image_pushed = ["default", {
        source      = ["aws.ecr"]
        detail-type = ["ECR Image Action", "ECR Replication Action"]
        detail      = { action-type = ["PUSH", "REPLICATE"], result = ["SUCCESS"] }
      }]
      image_cached = ["default", {
        source      = ["aws.ecr"]
        detail-type = ["ECR Pull Through Cache Action"]
        detail      = { sync-status = ["SUCCESS"] }
      }]
      release_written = ["default", {
        source      = ["aws.s3"]
        detail-type = ["Object Created"]
        detail = {
          bucket = { name = ["longshore-state-111122223333-eu-west-1"] }
          object = { key = [{ prefix = "releases/" }] }
        }
      }]
      deployment_changed = ["default", {
        source      = ["aws.ecs"]
        detail-type = ["ECS Deployment State Change"]
      }]
      task_stopped = ["default", {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail      = { lastStatus = ["STOPPED"], group = [{ prefix = "service:" }, { prefix = "longshore-schedule:" }] }
      }]
      scheduled_task_runs = ["default", {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail      = { lastStatus = ["RUNNING"], group = [{ prefix = "longshore-schedule:" }] }
      }]
      notifications = ["longshore", {
        source      = ["longshore"]
        detail-type = [{ anything-but = ["Action Requested", "Deployment Stabilized", "Reconcile Shard", "Sync Shard Completed"] }]
      }]
      deploy_task_stopped = ["default", {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail      = { lastStatus = ["STOPPED"], startedBy = [{ prefix = "longshore-deploy/" }] }
      }]
      rollout_continued = ["longshore", {
        source = ["longshore"]
        detail-type = [
          "Action Requested",
          "Deployment Stabilized",
          "Deployment Succeeded",
          "Deployment Failed",
          "Deployment Rolled Back",
          "Deployment Superseded",
          "Reconcile Shard",
        ]
      }]
      shard_completed = ["longshore", {
        source      = ["longshore"]
        detail-type = ["Sync Shard Completed"]
      }]
      sync_task_stopped = ["default", {
        source      = ["aws.ecs"]
        detail-type = ["ECS Task State Change"]
        detail      = { lastStatus = ["STOPPED"], startedBy = [{ prefix = "longshore-sync/" }] }
      }]
      stack_written = ["default", {
        source      = ["aws.s3"]
        detail-type = ["Object Created"]
        detail = {
          bucket = { name = ["longshore-state-111122223333-eu-west-1"] }
          object = { key = [{ prefix = "stacks/" }] }
        }
      }]
      stack_imported = ["default", {
        source      = ["aws.cloudformation"]
        detail-type = ["CloudFormation Stack Status Change"]
        detail      = { status-details = { status = ["IMPORT_COMPLETE"] } }
      }]
      stack_changed = ["default", {
        source      = ["aws.cloudformation"]
        detail-type = ["CloudFormation Stack Status Change"]
        detail = {
          status-details = {
            status = [
              "CREATE_IN_PROGRESS",
              "CREATE_FAILED",
              "CREATE_COMPLETE",
              "ROLLBACK_IN_PROGRESS",
              "ROLLBACK_FAILED",
              "ROLLBACK_COMPLETE",
              "UPDATE_IN_PROGRESS",
              "UPDATE_FAILED",
              "UPDATE_COMPLETE",
              "UPDATE_ROLLBACK_IN_PROGRESS",
              "UPDATE_ROLLBACK_FAILED",
              "UPDATE_ROLLBACK_COMPLETE",
              "DELETE_IN_PROGRESS",
              "DELETE_FAILED",
              "DELETE_COMPLETE",
              "IMPORT_IN_PROGRESS",
              "IMPORT_ROLLBACK_IN_PROGRESS",
              "IMPORT_ROLLBACK_FAILED",
              "IMPORT_ROLLBACK_COMPLETE",
            ]
          }
        }
      }]
      stack_settled_for_provision = ["longshore", {
        source      = ["longshore"]
        detail-type = ["Stack Ready", "Stack Failed"]
      }]
      stack_settled_for_deploy = ["longshore", {
        source      = ["longshore"]
        detail-type = ["Stack Ready", "Stack Failed"]
      }]
    }
    error_message = "A rule waits for other events than its function handles."
  }

  assert {
    condition     = alltrue([for rule in output.rules : jsondecode(rule.event_pattern).account == ["111122223333"]])
    error_message = "A rule takes events of other accounts."
  }
}

run "each_queue_accepts_exactly_the_rules_of_its_function" {
  command = plan

  assert {
    condition = {
      for function, policy in output.dead_letter_queue_policies : function => sort(flatten([
        for statement in jsondecode(policy).Statement : statement.Condition.ArnEquals["aws:SourceArn"] if statement.Effect == "Allow"
      ]))
      } == {
      provision = sort([
        output.rules.stack_written.arn,
        output.rules.stack_imported.arn,
        output.rules.stack_settled_for_provision.arn,
      ])
      deploy = sort([
        output.rules.image_pushed.arn,
        output.rules.image_cached.arn,
        output.rules.release_written.arn,
        output.rules.stack_settled_for_deploy.arn,
        output.rules.deploy_task_stopped.arn,
        output.rules.rollout_continued.arn,
      ])
      watch = sort([
        output.rules.deployment_changed.arn,
        output.rules.task_stopped.arn,
        output.rules.scheduled_task_runs.arn,
        output.rules.stack_changed.arn,
      ])
      sync = sort([
        output.rules.shard_completed.arn,
        output.rules.sync_task_stopped.arn,
      ])
      notify = sort([output.rules.notifications.arn])
    }
    error_message = "A queue refuses events of a rule of its function, or accepts those of another."
  }

  assert {
    condition     = length(distinct([for rule in output.rules : rule.arn])) == 16
    error_message = "The rules are not distinguished here."
  }

  assert {
    condition = alltrue([
      for policy in values(output.dead_letter_queue_policies) :
      contains([for statement in jsondecode(policy).Statement : statement.Sid], "RefusePlainHttp")
    ])
    error_message = "A queue accepts plain HTTP."
  }
}

run "watch_takes_the_runs_that_schedules_could_not_begin_and_only_schedules_leave_some" {
  command = plan

  assert {
    condition = (
      aws_sqs_queue.schedule_dead_letters.name == "longshore-schedule-dead-letters"
      && aws_lambda_event_source_mapping.schedule_dead_letters.event_source_arn == aws_sqs_queue.schedule_dead_letters.arn
      && aws_lambda_event_source_mapping.schedule_dead_letters.function_name == module.watch.arn
      && aws_lambda_event_source_mapping.schedule_dead_letters.batch_size == 1
    )
    error_message = "What a schedule could not begin is reported to nobody, or under a name that no template has."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.schedule_dead_letters.redrive_policy).deadLetterTargetArn == module.watch.dead_letter_queue_arn
    error_message = "What watch fails to handle is lost."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.schedule_dead_letters.policy).Statement[0] == {
      Sid       = "RefuseOthers"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:eu-west-1:111122223333:longshore-schedule-dead-letters"
      Condition = { ArnNotLike = { "aws:PrincipalArn" = "arn:aws:iam::111122223333:role/longshore/*" } }
    }
    error_message = "Anybody in the account may say that a schedule failed."
  }
}

run "the_functions_get_names_and_no_secret" {
  command = plan

  assert {
    condition = output.environments == {
      provision = tomap({
        STATE_BUCKET_NAME        = "longshore-state-111122223333-eu-west-1"
        EVENT_BUS_NAME           = "longshore"
        LOG_LEVEL                = "INFO"
        CLOUDFORMATION_ROLE_ARN  = "arn:aws:iam::111122223333:role/longshore-cloudformation"
        PERMISSIONS_BOUNDARY_ARN = "arn:aws:iam::111122223333:policy/longshore-permissions-boundary"
      })
      deploy = tomap({ STATE_BUCKET_NAME = "longshore-state-111122223333-eu-west-1", EVENT_BUS_NAME = "longshore", LOG_LEVEL = "INFO" })
      watch  = tomap({ STATE_BUCKET_NAME = "longshore-state-111122223333-eu-west-1", EVENT_BUS_NAME = "longshore", LOG_LEVEL = "INFO" })
      sync = tomap({
        STATE_BUCKET_NAME           = "longshore-state-111122223333-eu-west-1"
        EVENT_BUS_NAME              = "longshore"
        LOG_LEVEL                   = "INFO"
        SYNC_LAMBDA_THRESHOLD_BYTES = "20000000000"
      })
      notify = tomap({ STATE_BUCKET_NAME = "longshore-state-111122223333-eu-west-1", EVENT_BUS_NAME = "longshore", LOG_LEVEL = "INFO", SLACK_WEBHOOK_SECRET_NAME = "longshore/slack-webhook" })
    }
    error_message = "A function has too much or too little in its environment."
  }
}

run "an_extra_variable_reaches_every_function_and_replaces_none" {
  command = plan

  variables {
    extra_environment = { AWS_ENDPOINT_URL = "http://127.0.0.1:4566", LOG_LEVEL = "TRACE" }
  }

  assert {
    condition = alltrue([
      for environment in values(output.environments) :
      environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566" && environment["LOG_LEVEL"] == "INFO"
    ])
    error_message = "An extra variable is missing or replaces one of our own."
  }
}

run "names_begin_with_the_prefix" {
  command = plan

  variables {
    prefix = "harbour"
  }

  assert {
    condition = (
      output.function_names == { provision = "harbour-provision", deploy = "harbour-deploy", watch = "harbour-watch", sync = "harbour-sync", notify = "harbour-notify" }
      && output.log_group_names == { provision = "/aws/lambda/harbour-provision", deploy = "/aws/lambda/harbour-deploy", watch = "/aws/lambda/harbour-watch", sync = "/aws/lambda/harbour-sync", notify = "/aws/lambda/harbour-notify" }
      && output.state_bucket_name == "harbour-state-111122223333-eu-west-1"
      && alltrue([for rule in values(output.rules) : startswith(rule.name, "harbour-")])
      && aws_cloudwatch_log_resource_policy.events_of_stacks.policy_name == "harbour-events-of-stacks"
      && aws_iam_role.cloudformation.name == "harbour-cloudformation"
      && aws_iam_policy.permissions_boundary.name == "harbour-permissions-boundary"
      && alltrue([for policy in aws_iam_policy.cloudformation : startswith(policy.name, "harbour-")])
    )
    error_message = "A second installation in the same account would clash with the first."
  }
}

run "eventbridge_may_write_the_events_of_every_stack_and_nothing_else" {
  command = plan

  assert {
    condition = [for statement in jsondecode(aws_cloudwatch_log_resource_policy.events_of_stacks.policy_document).Statement : {
      principal = statement.Principal
      action    = statement.Action
      resource  = statement.Resource
      }] == [{
      principal = { Service = ["delivery.logs.amazonaws.com", "events.amazonaws.com"] }
      action    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resource  = "arn:aws:logs:eu-west-1:111122223333:log-group:/longshore/*/events:*"
    }]
    error_message = "Events of stacks are lost, or other log groups may be written to."
  }
}

run "stacks_deployments_and_syncs_are_reconciled_by_the_clock" {
  command = plan

  assert {
    condition = alltrue([
      for schedule in [module.reconcile, module.reconcile_stacks, module.reconcile_syncs] : jsondecode(schedule.input).action == "reconcile"
    ])
    error_message = "A schedule asks for something else than a reconcile."
  }
}

run "nobody_gets_a_digest_who_did_not_ask_for_one" {
  command = plan

  assert {
    condition     = length(module.digest) == 0
    error_message = "There is a schedule for a digest that nobody asked for."
  }
}

run "a_digest_is_asked_of_deploy_by_the_clock" {
  command = plan

  variables {
    digest_schedule  = "cron(0 9 ? * MON *)"
    digest_time_zone = "Europe/Ljubljana"
  }

  assert {
    condition     = jsondecode(module.digest[0].input).action == "digest"
    error_message = "The schedule asks for something else than a digest."
  }

  assert {
    condition = [for statement in jsondecode(module.digest[0].policy).Statement : statement.Resource] == [
      [module.deploy.arn],
      [module.deploy.dead_letter_queue_arn],
    ]
    error_message = "The schedule may do something else than wake deploy."
  }
}

run "a_digest_at_no_time_is_refused" {
  command = plan

  variables {
    digest_schedule = "every Monday"
  }

  expect_failures = [var.digest_schedule]
}

run "another_package_has_another_key" {
  command = plan

  assert {
    condition = (
      aws_s3_object.package.bucket == "longshore-state-111122223333-eu-west-1"
      && aws_s3_object.package.source == "tests/packages/arm64/longshore.zip"
      && aws_s3_object.package.key == "packages/${filesha256("tests/packages/arm64/longshore.zip")}.zip"
    )
    error_message = "The functions do not run the package that is given, or keep an old one."
  }
}

run "a_missing_package_is_reported_with_what_to_do" {
  command = plan

  variables {
    package_directory = "tests/nothing"
  }

  expect_failures = [aws_s3_object.package]
}
