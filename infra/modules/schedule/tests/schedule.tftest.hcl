mock_provider "aws" {
  override_during = plan

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/longshore-reconcile" }
  }
}

variables {
  name                  = "longshore-reconcile"
  description           = "Closes what events failed to close"
  account_id            = "111122223333"
  schedule_expression   = "rate(15 minutes)"
  action                = "reconcile"
  function_arn          = "arn:aws:lambda:eu-west-1:111122223333:function:longshore-deploy"
  dead_letter_queue_arn = "arn:aws:sqs:eu-west-1:111122223333:longshore-deploy-dead-letters"
}

run "the_input_is_what_the_function_reads" {
  command = plan

  assert {
    condition = output.input == join("", [
      "{\"action\":\"reconcile\",\"attempt_number\":\"<aws.scheduler.attempt-number>\",",
      "\"execution_id\":\"<aws.scheduler.execution-id>\",\"schedule_arn\":\"<aws.scheduler.schedule-arn>\",",
      "\"scheduled_time\":\"<aws.scheduler.scheduled-time>\"}",
    ])
    error_message = "The input is not the action with Scheduler's context attributes, unescaped."
  }
}

run "the_role_may_wake_this_function_and_nothing_else" {
  command = plan

  assert {
    condition = [for statement in jsondecode(output.policy).Statement : [statement.Action, statement.Resource]] == [
      [["lambda:InvokeFunction"], [var.function_arn]],
      [["sqs:SendMessage"], [var.dead_letter_queue_arn]],
    ]
    error_message = "The role may do more, or less, than wake the function and keep what was not delivered."
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    error_message = "Another account's schedule could take the role."
  }
}

run "a_run_that_cannot_be_delivered_is_kept" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.this.target[0].dead_letter_config[0].arn == var.dead_letter_queue_arn
    error_message = "The schedule has no dead-letter queue."
  }
}

run "an_expression_that_scheduler_does_not_know_is_refused" {
  command = plan

  variables {
    schedule_expression = "every 15 minutes"
  }

  expect_failures = [var.schedule_expression]
}

run "an_expression_without_a_time_zone_is_in_utc" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression_timezone == "UTC"
    error_message = "The schedule runs in a time zone that nobody asked for."
  }
}

run "an_expression_may_have_a_time_zone" {
  command = plan

  variables {
    schedule_expression = "cron(0 9 ? * MON *)"
    time_zone           = "Europe/Ljubljana"
  }

  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression_timezone == "Europe/Ljubljana"
    error_message = "The schedule does not run in the time zone that was asked for."
  }
}

run "what_is_not_the_name_of_a_time_zone_is_refused" {
  command = plan

  variables {
    time_zone = "+01:00"
  }

  expect_failures = [var.time_zone]
}
