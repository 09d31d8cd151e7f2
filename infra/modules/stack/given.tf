# A stack as a stack file has it.
locals {
  given = local.kind != "stack" ? null : merge(
    var.stack,
    length(local.secret_references) == 0 ? {} : {
      services = {
        for name, service in var.stack.services : name => merge(
          service,
          contains(keys(local.secret_references), name) ? {
            secrets = merge(try(service.secrets, {}), local.secret_references[name])
          } : {},
        )
      }
    },
  )
}
