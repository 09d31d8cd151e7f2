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
  cluster_name     = "stellar-insights-prod"
  container_image  = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/stellar-insights-backend:latest"
  instance_type    = "t3.small"
  subnets          = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  security_groups  = ["sg-0aaaaaaaaaaaaaaaa"]
  target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/stellar/0123456789abcdef"
  vault_addr       = "https://vault.example.com"
  db_url           = "postgresql://user:pass@db.example.com/stellar_insights"
  redis_url        = "redis://:token@redis.example.com"
  environment      = "prod"
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
      name     = "stellar-insights"
      services = { backend = {} }
    }

    secret_values = { backend = { DATABASE_URL = var.db_url, REDIS_URL = var.redis_url } }
  }
}

run "the_stack_is_not_made_anew" {
  command   = plan
  state_key = "stack"

  assert {
    condition     = output.stack_id == run.before.stack_id
    error_message = "Terraform would make another stack."
  }

  assert {
    condition = (
      jsondecode(module.stack.request).stack.services.backend.secrets
      == jsondecode(run.before.request).stack.services.backend.secrets
    )
    error_message = "Terraform would make other secrets."
  }
}
