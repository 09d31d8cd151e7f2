# As whoever tests a configuration of theirs mocks the provider: with nothing said of
# Longshore.
mock_provider "aws" {}

variables {
  vpc_id     = "vpc-0123456789abcdef0"
  subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  token      = "a value that nobody should see"
}

run "a_plan_knows_the_names_before_the_repository_and_the_secret_are_there" {
  command = plan

  assert {
    condition     = module.shop.stack_name == "shop" && aws_ecr_repository.api.name == "shop/api"
    error_message = "The plan does not know what the stack is called."
  }
}

run "repository_secret_and_stack_are_made_by_one_apply" {
  command = apply

  assert {
    condition     = output.repository_url != "" && output.service_arn != "" && output.waits_for_images == {}
    error_message = "An output is missing where the provider is mocked."
  }
}
