# The only calls that may be allowed on the resource "*", each with its reason.
# The tests refuse any other.
locals {
  # Of the functions.
  actions_without_resource_level = {
    "cloudformation:BatchDescribeTypeConfigurations"   = "Drift detection asks for it, and AWS checks it against no resource."
    "cloudformation:DescribeStackDriftDetectionStatus" = "AWS knows only the id of the detection then, not the stack."
    "ecs:DescribeTaskDefinition"                       = "AWS checks it against no resource: a statement that names task definitions never matches."
    "ecs:RegisterTaskDefinition"                       = "AWS has been seen to check it against \"*\" as well as against the family, and only \"*\" matches both; what a definition may do is bounded by iam:PassRole."
    "ecs:ListTasks"                                    = "Its only resource type is the container instance, and a listing by service is checked against \"*\"; the condition on ecs:cluster narrows it."
    "s3:ListAllMyBuckets"                              = "It lists the names of the account's buckets, which are not resources of it."
    "servicediscovery:ListNamespaces"                  = "It lists the account's namespaces, which are not resources of it."
  }

  # Of CloudFormation's role, besides descriptions and listings, which the service
  # authorization reference gives no resource.
  changes_without_resource_level = {
    "cloudwatch:GetMetricData"                   = "It reads numbers by metric, and metrics are not resources."
    "ecs:DeregisterTaskDefinition"               = "AWS checks it against no resource."
    "ecs:RegisterTaskDefinition"                 = "As above; what a definition may do is bounded by iam:PassRole."
    "elasticfilesystem:CreateFileSystem"         = "There is no file system yet; the condition lets only encrypted ones be made."
    "kms:CreateKey"                              = "There is no key yet; the condition lets only a stack's be made."
    "logs:DeleteResourcePolicy"                  = "Resource policies of CloudWatch Logs are the account's, and have no ARN."
    "logs:PutResourcePolicy"                     = "As above."
    "route53:CreateHostedZone"                   = "There is no zone yet."
    "servicediscovery:CreatePrivateDnsNamespace" = "There is no namespace yet."
    "servicediscovery:TagResource"               = "AWS checks it against no resource."
    "servicediscovery:UntagResource"             = "As above."
    "sns:GetSubscriptionAttributes"              = "Subscriptions are not resources of IAM."
    "sns:SetSubscriptionAttributes"              = "As above."
    "sns:Unsubscribe"                            = "As above."
  }
}
