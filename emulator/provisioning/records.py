"""Amazon Route 53: records of hosted zones that exist."""

from provisioning.resource import ResourceType, changed, chosen, exists, register

# Of a record, what Route 53 takes as the template says it.
_SAME = (
    "Failover", "GeoLocation", "HealthCheckId", "MultiValueAnswer", "Region", "SetIdentifier", "Type", "Weight",
)


def _whole(name):
    """A name as Route 53 shows it."""
    return name.rstrip(".").lower().replace("*", "\\052") + "."


@register
class RecordSet(ResourceType):
    name = "AWS::Route53::RecordSet"
    service, service_name = "route53", "Route53"
    tags = None

    def needs_replacement(self, old, new):
        return super().needs_replacement(old, new) or changed(old, new, "Name")

    def replaces_on(self, name, old, new):
        return "Always" if name == "Name" else super().replaces_on(name, old, new)

    def _record(self, properties):
        record = {"Name": properties["Name"], **chosen(properties, *_SAME)}
        if properties.get("AliasTarget"):
            record["AliasTarget"] = {"EvaluateTargetHealth": False, **properties["AliasTarget"]}
        else:
            values = [{"Value": one} for one in properties["ResourceRecords"]]
            record.update(TTL=int(properties["TTL"]), ResourceRecords=values)
        return record

    def _change(self, work, zone, *changes):
        """Changes records and waits until all name servers know of it."""
        route53 = work.client("route53")
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        change = route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]["Id"]
        work.wait(
            f"change {change} is not known to all name servers",
            lambda: route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC",
        )

    def create(self, work, properties):
        self._change(work, properties["HostedZoneId"], ("CREATE", self._record(properties)))
        return work.made(properties["Name"])

    def update(self, work, physical_id, old, new):
        zone, record = new["HostedZoneId"], self._record(new)
        if changed(old, new, "Type", "SetIdentifier"):
            self._change(work, zone, ("DELETE", self._record(old)), ("CREATE", record))
        elif self._record(old) != record:
            self._change(work, zone, ("UPSERT", record))

    def _found(self, work, properties):
        answer = exists(
            work.client("route53").list_resource_record_sets,
            HostedZoneId=properties["HostedZoneId"],
            StartRecordName=properties["Name"],
            StartRecordType=properties["Type"],
        )
        wanted = (_whole(properties["Name"]), properties["Type"], properties.get("SetIdentifier"))
        for one in (answer or {}).get("ResourceRecordSets", []):
            if (_whole(one["Name"].replace("\\052", "*")), one["Type"], one.get("SetIdentifier")) == wanted:
                return one
        return None

    def delete(self, work, physical_id, properties):
        # As it is by now: Route 53 deletes a record only if all of it is said.
        record = self._found(work, properties)
        if record:
            self._change(work, properties["HostedZoneId"], ("DELETE", record))

    def physical_id(self, identifier):
        return identifier["Name"]

    def read(self, work, physical_id, properties):
        found = self._found(work, properties)
        if found is None:
            return None
        given = {"HostedZoneId": properties["HostedZoneId"], "Name": properties["Name"], **chosen(found, *_SAME)}
        if "AliasTarget" in found:
            alias, wanted = found["AliasTarget"], (properties.get("AliasTarget") or {}).get("DNSName", "")
            same = _whole(alias["DNSName"]) == _whole(wanted)
            given["AliasTarget"] = {**alias, "DNSName": wanted if same else alias["DNSName"]}
        else:
            given.update(TTL=str(found["TTL"]), ResourceRecords=[one["Value"] for one in found["ResourceRecords"]])
        return given
