"""What Terraform's provider, which speaks the query protocol, reads of an alarm."""

import urllib.parse
import urllib.request
from xml.etree import ElementTree

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.running_cloud import CloudTest, unique

NAMESPACE = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"


class Alarms(CloudTest):
    def _query(self, **parameters):
        description = self.cloud.description
        body = urllib.parse.urlencode({"Version": "2010-08-01", **parameters})
        call = AWSRequest("POST", description["endpoint"] + "/", data=body)
        call.headers["Content-Type"] = "application/x-www-form-urlencoded"
        keys = Credentials(description["access_key_id"], description["secret_access_key"])
        SigV4Auth(keys, "monitoring", self.cloud.region).add_auth(call)
        sent = urllib.request.Request(call.url, data=body.encode(), headers=dict(call.headers.items()))
        with urllib.request.urlopen(sent) as response:
            return ElementTree.fromstring(response.read())

    def test_an_alarm_is_described_whole(self):
        name = unique("alarm")
        self.cloud.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            AlarmDescription="letters & more <letters>",
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": "dead"}],
            Statistic="Maximum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            AlarmActions=[f"arn:aws:sns:{self.cloud.region}:{self.cloud.account}:people"],
        )
        found = self._query(**{"Action": "DescribeAlarms", "AlarmNames.member.1": name})
        (alarm,) = found.iter(f"{NAMESPACE}MetricAlarms")
        (alarm,) = alarm.findall(f"{NAMESPACE}member")

        def text(path):
            return alarm.findtext("/".join(NAMESPACE + part for part in path.split("/")))

        self.assertEqual(text("AlarmDescription"), "letters & more <letters>")
        self.assertEqual(text("Dimensions/member/Value"), "dead")
        self.assertEqual((text("Period"), text("Statistic")), ("60", "Maximum"))
        self.assertEqual(text("TreatMissingData"), "notBreaching")
        self.assertEqual(text("ActionsEnabled"), "true")
        self.assertTrue(text("AlarmActions/member").endswith(":people"))

    def test_an_alarm_on_an_expression_keeps_its_metrics_and_has_none_of_its_own(self):
        name, client = unique("alarm"), self.cloud.client("cloudwatch")
        metric = {"Namespace": "AWS/SQS", "MetricName": "NumberOfMessagesSent"}
        metrics = [
            {"Id": "sent", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "twice", "Expression": "sent * 2", "ReturnData": True},
        ]
        options = {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
        client.put_metric_alarm(AlarmName=name, Metrics=metrics, **options)
        (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        self.assertEqual([one["Id"] for one in alarm["Metrics"]], ["sent", "twice"])
        self.assertFalse({"MetricName", "Namespace", "Statistic", "Period"} & alarm.keys())

    def test_dashboards_have_tags(self):
        name, client = unique("dashboard"), self.cloud.client("cloudwatch")
        client.put_dashboard(DashboardName=name, DashboardBody="{}", Tags=[{"Key": "team", "Value": "shop"}])
        arn = f"arn:aws:cloudwatch::{self.cloud.account}:dashboard/{name}"
        client.tag_resource(ResourceARN=arn, Tags=[{"Key": "stage", "Value": "prod"}])
        found = client.list_tags_for_resource(ResourceARN=arn)["Tags"]
        self.assertEqual({one["Key"]: one["Value"] for one in found}, {"team": "shop", "stage": "prod"})
