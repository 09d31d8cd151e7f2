# The block as classla has it, with nothing changed but the source.
mock_provider "aws" {
  override_during = plan

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
        "stack": "classla-prod",
        "template_url": "https://longshore-state.s3.eu-west-1.amazonaws.com/templates/classla-prod/0f.json",
        "parameter_sources": {},
        "capabilities": ["CAPABILITY_IAM"],
        "cloudformation_role_arn": "arn:aws:iam::111122223333:role/longshore-cloudformation",
        "tags": {
          "longshore:stack": "classla-prod"
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
        "cluster_name": "classla-prod",
        "cluster_arn": "arn:aws:ecs:eu-west-1:111122223333:cluster/classla-prod",
        "service_name": "classla-prod-backend",
        "task_definition_arn": "arn:aws:ecs:eu-west-1:111122223333:task-definition/classla-prod-backend:1",
        "security_group_id": "sg-0123456789abcdef0",
        "task_execution_role_arn": "arn:aws:iam::111122223333:role/longshore/execution",
        "task_role_arn": "arn:aws:iam::111122223333:role/longshore/task"
      }
    JSON
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
  container_cpu             = 512
  container_memory          = 1024

  secrets_arns = {
    supabase_credentials = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:supabase-AbCdEf"
    workos_credentials   = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:workos-AbCdEf"
    app_secrets          = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf"
  }
}

run "provision_is_asked_to_render_exactly_this" {
  command = plan

  assert {
    condition = module.stack.request == jsonencode({
      action      = "render"
      environment = "prod"
      stack = {
        name         = "classla"
        environments = { prod = {} }
        network = {
          vpc_id     = "vpc-0123456789abcdef0"
          subnet_ids = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
        }
        cluster = { container_insights = "enabled" }
        logs    = { retention_in_days = 90 }
        services = {
          backend = {
            image          = "classla-backend:latest"
            container_port = 3001
            cpu            = 512
            memory         = 1024
            environment    = { NODE_ENV = "production", PORT = "3001" }
            secrets = {
              SESSION_SECRET = {
                value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app-AbCdEf"
                json_key   = "SESSION_SECRET"
              }
              SUPABASE_ANON_KEY = {
                value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:supabase-AbCdEf"
                json_key   = "SUPABASE_ANON_KEY"
              }
              SUPABASE_SERVICE_ROLE_KEY = {
                value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:supabase-AbCdEf"
                json_key   = "SUPABASE_SERVICE_ROLE_KEY"
              }
              SUPABASE_URL = {
                value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:supabase-AbCdEf"
                json_key   = "SUPABASE_URL"
              }
              WORKOS_API_KEY = {
                value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:workos-AbCdEf"
                json_key   = "WORKOS_API_KEY"
              }
              WORKOS_CLIENT_ID = {
                value_from = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:workos-AbCdEf"
                json_key   = "WORKOS_CLIENT_ID"
              }
            }
            execution_role_policy_arns = ["arn:aws:iam::111122223333:policy/classla-secrets"]
            health_check = {
              command = [
                "CMD-SHELL",
                "wget -q -O /dev/null http://localhost:3001/health || curl -fsS -o /dev/null http://localhost:3001/health || exit 1",
              ]
              interval     = 30
              retries      = 3
              start_period = 60
            }
            security_group = {
              ingress = [{
                security_group_id = "sg-0aaaaaaaaaaaaaaaa"
                description       = "The load balancer"
              }]
            }
            target_group = {
              target_group_arn = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/classla/0123456789abcdef"
            }
            health_check_grace_period_seconds = 60
            desired_count                     = 1
            deployment_configuration          = { minimum_healthy_percent = 100, maximum_percent = 200 }
            scaling = {
              min_capacity              = 1
              max_capacity              = 2
              target_cpu_utilization    = 70
              target_memory_utilization = 80
              scale_out_cooldown        = 60
              scale_in_cooldown         = 300
            }
          }
        }
      }
    })
    error_message = "provision is asked for another stack."
  }
}

run "every_output_comes_back_under_its_name" {
  command = apply

  assert {
    condition = {
      cluster_name            = output.cluster_name
      cluster_arn             = output.cluster_arn
      service_name            = output.service_name
      task_definition_arn     = output.task_definition_arn
      security_group_id       = output.security_group_id
      task_execution_role_arn = output.task_execution_role_arn
      task_role_arn           = output.task_role_arn
      } == {
      cluster_name            = "classla-prod"
      cluster_arn             = "arn:aws:ecs:eu-west-1:111122223333:cluster/classla-prod"
      service_name            = "classla-prod-backend"
      task_definition_arn     = "arn:aws:ecs:eu-west-1:111122223333:task-definition/classla-prod-backend:1"
      security_group_id       = "sg-0123456789abcdef0"
      task_execution_role_arn = "arn:aws:iam::111122223333:role/longshore/execution"
      task_role_arn           = "arn:aws:iam::111122223333:role/longshore/task"
    }
    error_message = "An output is another one."
  }

  assert {
    condition     = output.asg_name == null && output.efs_file_system_id == null
    error_message = "An output of something that the stack has not is not null."
  }
}

run "a_missing_secret_is_named" {
  command = plan

  variables {
    secrets_arns = { supabase_credentials = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:supabase-AbCdEf" }
  }

  expect_failures = [var.secrets_arns]
}

run "an_image_of_another_registry_keeps_it" {
  command = plan

  variables {
    ecr_repository_url = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/classla-backend"
    image_tag          = "v1"
  }

  assert {
    condition     = jsondecode(module.stack.request).stack.services.backend.image == "444455556666.dkr.ecr.eu-west-1.amazonaws.com/classla-backend:v1"
    error_message = "The image would be looked for in this account."
  }
}
