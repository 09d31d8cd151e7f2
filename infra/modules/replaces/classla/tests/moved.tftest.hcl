# Stacks that modules/stack applied by itself move into this module with their state.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1", region = "eu-west-1" }
  }

  mock_data "aws_lambda_invocation" {
    defaults = {
      result = <<-JSON
        {
          "stack": "shop",
          "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/shop/0f.json",
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
  environment               = "prod"
  vpc_id                    = "vpc-0123456789abcdef0"
  private_subnet_ids        = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  alb_security_group_id     = "sg-0aaaaaaaaaaaaaaaa"
  alb_target_group_arn      = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/classla/0123456789abcdef"
  ecr_repository_url        = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/classla-backend"
  secrets_access_policy_arn = "arn:aws:iam::111122223333:policy/classla-secrets"
  secrets_arns = {
    supabase_credentials = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:supabase-AbCdEf"
    workos_credentials   = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:workos-AbCdEf"
    app_secrets          = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf"
  }
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
      name = "classla"
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
