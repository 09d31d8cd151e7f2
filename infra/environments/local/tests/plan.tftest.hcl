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

  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-webhook-AbCdEf" }
  }
}

variables {
  endpoint             = "http://127.0.0.1:4566"
  access_key_id        = "AKIAEXAMPLE"
  secret_access_key    = "example"
  slack_webhook_url    = "http://127.0.0.1:4567/slack/services/T00000000/B00000000/local"
  slack_signing_secret = "8f742231b10e8888abcd99yyyzzz85a5"
  slack_api_url        = "http://127.0.0.1:4567/slack/api"
  package_directory    = "tests/packages"
  task_role_arns       = ["arn:aws:iam::111122223333:role/shop-execution"]
}

run "every_function_calls_back_to_the_local_cloud" {
  command = plan

  assert {
    condition = alltrue([
      for environment in values(module.longshore.environments) : environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    ])
    error_message = "A function would call AWS."
  }
}

run "an_endpoint_that_is_not_loopback_is_refused" {
  command = plan

  variables {
    endpoint = "https://ecs.eu-west-1.amazonaws.com:443"
  }

  expect_failures = [var.endpoint]
}
