# As whoever tests a configuration of theirs mocks the provider. Only an apply needs
# more than the first line, here as with every module that makes a function: the
# provider checks the form of the ARNs that Terraform makes up.
mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mocked" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/mocked" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:123456789012:mocked" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:us-east-1:123456789012:function:mocked" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:us-east-1:123456789012:rule/mocked" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:mocked" }
  }
}

mock_provider "aws" {
  alias = "nothing_said"
}

variables {
  package_directory = "tests/packages"
  slack_webhook_url = "https://hooks.example.com/services/T/B/x"
}

run "everything_is_planned_with_nothing_said_of_what_is_mocked" {
  command = plan

  providers = {
    aws = aws.nothing_said
  }

  assert {
    condition     = output.provision_function_name == "longshore-provision"
    error_message = "The plan does not know what the function is called."
  }
}

run "everything_is_made_by_one_apply" {
  command = apply

  assert {
    condition     = startswith(output.state_bucket_name, "longshore-state-")
    error_message = "The bucket has another name."
  }
}
