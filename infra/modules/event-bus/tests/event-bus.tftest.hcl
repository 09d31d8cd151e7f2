mock_provider "aws" {
  override_during = plan
}

run "the_bus_has_the_name_it_was_given" {
  command = plan

  variables {
    name = "longshore"
  }

  assert {
    condition     = aws_cloudwatch_event_bus.this.name == "longshore"
    error_message = "The bus has another name."
  }
}

run "the_default_bus_is_refused" {
  command = plan

  variables {
    name = "default"
  }

  expect_failures = [var.name]
}
