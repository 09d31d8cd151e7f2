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

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/longshore-work" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/longshore-work" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-west-1:111122223333:longshore-work-dead-letters"
      url = "https://sqs.eu-west-1.amazonaws.com/111122223333/longshore-work-dead-letters"
    }
  }
}

variables {
  name         = "longshore-work"
  description  = "Works"
  package      = { bucket = "longshore-state", key = "packages/0f1e.zip" }
  handler      = "work"
  architecture = "arm64"
  policy       = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\"],\"Resource\":[\"arn:aws:s3:::longshore-state/routes/*\"]}]}"
  environment  = { LOG_LEVEL = "INFO" }
  rule_arns = [
    "arn:aws:events:eu-west-1:111122223333:rule/longshore-one",
    "arn:aws:events:eu-west-1:111122223333:rule/longshore-two",
  ]
}

run "the_function_runs_the_package_as_its_handler" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this.runtime == "provided.al2023"
      && aws_lambda_function.this.handler == "work"
      && aws_lambda_function.this.architectures == tolist(["arm64"])
      && aws_lambda_function.this.s3_bucket == "longshore-state"
      && aws_lambda_function.this.s3_key == "packages/0f1e.zip"
    )
    error_message = "The function does not run the package it was given."
  }

  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/longshore-work"
    error_message = "The function logs to another group than its own."
  }
}

run "only_lambda_assumes_the_role" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
    error_message = "Somebody else than Lambda may assume the role."
  }
}

run "the_role_has_the_given_policy_and_the_least_to_run" {
  command = plan

  assert {
    condition     = aws_iam_role_policy.work.policy == var.policy
    error_message = "The role has another policy than the function was given."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.runtime.policy).Statement == [
      {
        Sid      = "WriteOwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/longshore-work:*"]
      },
      {
        Sid      = "KeepFailedEvents"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = ["arn:aws:sqs:eu-west-1:111122223333:longshore-work-dead-letters"]
      },
    ]
    error_message = "The role may do more or less than write its own logs and its own dead letters."
  }
}

run "a_failing_event_is_tried_three_times_and_then_kept" {
  command = plan

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this[0].maximum_retry_attempts == 2
      && aws_lambda_function_event_invoke_config.this[0].maximum_event_age_in_seconds == 21600
      && aws_lambda_function_event_invoke_config.this[0].destination_config[0].on_failure[0].destination == "arn:aws:sqs:eu-west-1:111122223333:longshore-work-dead-letters"
    )
    error_message = "A failing event is not retried twice and then sent to the dead-letter queue."
  }
}

run "the_queue_keeps_what_the_rules_could_not_deliver" {
  command = plan

  assert {
    # The ARN in policies is composed from the name: it must be the queue's.
    condition     = aws_sqs_queue.dead_letter[0].name == "longshore-work-dead-letters"
    error_message = "The queue has another name than its policy says."
  }

  assert {
    condition     = aws_sqs_queue.dead_letter[0].sqs_managed_sse_enabled
    error_message = "The queue is not encrypted."
  }

  assert {
    condition     = aws_sqs_queue.dead_letter[0].message_retention_seconds == 1209600
    error_message = "The queue does not keep messages for 14 days."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter[0].policy).Statement == [
      {
        Sid       = "AcceptUndeliveredEvents"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-west-1:111122223333:longshore-work-dead-letters"
        Condition = { ArnEquals = { "aws:SourceArn" = [
          "arn:aws:events:eu-west-1:111122223333:rule/longshore-one",
          "arn:aws:events:eu-west-1:111122223333:rule/longshore-two",
        ] } }
      },
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = "arn:aws:sqs:eu-west-1:111122223333:longshore-work-dead-letters"
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    error_message = "The queue does not accept exactly the function's rules, or it accepts plain HTTP."
  }
}

run "the_queue_accepts_its_rules_where_plain_http_is_allowed" {
  command = plan

  variables {
    require_tls = false
  }

  assert {
    condition     = [for statement in jsondecode(aws_sqs_queue.dead_letter[0].policy).Statement : statement.Sid] == ["AcceptUndeliveredEvents"]
    error_message = "Without TLS the queue's policy is not the same but for the refusal of plain HTTP."
  }
}

run "what_no_rule_sends_events_to_keeps_none" {
  command = plan

  variables {
    rule_arns = []
  }

  assert {
    condition = (
      output.dead_letter_queue_url == null
      && !output.has_dead_letter_queue
      && length(aws_sqs_queue.dead_letter) == 0
      && length(aws_cloudwatch_metric_alarm.dead_letters) == 0
      && [for statement in jsondecode(aws_iam_role_policy.runtime.policy).Statement : statement.Sid] == ["WriteOwnLogs"]
    )
    error_message = "There is a queue that nothing comes into, or the role may send to one."
  }
}

run "log_lines_do_not_stay_for_ever" {
  command = plan

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/longshore-work" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The function's own log group has no retention."
  }
}

run "errors_and_kept_events_raise_alarms" {
  command = plan

  variables {
    alarm_actions = ["arn:aws:sns:eu-west-1:111122223333:on-call"]
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.errors.namespace == "AWS/Lambda"
      && aws_cloudwatch_metric_alarm.errors.metric_name == "Errors"
      && aws_cloudwatch_metric_alarm.errors.dimensions == tomap({ FunctionName = "longshore-work" })
      && aws_cloudwatch_metric_alarm.errors.comparison_operator == "GreaterThanThreshold"
      && aws_cloudwatch_metric_alarm.errors.threshold == 0
      && aws_cloudwatch_metric_alarm.errors.treat_missing_data == "notBreaching"
    )
    error_message = "The function's errors raise no alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.dead_letters[0].namespace == "AWS/SQS"
      && aws_cloudwatch_metric_alarm.dead_letters[0].metric_name == "ApproximateNumberOfMessagesVisible"
      && aws_cloudwatch_metric_alarm.dead_letters[0].dimensions == tomap({ QueueName = "longshore-work-dead-letters" })
      && aws_cloudwatch_metric_alarm.dead_letters[0].comparison_operator == "GreaterThanThreshold"
      && aws_cloudwatch_metric_alarm.dead_letters[0].threshold == 0
      && aws_cloudwatch_metric_alarm.dead_letters[0].treat_missing_data == "ignore"
    )
    error_message = "A kept event raises no alarm, or the alarm is over before the queue is empty."
  }

  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.errors, aws_cloudwatch_metric_alarm.dead_letters[0]] :
      alarm.alarm_actions == toset(var.alarm_actions) && alarm.ok_actions == toset(var.alarm_actions)
    ])
    error_message = "The alarms notify nobody."
  }
}

run "an_unknown_architecture_is_refused" {
  command = plan

  variables {
    architecture = "riscv64"
  }

  expect_failures = [var.architecture]
}

run "a_retention_that_cloudwatch_refuses_is_refused" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "a_concurrency_of_zero_is_refused" {
  command = plan

  variables {
    reserved_concurrency = 0
  }

  expect_failures = [var.reserved_concurrency]
}
