# What this installation lets its stacks have. provision and the command line read
# it, and refuse a stack file that asks for more, with the variable that widens it:
# otherwise IAM would cut a role's rights in silence, and CloudFormation would be
# refused in the middle of its work.
resource "aws_s3_object" "installation" {
  bucket       = module.state_bucket.name
  key          = "installation/limits.json"
  content_type = "application/json"

  content = jsonencode({
    account_id            = local.account_id
    partition             = local.partition
    region                = local.region
    permissions_boundary  = jsondecode(local.permissions_boundary_policy)
    bucket_names          = concat(var.mirror_bucket_names, var.bucket_names)
    mirror_bucket_names   = var.mirror_bucket_names
    stack_role_arns       = var.stack_role_arns
    cluster_names         = var.cluster_names
    repository_names      = var.repository_names
    image_parameter_names = var.image_parameter_names
  })
}
