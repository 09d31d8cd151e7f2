"""CloudWatch's alarms and dashboards with everything they hold.

ministack leaves most of an alarm out of the XML that DescribeAlarms answers with in the query protocol, and
Terraform's AWS provider speaks it: every plan would want to change every alarm. It forgets the metrics of an alarm
on an expression, and knows no tags of dashboards.
"""

import re
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id
from ministack.services import cloudwatch

from patches import wraps

_TEXTS = (
    "AlarmName", "AlarmArn", "AlarmDescription", "StateValue", "StateReason", "MetricName", "Namespace", "Statistic",
    "ExtendedStatistic", "Period", "EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator",
    "TreatMissingData", "Unit",
)
# An alarm as ministack shows it, by its name.
_SHOWN = re.compile(r"<member><AlarmName>([^<]*)</AlarmName>.*?</member>", re.DOTALL)
_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def _member(alarm):
    fields = [f"<{name}>{escape(str(alarm[name]))}</{name}>" for name in _TEXTS if alarm.get(name) not in (None, "")]
    fields.append(f"<ActionsEnabled>{'true' if alarm.get('ActionsEnabled', True) else 'false'}</ActionsEnabled>")
    for name in _ACTIONS:
        actions = "".join(f"<member>{escape(action)}</member>" for action in alarm.get(name) or [])
        fields.append(f"<{name}>{actions}</{name}>")
    dimensions = "".join(
        f"<member><Name>{escape(one['Name'])}</Name><Value>{escape(one['Value'])}</Value></member>"
        for one in alarm.get("Dimensions") or []
    )
    return f"<member>{''.join(fields)}<Dimensions>{dimensions}</Dimensions></member>"


def _whole(shown):
    """What holds metrics in mathematical expressions, or is not a metric's alarm, is left to ministack."""
    alarm = cloudwatch._alarms.get(shown[1])
    return shown[0] if alarm is None or alarm.get("Metrics") else _member(alarm)


@wraps(cloudwatch, "_describe_alarms")
def _describe(describe, parameters, data, is_cbor, is_json=False):
    status, headers, body = describe(parameters, data, is_cbor, is_json)
    if status == 200 and not is_cbor and not is_json:
        body = _SHOWN.sub(_whole, body.decode()).encode()
    return status, headers, body


@wraps(cloudwatch, "_put_metric_alarm")
def _put(put, parameters, data, is_cbor, is_json=False):
    """An alarm on an expression keeps its metrics, and has none of its own."""
    answer = put(parameters, data, is_cbor, is_json)
    if answer[0] == 200 and (is_cbor or is_json) and data.get("Metrics"):
        alarm = cloudwatch._alarms[data["AlarmName"]]
        alarm["Metrics"] = data["Metrics"]
        for name in ("MetricName", "Namespace", "Statistic", "Period"):
            alarm.pop(name, None)
    return answer


@wraps(cloudwatch, "_put_dashboard")
def _put_tagged_dashboard(put, parameters, data, is_cbor, is_json=False):
    answer = put(parameters, data, is_cbor, is_json)
    if answer[0] == 200 and (is_cbor or is_json) and data.get("Tags"):
        arn = f"arn:aws:cloudwatch::{get_account_id()}:dashboard/{data['DashboardName']}"
        cloudwatch._resource_tags[arn] = {tag["Key"]: tag["Value"] for tag in data["Tags"]}
    return answer


@wraps(cloudwatch, "_validate_alarm_tag_arn")
def _validate_tagged(validate, arn, is_json=False, is_cbor=False):
    prefix = f"arn:aws:cloudwatch::{get_account_id()}:dashboard/"
    if str(arn).startswith(prefix) and arn[len(prefix) :] in cloudwatch._dashboards:
        return None
    return validate(arn, is_json, is_cbor)
