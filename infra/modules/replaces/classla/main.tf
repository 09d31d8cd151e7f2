# classla: a service on Fargate, behind a target group that exists, with secrets
# from Secrets Manager by JSON key.
locals {
  container_port = 3001

  # Which secret holds which variable, under the variable's own name.
  secrets = {
    SUPABASE_URL              = "supabase_credentials"
    SUPABASE_ANON_KEY         = "supabase_credentials"
    SUPABASE_SERVICE_ROLE_KEY = "supabase_credentials"
    WORKOS_API_KEY            = "workos_credentials"
    WORKOS_CLIENT_ID          = "workos_credentials"
    SESSION_SECRET            = "app_secrets"
  }
}

module "stack" {
  source = "../../stack"

  environment             = var.environment
  images                  = { backend = join(":", compact([var.ecr_repository_url, var.image_tag])) }
  health_check_paths      = { backend = "/health" }
  provision_function_name = var.provision_function_name
  timeout                 = var.timeout

  stack = {
    name         = var.name
    environments = { (var.environment) = {} }
    network = {
      vpc_id     = var.vpc_id
      subnet_ids = var.private_subnet_ids
    }
    cluster = { container_insights = "enabled" }
    logs    = { retention_in_days = 90 }
    services = {
      backend = {
        container_port = local.container_port
        cpu            = var.container_cpu
        memory         = var.container_memory
        environment = {
          PORT     = tostring(local.container_port)
          NODE_ENV = "production"
        }
        secrets = {
          for variable, secret in local.secrets : variable => {
            # Where the key is missing, the variable's validation says so.
            value_from = lookup(var.secrets_arns, secret, null)
            json_key   = variable
          }
        }
        execution_role_policy_arns = [var.secrets_access_policy_arn]
        health_check = {
          interval     = 30
          retries      = 3
          start_period = 60
        }
        security_group = {
          ingress = [{
            security_group_id = var.alb_security_group_id
            description       = "The load balancer"
          }]
        }
        target_group                      = { target_group_arn = var.alb_target_group_arn }
        health_check_grace_period_seconds = 60
        desired_count                     = 1
        deployment_configuration = {
          minimum_healthy_percent = 100
          maximum_percent         = 200
        }
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
}

# Stacks that modules/stack applied by itself, before this module took its inputs.
moved {
  from = aws_cloudformation_stack.this
  to   = module.stack.aws_cloudformation_stack.this
}
