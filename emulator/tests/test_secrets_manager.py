"""Secrets by name, by their complete ARN and by a partial one."""

from tests.running_cloud import CloudTest, error_code, fail, unique


class Secrets(CloudTest):
    def setUp(self):
        self.client = self.cloud.client("secretsmanager")

    def _create(self, name):
        return self.client.create_secret(Name=name, SecretString=name)["ARN"]

    def _value(self, identifier):
        return self.client.get_secret_value(SecretId=identifier)["SecretString"]

    def test_a_partial_arn_that_looks_complete_is_not_found(self):
        for name, found in (("token", True), ("app-config", False), ("app_config", True), ("app-settings", True)):
            with self.subTest(name):
                name = f"{unique('shop')}/{name}"
                arn = self._create(name)
                self.assertEqual((self._value(name), self._value(arn)), (name, name))
                partial = arn[:-7]
                if found:
                    self.assertEqual(self._value(partial), name)
                else:
                    self.assertEqual(error_code(self._value, partial)[0], "ResourceNotFoundException")

    def test_a_partial_arn_holds_the_whole_name(self):
        prefix = unique("shop")
        longer = self._create(f"{prefix}/token_of_another")
        partial = longer.split(f"{prefix}/")[0] + f"{prefix}/token"
        self.assertEqual(error_code(self._value, partial)[0], "ResourceNotFoundException")
        self._create(f"{prefix}/token")
        self.assertEqual(self._value(partial), f"{prefix}/token")

    def test_a_task_whose_secret_is_not_found_does_not_start(self):
        cluster, name = self.cloud.cluster(), f"{unique('shop')}/app-config"
        partial = self._create(name)[:-7]
        image = self.cloud.built("shop/api", fail(0))
        definition = self.cloud.register(unique("family"), image, secrets=[{"name": "CONFIG", "valueFrom": partial}])
        task = self.cloud.stopped(cluster, self.cloud.run(cluster, definition))
        self.assertEqual(task["stopCode"], "TaskFailedToStart")
        self.assertIn(partial, task["stoppedReason"])
