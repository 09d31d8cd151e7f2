# homebrew-bottles-sync: large tasks on Fargate with a file system, none of them
# while idle, with roles and security groups that exist.
locals {
  # Provider 6 says `region`, and warns of `name` and `id`; provider 5 has only those.
  # `lookup` in the whole object works with both, and neither warns.
  region = try(lookup(data.aws_region.current, "region"), lookup(data.aws_region.current, "name"))

  # Where the container may write: on EFS, or else on scratch space of the task.
  temporary_path = lookup(var.environment_variables, "TEMP_STORAGE_PATH", "/tmp/bottles")

  # ECS's own form for a key of a secret: <ARN>:<key>:<version stage>:<version id>.
  secret_with_key = "^(arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+):([^:]+)::$"
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

module "stack" {
  source = "../../stack"

  environment             = var.environment
  images                  = { sync = var.container_image }
  health_check_paths      = { sync = "/health" }
  provision_function_name = var.provision_function_name
  timeout                 = var.timeout

  stack = {
    name         = coalesce(var.name, var.project_name)
    environments = { (var.environment) = {} }
    tags         = var.tags
    network = {
      vpc_id     = var.vpc_id
      subnet_ids = var.private_subnet_ids
      flow_logs  = {}
    }
    logs = {
      retention_in_days = var.log_retention_days
      encryption        = "stack_key"
    }
    file_systems = { for name in var.enable_efs_storage ? ["bottles"] : [] : name => merge(
      {
        performance_mode = var.efs_performance_mode
        throughput_mode  = var.efs_throughput_mode
        backup           = true
        access_points = {
          sync = {
            posix_user     = { uid = 1000, gid = 1000 }
            root_directory = { path = "/bottles" }
          }
        }
      },
      var.efs_throughput_mode == "provisioned" ? { provisioned_throughput_in_mibps = var.efs_provisioned_throughput } : {},
    ) }
    services = {
      sync = merge(
        {
          service_name   = var.project_name
          user           = "1000:1000"
          container_port = var.container_port
          cpu            = var.task_cpu
          memory         = var.task_memory
          environment = merge(
            { TEMP_STORAGE_PATH = local.temporary_path },
            { for name, value in var.environment_variables : name => value if name != "LOG_LEVEL" },
          )
          log_level = lookup(var.environment_variables, "LOG_LEVEL", var.log_level)
          secrets = {
            for name, secret in var.secrets : name => {
              for field, value in {
                value_from = try(regex(local.secret_with_key, secret)[0], secret)
                json_key   = try(regex(local.secret_with_key, secret)[1], "")
              } : field => value if value != ""
            }
          }
          # ECS Exec writes to the root file system.
          readonly_root_filesystem = !var.enable_execute_command
          enable_execute_command   = var.enable_execute_command
          mount_points = [merge(
            { container_path = local.temporary_path },
            var.enable_efs_storage ? { file_system = "bottles", access_point = "sync" } : {},
          )]
          security_group_ids                = var.security_group_ids
          execution_role_arn                = var.task_execution_role_arn
          task_role_arn                     = var.task_role_arn
          health_check_grace_period_seconds = var.health_check_grace_period
          desired_count                     = var.min_capacity
        },
        !var.enable_auto_scaling ? {} : {
          scaling = {
            min_capacity                 = var.min_capacity
            max_capacity                 = var.max_capacity
            target_cpu_utilization       = var.target_cpu_utilization
            target_memory_utilization    = var.target_memory_utilization
            custom_metrics               = [for metric in var.custom_metrics : { for name, value in metric : name => value if value != null }]
            scale_out_cooldown           = 300
            scale_in_cooldown            = 600
            scale_out_evaluation_periods = 2
            scale_in_evaluation_periods  = 5
          }
        },
        var.schedule_expression == null ? {} : {
          schedules = { sync = { schedule_expression = var.schedule_expression } }
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
