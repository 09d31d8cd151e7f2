# A dashboard of CloudWatch, and an alarm for deployments that fail. Both read what the functions write into their logs
# as embedded metrics: no call and no function is needed for them.
locals {
  dashboard_functions = [for function in local.functions : function.name]
  dashboard_queues    = [for function in local.functions_with_queue : "${function.name}-dead-letters"]

  # Sums over all stacks, whatever their names: each stack has its own metric.
  dashboard_sums = {
    succeeded   = { metric = "DeploymentsSucceeded", label = "succeeded", color = "#2ca02c" }
    failed      = { metric = "DeploymentsFailed", label = "failed", color = "#d62728" }
    rolled_back = { metric = "DeploymentsRolledBack", label = "rolled back", color = "#ff7f0e" }
    stacks      = { metric = "StackChangesFailed", label = "changes of stacks failed", color = "#9467bd" }
  }

  dashboard_widgets = [
    {
      title = "Deployments by outcome"
      view  = "timeSeries"
      metrics = [
        for id, sum in local.dashboard_sums : [{
          id         = id
          expression = "SUM(SEARCH('{Longshore,Stack} MetricName=\"${sum.metric}\"', 'Sum', 3600))"
          label      = sum.label
          color      = sum.color
        }]
      ]
    },
    {
      title = "Lead time of deployments: from the request to the end, in seconds"
      view  = "timeSeries"
      metrics = [[{
        expression = "SEARCH('{Longshore,Stack} MetricName=\"DeploymentLeadTime\"', 'p50', 3600)"
        label      = "half of them, by stack"
      }]]
    },
    {
      title   = "Durations of functions, in milliseconds: 99 of 100"
      view    = "timeSeries"
      stat    = "p99"
      metrics = [for name in local.dashboard_functions : ["AWS/Lambda", "Duration", "FunctionName", name]]
    },
    {
      title = "Errors and throttles of functions"
      view  = "timeSeries"
      stat  = "Sum"
      metrics = [
        for pair in setproduct(["Errors", "Throttles"], local.dashboard_functions) :
        ["AWS/Lambda", pair[0], "FunctionName", pair[1]]
      ]
    },
    {
      title   = "Events that wait in dead-letter queues"
      view    = "timeSeries"
      stat    = "Maximum"
      metrics = [for name in local.dashboard_queues : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name]]
    },
    {
      title = "Syncs of mirrors: files transferred and failed, and shards that wait"
      view  = "timeSeries"
      metrics = [
        for metric in ["SyncedFiles", "SyncFailedFiles", "PendingShards"] : [{
          expression = "SEARCH('{Longshore,Stack} MetricName=\"${metric}\"', '${metric == "PendingShards" ? "Maximum" : "Sum"}', 300)"
          label      = metric
        }]
      ]
    },
    {
      title = "Throughput of syncs, in bytes a second"
      view  = "timeSeries"
      metrics = [
        [{
          id         = "bytes"
          expression = "SUM(SEARCH('{Longshore,Stack} MetricName=\"SyncedBytes\"', 'Sum', 3600))"
          visible    = false
        }],
        [{
          id         = "seconds"
          expression = "SUM(SEARCH('{Longshore,Stack} MetricName=\"SyncDuration\"', 'Sum', 3600))"
          visible    = false
        }],
        [{ id = "speed", expression = "bytes / seconds", label = "all mirrors" }],
      ]
    },
    {
      title   = "Events that could not be read"
      view    = "timeSeries"
      stat    = "Sum"
      metrics = [for name in keys(local.functions) : ["Longshore", "MalformedEvents", "Function", name]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.cloudwatch_dashboard ? 1 : 0

  dashboard_name = var.prefix
  dashboard_body = jsonencode({
    widgets = [
      for place, widget in local.dashboard_widgets : {
        type   = "metric"
        x      = place % 2 * 12
        y      = floor(place / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          view    = widget.view
          stat    = try(widget.stat, "Sum")
          region  = local.region
          period  = 300
          metrics = widget.metrics
          yAxis   = { left = { min = 0 } }
        }
      }
    ]
  })
}

resource "aws_cloudwatch_metric_alarm" "failed_deployments" {
  count = var.failed_deployments_alarm ? 1 : 0

  alarm_name        = "${var.prefix}-failed-deployments"
  alarm_description = "A deployment failed: see longshore status, or Slack."

  metric_query {
    id          = "failed"
    expression  = "SELECT SUM(DeploymentsFailed) FROM SCHEMA(Longshore, Stack)"
    period      = 300
    return_data = true
  }

  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = var.alarm_actions
  ok_actions    = var.alarm_actions
}
