"""AWS Cloud Map: private namespaces and services."""

from provisioning.calls import Refused
from provisioning.resource import (
    ResourceType,
    changed,
    chosen,
    exists,
    ignoring_missing,
    register,
    tag_changes,
    tag_list,
)


class _Discovery(ResourceType):
    service_name = "ServiceDiscovery"

    def _done(self, work, operation):
        """Cloud Map does things behind an operation; gives what it made."""
        client = work.client("servicediscovery")

        def ended():
            found = client.get_operation(OperationId=operation)["Operation"]
            if found["Status"] == "FAIL":
                raise Refused(found.get("ErrorMessage", "the operation failed"), "InvalidRequest")
            return found if found["Status"] == "SUCCESS" else None

        return work.wait(f"operation {operation} did not end", ended).get("Targets", {})

    def _retag(self, work, arn, old, new):
        client = work.client("servicediscovery")
        added, removed = tag_changes(old.get("Tags"), new.get("Tags"))
        if added:
            client.tag_resource(ResourceARN=arn, Tags=tag_list(added))
        if removed:
            client.untag_resource(ResourceARN=arn, TagKeys=removed)


@register
class PrivateDnsNamespace(_Discovery):
    name = "AWS::ServiceDiscovery::PrivateDnsNamespace"

    def create(self, work, properties):
        request = chosen(properties, "Name", "Vpc", "Description", "Properties")
        if properties.get("Tags"):
            request["Tags"] = tag_list(properties["Tags"])
        answer = work.client("servicediscovery").create_private_dns_namespace(CreatorRequestId=work.token, **request)
        return work.made(self._done(work, answer["OperationId"])["NAMESPACE"])

    def update(self, work, physical_id, old, new):
        if changed(old, new, "Description", "Properties"):
            changes = {"Description": new.get("Description", ""), **chosen(new, "Properties")}
            answer = work.client("servicediscovery").update_private_dns_namespace(
                Id=physical_id, UpdaterRequestId=work.token, Namespace=changes
            )
            self._done(work, answer["OperationId"])
        self._retag(work, self.attributes(work, physical_id, new)["Arn"], old, new)

    def delete(self, work, physical_id, properties):
        answer = ignoring_missing(work.client("servicediscovery").delete_namespace, Id=physical_id)
        if answer:
            self._done(work, answer["OperationId"])

    def _described(self, work, identifier):
        found = exists(work.client("servicediscovery").get_namespace, Id=identifier)
        return found and found["Namespace"]

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        zone = ((found.get("Properties") or {}).get("DnsProperties") or {}).get("HostedZoneId", "")
        arn = f"arn:aws:servicediscovery:{work.region}:{work.account}:namespace/{physical_id}"
        return {"Id": physical_id, "Arn": found.get("Arn", arn), "HostedZoneId": zone}

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        return found and chosen(found, "Name", "Description")


@register
class Service(_Discovery):
    name = "AWS::ServiceDiscovery::Service"

    def create(self, work, properties):
        request = chosen(
            properties,
            "Name",
            "NamespaceId",
            "Description",
            "DnsConfig",
            "HealthCheckConfig",
            "HealthCheckCustomConfig",
            "Type",
        )
        request["Name"] = request.get("Name") or work.name(64)
        if properties.get("Tags"):
            request["Tags"] = tag_list(properties["Tags"])
        answer = work.client("servicediscovery").create_service(CreatorRequestId=work.token, **request)
        return work.made(answer["Service"]["Id"])

    def update(self, work, physical_id, old, new):
        if changed(old, new, "Description", "DnsConfig", "HealthCheckConfig"):
            changes = {"Description": new.get("Description", "")}
            if new.get("DnsConfig"):
                changes["DnsConfig"] = {"DnsRecords": new["DnsConfig"]["DnsRecords"]}
            if new.get("HealthCheckConfig"):
                changes["HealthCheckConfig"] = new["HealthCheckConfig"]
            answer = work.client("servicediscovery").update_service(Id=physical_id, Service=changes)
            self._done(work, answer["OperationId"])
        self._retag(work, self.attributes(work, physical_id, new)["Arn"], old, new)

    def delete(self, work, physical_id, properties):
        ignoring_missing(work.client("servicediscovery").delete_service, Id=physical_id)

    def _described(self, work, identifier):
        found = exists(work.client("servicediscovery").get_service, Id=identifier)
        return found and found["Service"]

    def attributes(self, work, physical_id, properties):
        found = self._described(work, physical_id) or {}
        arn = f"arn:aws:servicediscovery:{work.region}:{work.account}:service/{physical_id}"
        return {"Id": physical_id, "Arn": found.get("Arn", arn), "Name": found.get("Name", "")}

    def read(self, work, physical_id, properties):
        found = self._described(work, physical_id)
        return found and chosen(
            found, "Name", "Description", "NamespaceId", "DnsConfig", "HealthCheckConfig", "HealthCheckCustomConfig"
        )
