# The only calls that may be allowed on the resource "*", each with its reason.
# The tests refuse any other.
locals {
  actions_without_resource_level = {
    "ecs:DescribeTaskDefinition" = "AWS checks it against no resource: a statement that names task definitions never matches."
    "ecs:RegisterTaskDefinition" = "AWS has been seen to check it against \"*\" as well as against the family, and only \"*\" matches both; what a definition may do is bounded by iam:PassRole."
    "ecs:ListTasks"              = "Its only resource type is the container instance, and a listing by service is checked against \"*\"; the condition on ecs:cluster narrows it."
  }
}
