# The block as stellar-insights has it, with nothing changed but the source.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-west-1", region = "eu-west-1" }
  }
}

override_data {
  override_during = plan
  target          = module.stack.data.aws_lambda_invocation.render
  values = {
    result = <<-JSON
      {
        "stack": "stellar-insights-prod",
        "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/stellar-insights-prod/0f.json",
        "parameter_sources": {},
        "capabilities": ["CAPABILITY_IAM"],
        "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
        "tags": {
          "longshore:stack": "stellar-insights-prod"
        },
        "warnings": []
      }
    JSON
  }
}

override_data {
  override_during = plan
  target          = module.stack.data.aws_lambda_invocation.outputs
  values = {
    result = <<-JSON
      {
        "cluster_name": "stellar-insights-prod",
        "cluster_arn": "arn:aws:ecs:eu-west-1:111122223333:cluster/stellar-insights-prod",
        "service_name": "stellar-insights-prod-backend",
        "service_arn": "arn:aws:ecs:eu-west-1:111122223333:service/stellar-insights-prod/stellar-insights-prod-backend",
        "asg_name": "stellar-insights-prod-main"
      }
    JSON
  }
}

override_data {
  override_during = plan
  target          = data.aws_subnet.first
  values          = { vpc_id = "vpc-0123456789abcdef0" }
}

override_resource {
  target = module.stack.aws_secretsmanager_secret.this["backend/DATABASE_URL"]
  values = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:stellar-insights-prod/backend/DATABASE_URL-AbCdEf" }
}

override_resource {
  target = module.stack.aws_secretsmanager_secret.this["backend/REDIS_URL"]
  values = { arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:stellar-insights-prod/backend/REDIS_URL-AbCdEf" }
}

variables {
  cluster_name     = "stellar-insights-prod"
  container_image  = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/stellar-insights-backend:latest"
  desired_count    = 2
  min_size         = 1
  max_size         = 4
  instance_type    = "t3.small"
  subnets          = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  security_groups  = ["sg-0aaaaaaaaaaaaaaaa"]
  target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/stellar/0123456789abcdef"
  vault_addr       = "https://vault.example.com"
  db_url           = "postgresql://user:pass@db.example.com/stellar_insights"
  redis_url        = "redis://:token@redis.example.com"
  environment      = "prod"
  project          = "stellar-insights"
}

run "provision_is_asked_to_render_exactly_this" {
  command = apply

  assert {
    condition = module.stack.request == jsonencode({
      action      = "render"
      environment = "prod"
      stack = {
        name         = "stellar-insights"
        environments = { prod = {} }
        tags         = { Project = "stellar-insights", Environment = "prod" }
        network = {
          vpc_id     = "vpc-0123456789abcdef0"
          subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
        }
        cluster  = { cluster_name = "stellar-insights-prod" }
        capacity = { main = { instance_type = "t3.small", min_size = 1, max_size = 4 } }
        alarms   = {}
        services = {
          backend = {
            image          = "stellar-insights-backend:latest"
            container_port = 8080
            cpu            = 512
            memory         = 1024
            environment    = { ENVIRONMENT = "prod", VAULT_ADDR = "https://vault.example.com" }
            secrets = {
              DATABASE_URL = { value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:stellar-insights-prod/backend/DATABASE_URL-AbCdEf" }
              REDIS_URL    = { value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:stellar-insights-prod/backend/REDIS_URL-AbCdEf" }
            }
            health_check = {
              command = [
                "CMD-SHELL",
                "wget -q -O /dev/null http://localhost:8080/health || curl -fsS -o /dev/null http://localhost:8080/health || exit 1",
              ]
              interval = 30
            }
            stop_timeout               = 30
            desired_count              = 2
            capacity_provider_strategy = [{ capacity_provider = "main" }]
            security_group_ids         = ["sg-0aaaaaaaaaaaaaaaa"]
            target_group = {
              target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/stellar/0123456789abcdef"
            }
            scaling = {
              min_capacity                 = 2
              max_capacity                 = 4
              target_cpu_utilization       = 70
              scale_out_evaluation_periods = 1
              scale_in_evaluation_periods  = 4
              scale_out_cooldown           = 60
              scale_in_cooldown            = 240
            }
          }
        }
      }
    })
    error_message = "provision is asked for another stack."
  }
}

run "values_of_secrets_are_sent_to_nobody_but_secrets_manager" {
  command = apply

  assert {
    condition     = !strcontains(module.stack.request, "pass@") && !strcontains(module.stack.request, "token@")
    error_message = "provision is sent the value of a secret."
  }

  assert {
    condition = nonsensitive(local.secret_values) == {
      backend = {
        DATABASE_URL = "postgresql://user:pass@db.example.com/stellar_insights"
        REDIS_URL    = "redis://:token@redis.example.com"
      }
    }
    error_message = "Secrets Manager is sent other values."
  }
}

run "dev_is_smaller_and_does_not_scale" {
  command = apply

  variables {
    environment   = "dev"
    instance_type = "t3.micro"
  }

  assert {
    condition = (
      jsondecode(module.stack.request).stack.services.backend.cpu == 256
      && jsondecode(module.stack.request).stack.services.backend.memory == 512
      && !can(jsondecode(module.stack.request).stack.services.backend.scaling)
      && jsondecode(module.stack.request).environment == "dev"
    )
    error_message = "dev is not as it was described."
  }
}

run "a_vault_role_lets_the_container_log_in" {
  command = apply

  variables {
    vault_role  = "backend"
    vault_paths = ["secret/data/stellar"]
  }

  assert {
    condition = (
      jsondecode(module.stack.request).stack.services.backend.vault == {
        address = "https://vault.example.com"
        role    = "backend"
        paths   = ["secret/data/stellar"]
      }
      && !can(jsondecode(module.stack.request).stack.services.backend.environment.VAULT_ADDR)
    )
    error_message = "The container would not find Vault."
  }
}

run "every_output_comes_back_under_its_name" {
  command = apply

  assert {
    condition = {
      cluster_name = output.cluster_name
      cluster_arn  = output.cluster_arn
      service_name = output.service_name
      service_arn  = output.service_arn
      asg_name     = output.asg_name
      } == {
      cluster_name = "stellar-insights-prod"
      cluster_arn  = "arn:aws:ecs:eu-west-1:111122223333:cluster/stellar-insights-prod"
      service_name = "stellar-insights-prod-backend"
      service_arn  = "arn:aws:ecs:eu-west-1:111122223333:service/stellar-insights-prod/stellar-insights-prod-backend"
      asg_name     = "stellar-insights-prod-main"
    }
    error_message = "An output is another one."
  }
}

run "at_least_one_subnet_is_needed" {
  command = plan

  variables {
    subnets = []
  }

  expect_failures = [var.subnets]
}
