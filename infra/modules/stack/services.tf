# The stack as provision gets it: var.stack, with what the other inputs add to its
# services.
locals {
  # ECR's address of this account and region. Longshore knows a repository there by
  # its name alone, and deploys what is pushed to it.
  own_registry = "${data.aws_caller_identity.current.account_id}.dkr.ecr.${local.region}.amazonaws.com"

  images = {
    for service, image in var.images : service => {
      image = replace(image, "/^${replace(local.own_registry, ".", "\\.")}(\\.cn)?\\//", "")
    }
  }

  health_checks = {
    for service, path in var.health_check_paths : service => {
      health_check = merge(
        {
          # An image has wget or curl, if it has either.
          command = [
            "CMD-SHELL",
            join(" || ", [
              "wget -q -O /dev/null http://localhost:${try(var.stack.services[service].container_port, "")}${path}",
              "curl -fsS -o /dev/null http://localhost:${try(var.stack.services[service].container_port, "")}${path}",
              "exit 1",
            ]),
          ]
        },
        try(var.stack.services[service].health_check, {}),
      )
    }
  }

  secrets = {
    for service, references in local.secret_references : service => {
      secrets = merge(try(var.stack.services[service].secrets, {}), references)
    }
  }

  extended_services = {
    for service in distinct(concat(keys(local.images), keys(local.health_checks), keys(local.secrets))) : service => merge(
      try(var.stack.services[service], {}),
      try(local.images[service], {}),
      try(local.health_checks[service], {}),
      try(local.secrets[service], {}),
    )
  }

  stack = merge(
    var.stack,
    # A stack to which nothing is added goes to provision unchanged, with whatever
    # is wrong in it.
    length(local.extended_services) == 0 ? {} : { services = merge(try(var.stack.services, {}), local.extended_services) },
  )
}
