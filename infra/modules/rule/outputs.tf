output "name" {
  description = "Name of the rule."
  value       = aws_cloudwatch_event_rule.this.name
}

output "arn" {
  description = "ARN of the rule."
  value       = aws_cloudwatch_event_rule.this.arn
}

output "event_pattern" {
  description = "The event pattern, as JSON."
  value       = aws_cloudwatch_event_rule.this.event_pattern
}

output "event_bus_name" {
  description = "Bus of the rule."
  value       = aws_cloudwatch_event_rule.this.event_bus_name
}
