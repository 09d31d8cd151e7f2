# Longshore's own events travel on a bus of their own, so that a rule on the
# default bus can never match them and nobody's catch-all rule on the default
# bus is woken by them. An event on it is believed, so that the bus takes events
# of few: a principal that its own policies allow to put events on any bus is
# refused here.
resource "aws_cloudwatch_event_bus" "this" {
  name        = var.name
  description = "Deployments as Longshore publishes them"
}

resource "aws_cloudwatch_event_bus_policy" "this" {
  event_bus_name = aws_cloudwatch_event_bus.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "RefuseOthers"
        Effect    = "Deny"
        Principal = "*"
        Action    = "events:PutEvents"
        Resource  = aws_cloudwatch_event_bus.this.arn
        Condition = { ArnNotLike = { "aws:PrincipalArn" = concat(var.publisher_arns, [var.limited_publisher_arn]) } }
      },
      {
        Sid       = "RefuseOtherEvents"
        Effect    = "Deny"
        Principal = "*"
        Action    = "events:PutEvents"
        Resource  = aws_cloudwatch_event_bus.this.arn
        Condition = {
          ArnLike                       = { "aws:PrincipalArn" = var.limited_publisher_arn }
          "ForAnyValue:StringNotEquals" = { "events:detail-type" = var.limited_detail_types }
        }
      },
    ]
  })
}
