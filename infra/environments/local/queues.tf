# The provider waits 25 seconds for a queue that it has made or changed, whatever
# SQS answers, and not at all for one that it imports as it is to be. `cargo xtask`
# makes the queues of the last apply, or those of queues.json where there was none,
# before it applies; Terraform compares them, and changes what is different by now.
variable "queue_urls" {
  description = "URLs of queues that exist already: the dead-letter queues by function, and watch_schedules. Terraform imports them."
  type        = map(string)
  default     = {}
}

import {
  for_each = { for name, url in var.queue_urls : name => url if name == "provision" }
  to       = module.longshore.module.provision.aws_sqs_queue.dead_letter[0]
  id       = each.value
}

import {
  for_each = { for name, url in var.queue_urls : name => url if name == "deploy" }
  to       = module.longshore.module.deploy.aws_sqs_queue.dead_letter[0]
  id       = each.value
}

import {
  for_each = { for name, url in var.queue_urls : name => url if name == "watch" }
  to       = module.longshore.module.watch.aws_sqs_queue.dead_letter[0]
  id       = each.value
}

import {
  for_each = { for name, url in var.queue_urls : name => url if name == "sync" }
  to       = module.longshore.module.sync.aws_sqs_queue.dead_letter[0]
  id       = each.value
}

import {
  for_each = { for name, url in var.queue_urls : name => url if name == "notify" }
  to       = module.longshore.module.notify.aws_sqs_queue.dead_letter[0]
  id       = each.value
}

import {
  for_each = { for name, url in var.queue_urls : name => url if name == "watch_schedules" }
  to       = module.longshore.aws_sqs_queue.schedule_dead_letters
  id       = each.value
}
