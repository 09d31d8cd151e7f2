output "input" {
  description = "The input of the function, as JSON with Scheduler's context attributes."
  value       = aws_scheduler_schedule.this.target[0].input
}

output "policy" {
  description = "The policy document of the schedule's role, as JSON."
  value       = local.policy
}
