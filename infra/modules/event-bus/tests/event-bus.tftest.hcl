mock_provider "aws" {
  override_during = plan

  mock_resource "aws_cloudwatch_event_bus" {
    defaults = { arn = "arn:aws:events:eu-west-1:111122223333:event-bus/longshore" }
  }
}

variables {
  name                  = "longshore"
  publisher_arns        = ["arn:aws:iam::111122223333:role/longshore-deploy"]
  limited_publisher_arn = "arn:aws:iam::111122223333:role/longshore/*"
  limited_detail_types  = ["Sync Shard Completed"]
}

run "the_bus_has_the_name_it_was_given" {
  command = plan

  assert {
    condition     = aws_cloudwatch_event_bus.this.name == "longshore"
    error_message = "The bus has another name."
  }
}

run "the_bus_refuses_everybody_but_its_publishers" {
  command = plan

  assert {
    condition = jsonencode([
      for statement in jsondecode(aws_cloudwatch_event_bus_policy.this.policy).Statement :
      [statement.Effect, statement.Principal, statement.Condition]
      ]) == jsonencode([
      ["Deny", "*", { ArnNotLike = { "aws:PrincipalArn" = concat(var.publisher_arns, [var.limited_publisher_arn]) } }],
      ["Deny", "*", {
        ArnLike                       = { "aws:PrincipalArn" = var.limited_publisher_arn }
        "ForAnyValue:StringNotEquals" = { "events:detail-type" = var.limited_detail_types }
      }],
    ])
    error_message = "Somebody else may put events on the bus."
  }
}

run "the_default_bus_is_refused" {
  command = plan

  variables {
    name = "default"
  }

  expect_failures = [var.name]
}
