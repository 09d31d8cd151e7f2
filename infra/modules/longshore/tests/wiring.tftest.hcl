mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
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
  target          = module.deployment_told.aws_cloudwatch_event_rule.this
  values          = { arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore/longshore-deployment-told" }
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
    condition = { for key, rule in output.rules : key => [rule.event_bus_name, jsondecode(rule.event_pattern)] } == {
      image_pushed = ["default", {
        source      = ["aws.ecr"]
        detail-type = ["ECR Image Action"]
        detail      = { action-type = ["PUSH"], result = ["SUCCESS"] }
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
        detail      = { lastStatus = ["STOPPED"], group = [{ prefix = "service:" }] }
      }]
      deployment_told = ["longshore", { source = ["longshore"] }]
    }
    error_message = "A rule waits for other events than its function handles."
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
      deploy = tolist([output.rules.image_pushed.arn, output.rules.release_written.arn])
      watch  = tolist([output.rules.deployment_changed.arn, output.rules.task_stopped.arn])
      notify = tolist([output.rules.deployment_told.arn])
    }
    error_message = "A queue refuses events of a rule of its function, or accepts those of another."
  }

  assert {
    condition     = length(distinct([for rule in output.rules : rule.arn])) == 5
    error_message = "The rules are not told apart here."
  }

  assert {
    condition = alltrue([
      for policy in values(output.dead_letter_queue_policies) :
      contains([for statement in jsondecode(policy).Statement : statement.Sid], "RefusePlainHttp")
    ])
    error_message = "A queue accepts plain HTTP."
  }
}

run "the_functions_are_told_names_and_no_secret" {
  command = plan

  assert {
    condition = output.environments == {
      deploy = tomap({ STATE_BUCKET_NAME = "longshore-state-111122223333-eu-west-1", EVENT_BUS_NAME = "longshore", LOG_LEVEL = "INFO" })
      watch  = tomap({ STATE_BUCKET_NAME = "longshore-state-111122223333-eu-west-1", EVENT_BUS_NAME = "longshore", LOG_LEVEL = "INFO" })
      notify = tomap({ STATE_BUCKET_NAME = "longshore-state-111122223333-eu-west-1", EVENT_BUS_NAME = "longshore", LOG_LEVEL = "INFO", SLACK_WEBHOOK_SECRET_NAME = "longshore/slack-webhook" })
    }
    error_message = "A function is told too much or too little."
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
      output.function_names == { deploy = "harbour-deploy", watch = "harbour-watch", notify = "harbour-notify" }
      && output.log_group_names == { deploy = "/aws/lambda/harbour-deploy", watch = "/aws/lambda/harbour-watch", notify = "/aws/lambda/harbour-notify" }
      && output.state_bucket_name == "harbour-state-111122223333-eu-west-1"
      && alltrue([for rule in values(output.rules) : startswith(rule.name, "harbour-")])
    )
    error_message = "A second installation in the same account would clash with the first."
  }
}
