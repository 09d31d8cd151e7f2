mock_provider "aws" {
  override_during = plan

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = {
      arn = "arn:aws:events:eu-west-1:111122223333:rule/longshore-image-pushed"
    }
  }
}

variables {
  name                  = "longshore-image-pushed"
  description           = "An image was pushed"
  account_id            = "111122223333"
  event_pattern         = "{\"source\":[\"aws.ecr\"]}"
  function_name         = "longshore-deploy"
  function_arn          = "arn:aws:lambda:eu-west-1:111122223333:function:longshore-deploy"
  dead_letter_queue_arn = "arn:aws:sqs:eu-west-1:111122223333:longshore-deploy-dead-letters"
}

run "the_target_is_the_function_and_loses_nothing" {
  command = plan

  assert {
    condition     = aws_cloudwatch_event_target.this.arn == var.function_arn
    error_message = "The target is not the function."
  }

  assert {
    condition     = aws_cloudwatch_event_target.this.dead_letter_config[0].arn == var.dead_letter_queue_arn
    error_message = "The target has no dead-letter queue."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.this.retry_policy[0].maximum_event_age_in_seconds == 86400
      && aws_cloudwatch_event_target.this.retry_policy[0].maximum_retry_attempts == 185
    )
    error_message = "The target is not retried for as long as AWS allows."
  }
}

run "only_events_of_the_account_match" {
  command = plan

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this.event_pattern) == {
      account = ["111122223333"]
      source  = ["aws.ecr"]
    }
    error_message = "The rule matches events that another account has put on the bus, or others than were asked for."
  }
}

run "only_this_rule_may_wake_the_function" {
  command = plan

  assert {
    condition = (
      aws_lambda_permission.this.function_name == var.function_name
      && aws_lambda_permission.this.action == "lambda:InvokeFunction"
      && aws_lambda_permission.this.principal == "events.amazonaws.com"
      && aws_lambda_permission.this.source_arn == "arn:aws:events:eu-west-1:111122223333:rule/longshore-image-pushed"
    )
    error_message = "The permission is not for this rule alone."
  }
}

run "it_listens_on_the_default_bus_unless_set_otherwise" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.event_bus_name == "default"
      && aws_cloudwatch_event_target.this.event_bus_name == "default"
    )
    error_message = "AWS's own events come on the default bus."
  }
}

run "rule_and_target_are_on_the_same_bus" {
  command = plan

  variables {
    event_bus_name = "longshore"
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.event_bus_name == "longshore"
      && aws_cloudwatch_event_target.this.event_bus_name == "longshore"
    )
    error_message = "The rule or its target is on another bus."
  }
}

run "a_pattern_without_a_source_is_refused" {
  command = plan

  variables {
    event_pattern = "{}"
  }

  expect_failures = [var.event_pattern]
}
