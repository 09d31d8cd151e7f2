# As whoever tests a configuration of theirs mocks the provider: with nothing said of
# Longshore.
mock_provider "aws" {}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
}

run "everything_is_planned_before_anything_is_there" {
  command = plan
}

run "everything_is_made_by_one_apply" {
  command = apply

  assert {
    condition     = output.service_name != null && output.waits_for_images == {}
    error_message = "An output is missing where the provider is mocked."
  }
}
