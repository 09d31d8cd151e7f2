# stellar-insights: a service on EC2 instances, behind a target group that exists,
# with secrets from Vault.
locals {
  stellar_insights = local.kind != "stellar-insights" ? null : {
    name         = local.name
    environments = { for environment in compact([var.environment]) : environment => {} }
    tags         = { Project = var.project, Environment = var.environment }
    network = {
      vpc_id     = data.aws_subnet.first[0].vpc_id
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
          image          = local.image
          container_port = var.container_port
          cpu            = contains(["dev", "development"], var.environment) ? 256 : 512
          memory         = contains(["dev", "development"], var.environment) ? 512 : 1024
          environment = merge(
            { ENVIRONMENT = var.environment },
            var.vault_role == null ? { VAULT_ADDR = var.vault_addr } : {},
          )
          secrets = try(local.secret_references.backend, {})
          health_check = {
            command  = local.ask_health
            interval = 30
          }
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
        # Elsewhere the number of tasks stays what it is.
        !contains(["prod", "production"], var.environment) ? {} : {
          scaling = {
            min_capacity           = var.desired_count
            max_capacity           = max(var.desired_count, var.max_size)
            target_cpu_utilization = 70
            # Minutes. With the minute that CloudWatch takes, tasks are added within
            # two and taken away within five.
            scale_out_evaluation_periods = 1
            scale_in_evaluation_periods  = 4
            scale_out_cooldown           = 60
            scale_in_cooldown            = 240
          }
        },
      )
    }
  }

  # Images have one of the two, if any.
  ask_health = [
    "CMD-SHELL",
    join(" || ", [
      "wget -q -O /dev/null http://localhost:${local.health_port}/health",
      "curl -fsS -o /dev/null http://localhost:${local.health_port}/health",
      "exit 1",
    ]),
  ]
  health_port = local.kind == "classla" ? local.classla_port : var.container_port
}

# The inputs name the subnets but not their VPC.
data "aws_subnet" "first" {
  count = local.kind == "stellar-insights" ? 1 : 0

  id = try(var.subnets[0], null)
}
