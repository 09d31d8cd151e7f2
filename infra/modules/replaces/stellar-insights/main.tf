# stellar-insights: a service on EC2 instances, behind a target group that exists,
# with secrets from Vault.
locals {
  is_development = contains(["dev", "development"], var.environment)
  is_production  = contains(["prod", "production"], var.environment)

  secret_values = {
    backend = {
      DATABASE_URL = var.db_url
      REDIS_URL    = var.redis_url
    }
  }
}

# The inputs name the subnets but not their VPC.
data "aws_subnet" "first" {
  id = var.subnets[0]
}

module "stack" {
  source = "../../stack"

  environment             = var.environment
  images                  = { backend = var.container_image }
  health_check_paths      = { backend = "/health" }
  secret_values           = local.secret_values
  provision_function_name = var.provision_function_name
  timeout                 = var.timeout

  stack = {
    name         = coalesce(var.name, var.project)
    environments = { (var.environment) = {} }
    tags         = { Project = var.project, Environment = var.environment }
    network = {
      vpc_id     = data.aws_subnet.first.vpc_id
      subnet_ids = var.subnets
    }
    cluster = { cluster_name = var.cluster_name }
    capacity = {
      main = {
        instance_type = var.instance_type
        min_size      = var.min_size
        max_size      = var.max_size
      }
    }
    alarms = {}
    services = {
      backend = merge(
        {
          container_port = var.container_port
          cpu            = local.is_development ? 256 : 512
          memory         = local.is_development ? 512 : 1024
          environment = merge(
            { ENVIRONMENT = var.environment },
            var.vault_role == null ? { VAULT_ADDR = var.vault_addr } : {},
          )
          health_check               = { interval = 30 }
          stop_timeout               = 30
          desired_count              = var.desired_count
          capacity_provider_strategy = [{ capacity_provider = "main" }]
          security_group_ids         = var.security_groups
          target_group               = { target_group_arn = var.target_group_arn }
        },
        var.vault_role == null ? {} : {
          vault = {
            address = var.vault_addr
            role    = var.vault_role
            paths   = var.vault_paths
          }
        },
        # Elsewhere the number of tasks does not change.
        !local.is_production ? {} : {
          scaling = {
            min_capacity           = var.desired_count
            max_capacity           = max(var.desired_count, var.max_size)
            target_cpu_utilization = 70
            # Minutes. With the minute that CloudWatch takes, tasks are added within
            # two and removed within five.
            scale_out_evaluation_periods = 1
            scale_in_evaluation_periods  = 4
            scale_out_cooldown           = 60
            scale_in_cooldown            = 240
          }
        },
      )
    }
  }
}

# Stacks that modules/stack applied by itself, before this module took its inputs.
moved {
  from = aws_cloudformation_stack.this
  to   = module.stack.aws_cloudformation_stack.this
}

moved {
  from = aws_secretsmanager_secret.this
  to   = module.stack.aws_secretsmanager_secret.this
}

moved {
  from = aws_secretsmanager_secret_version.this
  to   = module.stack.aws_secretsmanager_secret_version.this
}
