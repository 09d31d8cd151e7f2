# What tests/judges judges: the plan with every policy document in it, as `terraform test -verbose` shows it.
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
    defaults = { arn = "arn:aws:iam::111122223333:role/a-role" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::111122223333:policy/a-policy" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/a-function" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-west-1:111122223333:rule/a-rule" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:111122223333:a-queue" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111122223333:function:a-function" }
  }
}

variables {
  package_directory         = "tests/packages"
  slack_webhook_secret_name = "longshore/slack-webhook"
  slack_signing_secret_name = "longshore/slack-signing"
  task_role_arns            = ["arn:aws:iam::111122223333:role/shop-task"]
  # Records are changed only in zones that are named.
  hosted_zone_ids = ["Z0123456789ABCDEFGHIJ"]
}

run "every_document_is_known_in_the_plan" {
  command = plan

  assert {
    condition = alltrue(flatten([
      [for documents in values(output.policies) : [for document in values(documents) : can(jsondecode(document))]],
      [for document in values(output.cloudformation_policies) : can(jsondecode(document))],
      [for document in values(output.dead_letter_queue_policies) : can(jsondecode(document))],
      [can(jsondecode(output.permissions_boundary_policy)), can(jsondecode(output.event_bus_policy)), can(jsondecode(output.state_bucket_policy))],
    ]))
    error_message = "A policy is known only after it was applied: the judges would not see it."
  }
}
