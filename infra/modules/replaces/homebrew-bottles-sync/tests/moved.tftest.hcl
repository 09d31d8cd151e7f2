# Stacks that modules/stack applied by itself move into this module with their state.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-west-2", region = "us-west-2" }
  }

  mock_data "aws_lambda_invocation" {
    defaults = {
      result = <<-JSON
        {
          "stack": "shop",
          "template_url": "https://longshore-state.s3.us-west-2.amazonaws.com/templates/shop/0f.json",
          "parameter_sources": {},
          "capabilities": ["CAPABILITY_IAM"],
          "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
          "tags": {
            "longshore:stack": "shop"
          },
          "warnings": []
        }
      JSON
    }
  }
}

variables {
  project_name            = "homebrew-bottles-sync"
  aws_region              = "us-west-2"
  aws_account_id          = "111122223333"
  vpc_id                  = "vpc-0123456789abcdef0"
  private_subnet_ids      = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  security_group_ids      = ["sg-0aaaaaaaaaaaaaaaa"]
  task_execution_role_arn = "arn:aws:iam::111122223333:role/homebrew-execution"
  task_role_arn           = "arn:aws:iam::111122223333:role/homebrew-task"
  container_image         = "homebrew-bottles-sync:latest"
}

run "before" {
  command   = apply
  state_key = "stack"

  module {
    source = "../../stack"
  }

  variables {
    environment = "prod"
    stack = {
      name = "homebrew-bottles-sync"
    }
  }
}

run "the_stack_is_not_made_anew" {
  command   = plan
  state_key = "stack"

  assert {
    condition     = output.stack_id == run.before.stack_id
    error_message = "Terraform would make another stack."
  }
}
