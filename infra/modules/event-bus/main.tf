# Longshore's own events travel on a bus of their own, so that a rule on the
# default bus can never match them and nobody's catch-all rule on the default
# bus is woken by them. Only principals of this account whose own policy allows
# it may put events: the bus has no resource policy, and needs none.
resource "aws_cloudwatch_event_bus" "this" {
  name        = var.name
  description = "Deployments as Longshore tells them"
}
