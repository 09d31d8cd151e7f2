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

  mock_resource "aws_lambda_function_url" {
    defaults = { function_url = "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws/" }
  }
}

variables {
  package_directory         = "tests/packages"
  slack_webhook_secret_name = "longshore/slack-webhook"
}

run "without_a_signing_secret_there_are_no_buttons_and_no_url" {
  command = plan

  variables {
    slack_button_users = { approve = ["*"] }
  }

  assert {
    condition = (
      output.slack_button_url == null
      && !contains(keys(output.function_names), "press")
      && !contains(keys(output.environments.notify), "SLACK_BUTTON_USERS")
      && length(aws_lambda_function_url.press) == 0
      && !strcontains(output.event_bus_policy, "longshore-press")
    )
    error_message = "There is something to press, or to send presses to, that nobody asked for."
  }
}

run "press_may_read_its_secret_and_say_one_thing" {
  command = plan

  variables {
    slack_signing_secret_name = "longshore/slack-signing"
  }

  assert {
    condition = jsondecode(output.policies.press.work).Statement == [
      {
        Sid      = "ReadSigningSecret"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-signing-??????"]
      },
      {
        Sid      = "PublishActions"
        Effect   = "Allow"
        Action   = ["events:PutEvents"]
        Resource = ["arn:aws:events:eu-west-1:111122223333:event-bus/longshore"]
        Condition = {
          "ForAllValues:StringEquals" = {
            "events:source"      = "longshore"
            "events:detail-type" = "Action Requested"
          }
        }
      },
    ]
    error_message = "press may do more or less than its work."
  }

  assert {
    condition = (
      jsondecode(output.policies.press.runtime).Statement == [
        {
          Sid      = "WriteOwnLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/a-function:*"]
        },
      ]
      && !contains(keys(output.dead_letter_queue_urls), "press")
    )
    error_message = "press may do more or less than run, or has a queue that nothing comes into."
  }

  assert {
    condition     = strcontains(output.event_bus_policy, "arn:aws:iam::111122223333:role/longshore-press")
    error_message = "The bus does not take what press says."
  }

  assert {
    condition = contains(
      flatten([for statement in jsondecode(output.permissions_boundary_policy).Statement : statement.Resource if statement.Sid == "KeepOutOfLongshore"]),
      "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-signing-??????",
    )
    error_message = "A task of a stack could read the signing secret, and press buttons."
  }
}

run "press_and_notify_are_told_who_may_press_what" {
  command = plan

  variables {
    slack_signing_secret_name = "longshore/slack-signing"
    slack_team_id             = "T024BE7LD"
    slack_button_users        = { approve = ["U024BE7LH"], rollback = ["*"] }
  }

  assert {
    condition = jsondecode(output.environments.press["SLACK_BUTTON_USERS"]) == {
      approve = ["U024BE7LH"], reject = [], rollback = ["*"], hold = [], resume = []
    }
    error_message = "Others may press, or press something else."
  }

  assert {
    condition = (
      output.environments.notify["SLACK_BUTTON_USERS"] == output.environments.press["SLACK_BUTTON_USERS"]
      && output.environments.press["SLACK_SIGNING_SECRET_NAME"] == "longshore/slack-signing"
      && output.environments.press["SLACK_TEAM_ID"] == "T024BE7LD"
      && output.slack_button_url == "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws/"
      && aws_lambda_function_url.press[0].authorization_type == "NONE"
    )
    error_message = "notify shows other buttons than press takes, or press has another secret, workspace or address."
  }
}

run "nobody_but_press_and_named_readers_reads_the_signing_secret" {
  command = plan

  variables {
    slack_signing_secret_name = "longshore/slack-signing"
    slack_signing_secret_arn  = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:longshore/slack-signing-AbCdEf"
    slack_secret_reader_arns  = ["arn:aws:iam::111122223333:role/rotation"]
  }

  assert {
    condition = jsondecode(output.slack_signing_secret_policy).Statement == [
      {
        Sid       = "RefuseOtherReaders"
        Effect    = "Deny"
        Principal = "*"
        Action    = "secretsmanager:GetSecretValue"
        Resource  = "*"
        Condition = {
          ArnNotLike = {
            "aws:PrincipalArn" = [
              "arn:aws:iam::111122223333:role/longshore-press",
              "arn:aws:iam::111122223333:role/rotation",
            ]
          }
        }
      },
    ]
    error_message = "Others may read the signing secret, or its policy refuses more than reading."
  }
}

run "one_secret_for_both_is_refused" {
  command = plan

  variables {
    slack_signing_secret_name = "longshore/slack-webhook"
  }

  expect_failures = [var.slack_signing_secret_name]
}

run "a_name_in_place_of_an_id_of_slack_is_refused" {
  command = plan

  variables {
    slack_button_users = { approve = ["ada"] }
  }

  expect_failures = [var.slack_button_users]
}

run "a_name_in_place_of_the_id_of_the_workspace_is_refused" {
  command = plan

  variables {
    slack_team_id = "shop"
  }

  expect_failures = [var.slack_team_id]
}
