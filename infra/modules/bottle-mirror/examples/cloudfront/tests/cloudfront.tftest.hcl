# As whoever tests a configuration of theirs mocks the provider: with nothing said of
# Longshore.
mock_provider "aws" {}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  region     = "eu-west-1"
}

run "a_mirror_is_planned" {
  command = plan
}

run "a_mirror_is_made_by_one_apply" {
  command = apply

  assert {
    condition     = length(output.environment) == 3
    error_message = "brew is not told where the mirror is."
  }
}
