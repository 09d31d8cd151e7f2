# classla: a service on Fargate, behind a target group that exists, with secrets
# from Secrets Manager by JSON key.
locals {
  classla_port = 3001

  # Which of the secrets holds which variable, under the variable's own name.
  classla_secrets = {
    SUPABASE_URL              = "supabase_credentials"
    SUPABASE_ANON_KEY         = "supabase_credentials"
    SUPABASE_SERVICE_ROLE_KEY = "supabase_credentials"
    WORKOS_API_KEY            = "workos_credentials"
    WORKOS_CLIENT_ID          = "workos_credentials"
    SESSION_SECRET            = "app_secrets"
  }

  classla = local.kind != "classla" ? null : {
    name         = local.name
    environments = { for environment in compact([var.environment]) : environment => {} }
    network = {
      vpc_id     = var.vpc_id
      subnet_ids = var.private_subnet_ids
    }
    cluster = { container_insights = "enabled" }
    logs    = { retention_in_days = 90 }
    services = {
      backend = {
        image          = join(":", compact([local.repository, var.image_tag]))
        container_port = local.classla_port
        cpu            = var.container_cpu
        memory         = var.container_memory
        environment = {
          PORT     = tostring(local.classla_port)
          NODE_ENV = "production"
        }
        secrets = {
          for variable, secret in local.classla_secrets : variable => {
            value_from = try(var.secrets_arns[secret], null)
            json_key   = variable
          }
        }
        execution_role_policy_arns = [var.secrets_access_policy_arn]
        health_check = {
          command      = local.ask_health
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

  repository = var.ecr_repository_url == null ? null : replace(var.ecr_repository_url, "/^${replace(local.own_registry, ".", "\\.")}(\\.cn)?\\//", "")
}
