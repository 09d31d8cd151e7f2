# The dashboard names what exists, and nothing is made unless somebody wants it.
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
  alarm_actions             = ["arn:aws:sns:eu-west-1:111122223333:on-call"]
}

run "nothing_is_made_that_nobody_asked_for" {
  command = plan

  assert {
    condition     = length(aws_cloudwatch_dashboard.this) == 0 && length(aws_cloudwatch_metric_alarm.failed_deployments) == 0
    error_message = "A dashboard or an alarm costs something."
  }
}

run "the_dashboard_shows_every_function_and_its_queue" {
  command = plan

  variables {
    cloudwatch_dashboard     = true
    failed_deployments_alarm = true
  }

  assert {
    condition = alltrue([
      for name in ["provision", "deploy", "watch", "sync", "notify"] :
      strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "\"Duration\",\"FunctionName\",\"longshore-${name}\"")
      && strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "\"Errors\",\"FunctionName\",\"longshore-${name}\"")
      && strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "\"QueueName\",\"longshore-${name}-dead-letters\"")
      && strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "\"MalformedEvents\",\"Function\",\"${name}\"")
    ])
    error_message = "A function or its queue is missing."
  }

  # The names are those of shared/runtime/src/metrics.rs.
  assert {
    condition = alltrue([
      for metric in ["DeploymentsSucceeded", "DeploymentsFailed", "DeploymentsRolledBack", "DeploymentLeadTime", "StackChangesFailed", "SyncedFiles", "SyncedBytes", "SyncFailedFiles", "SyncDuration", "PendingShards"] :
      strcontains(aws_cloudwatch_dashboard.this[0].dashboard_body, "MetricName=\\\"${metric}\\\"")
    ])
    error_message = "A metric of the functions is missing."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets :
      widget.properties.region == "eu-west-1" && widget.x + widget.width <= 24 && length(widget.properties.metrics) > 0
    ])
    error_message = "A widget is outside of the dashboard's 24 columns, empty, or of another region."
  }

  assert {
    condition = (
      one(aws_cloudwatch_metric_alarm.failed_deployments[0].metric_query).expression == "SELECT SUM(DeploymentsFailed) FROM SCHEMA(Longshore, Stack)"
      && aws_cloudwatch_metric_alarm.failed_deployments[0].threshold == 0
      && aws_cloudwatch_metric_alarm.failed_deployments[0].alarm_actions == toset(["arn:aws:sns:eu-west-1:111122223333:on-call"])
    )
    error_message = "The alarm does not tell on-call of every deployment that fails."
  }
}
