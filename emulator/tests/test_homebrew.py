"""The fake Homebrew answers as the API and the registry do, and fails on request."""

import hashlib
import http.client
import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

from tests.running_cloud import CloudTest, unique

INDEX = "application/vnd.oci.image.index.v1+json"
AUTHORIZED = {"Authorization": "Bearer QQ=="}
WGET = {"name": "wget", "version": "1.25.0", "tags": {"arm64_sequoia": 700_000, "x86_64_linux": 1000}}
BOOST = {"name": "boost@1.85", "version": "1.85.0", "revision": 3, "rebuild": 2, "tags": {"arm64_sequoia": 5000}}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def fetch(url, method="GET", **headers):
    call = urllib.request.Request(url, method=method, headers={name.replace("_", "-"): headers[name] for name in headers})
    try:
        with OPENER.open(call, timeout=20) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Homebrew(CloudTest):
    def setUp(self):
        self.name = unique("source")

    def _put(self, *formulae, **members):
        answer = self._control("POST", "index", {"formulae": list(formulae), **members})
        self.address = answer["address"]
        return {bottle["key"]: bottle for bottle in answer["bottles"]}

    def _control(self, method, what, value=None, status=200):
        found, _, answer = self.cloud.control(method, f"/homebrew/{self.name}/{what}", value)
        self.assertEqual(found, status, answer)
        return answer

    def _blob_url(self, bottle):
        return f"{self.address}/v2/homebrew/core/{bottle['image']}/blobs/sha256:{bottle['sha256']}"

    def _store_url(self, bottle):
        status, headers, _ = fetch(self._blob_url(bottle), **AUTHORIZED)
        self.assertEqual(status, 307)
        return headers["Location"]

    def test_one_source_is_there_from_the_start(self):
        self.assertEqual(fetch(self.cloud.description["homebrew"] + "/api/formula.json")[0], 404)

    def test_the_index_names_the_bottles_and_is_unchanged_by_its_entity_tag(self):
        bottles = self._put(WGET, BOOST, {"name": "empty"})
        url = f"{self.address}/api/formula.json"
        status, headers, text = fetch(url)
        index = {entry["name"]: entry for entry in json.loads(text)}
        self.assertEqual((status, list(index)), (200, ["boost@1.85", "empty", "wget"]))
        self.assertEqual(index["empty"]["bottle"], {})
        file = index["boost@1.85"]["bottle"]["stable"]["files"]["arm64_sequoia"]
        bottle = bottles["boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz"]
        self.assertEqual(file["sha256"], bottle["sha256"])
        self.assertEqual(file["url"], f"{self.address}/v2/homebrew/core/boost/1.85/blobs/sha256:{bottle['sha256']}")
        self.assertEqual(fetch(url, If_None_Match=headers["ETag"])[::2], (304, b""))
        self._put(WGET)
        self.assertEqual(fetch(url, If_None_Match=headers["ETag"])[0], 200)

    def test_the_signed_files_hold_the_index_as_text(self):
        self._put(WGET)
        index = fetch(f"{self.address}/api/formula.json")[2]
        signed = json.loads(fetch(f"{self.address}/api/formula.jws.json")[2])
        self.assertEqual(signed["payload"].encode(), index)
        self.assertTrue(signed["signatures"])
        for file in (
            "cask.jws.json",
            "formula_tap_migrations.jws.json",
            "internal/packages.arm64_sequoia.jws.json",
            "internal/packages.x86_64_linux.jws.json",
        ):
            status, _, text = fetch(f"{self.address}/api/{file}")
            self.assertEqual(status, 200, file)
            json.loads(json.loads(text)["payload"])
        self.assertEqual(fetch(f"{self.address}/api/internal/packages.arm64_tahoe.jws.json")[0], 404)

    def test_whatever_is_wrong_with_an_index_can_be_put_in_its_place(self):
        self._put(WGET, entries=[{"name": "odd"}], files={"api/formula.jws.json": "{"})
        self.assertEqual(json.loads(fetch(f"{self.address}/api/formula.json")[2])[-1], {"name": "odd"})
        self.assertEqual(fetch(f"{self.address}/api/formula.jws.json")[2], b"{")

    def test_the_image_index_names_digests_sizes_and_tabs(self):
        bottles = self._put(BOOST, {**WGET, "has_sizes": False})
        url = f"{self.address}/v2/homebrew/core/boost/1.85/manifests/1.85.0_3-2"
        status, headers, text = fetch(url, Accept=INDEX, **AUTHORIZED)
        self.assertEqual((status, headers["Content-Type"]), (200, INDEX))
        self.assertEqual(headers["Docker-Content-Digest"], f"sha256:{hashlib.sha256(text).hexdigest()}")
        [child] = json.loads(text)["manifests"]
        bottle = bottles["boost@1.85-1.85.0_3.arm64_sequoia.bottle.2.tar.gz"]
        annotations = child["annotations"]
        self.assertEqual(annotations["sh.brew.bottle.size"], "5000")
        self.assertEqual(annotations["sh.brew.bottle.digest"], bottle["sha256"])
        self.assertEqual(annotations["org.opencontainers.image.ref.name"], "1.85.0_3.arm64_sequoia.2")
        json.loads(annotations["sh.brew.tab"])
        child_url = f"{self.address}/v2/homebrew/core/boost/1.85/manifests/{child['digest']}"
        _, _, manifest = fetch(child_url, **AUTHORIZED)
        self.assertEqual(f"sha256:{hashlib.sha256(manifest).hexdigest()}", child["digest"])
        [layer] = json.loads(manifest)["layers"]
        self.assertEqual((layer["digest"], layer["size"]), (f"sha256:{bottle['sha256']}", 5000))
        silent = json.loads(
            fetch(f"{self.address}/v2/homebrew/core/wget/manifests/1.25.0", Accept=INDEX, **AUTHORIZED)[2]
        )
        self.assertNotIn("sh.brew.bottle.size", silent["manifests"][0]["annotations"])

    def test_the_registry_wants_the_anonymous_token_and_the_type_of_an_index(self):
        self._put(WGET)
        url = f"{self.address}/v2/homebrew/core/wget/manifests/1.25.0"
        self.assertEqual(fetch(url, Accept=INDEX)[0], 401)
        self.assertEqual(fetch(url, Accept=INDEX, Authorization="Bearer other")[0], 401)
        self.assertEqual(fetch(url, **AUTHORIZED)[0], 404)
        self.assertEqual(fetch(url.replace("1.25.0", "1.24"), Accept=INDEX, **AUTHORIZED)[0], 404)

    def test_a_blob_is_behind_a_signed_url_of_another_host_that_takes_no_credentials(self):
        bottle = self._put(WGET)["wget-1.25.0.arm64_sequoia.bottle.tar.gz"]
        store = self._store_url(bottle)
        self.assertNotEqual(urllib.parse.urlsplit(store).hostname, urllib.parse.urlsplit(self.address).hostname)
        self.assertEqual(fetch(store, **AUTHORIZED)[0], 400)
        status, headers, content = fetch(store)
        self.assertEqual((status, len(content)), (200, 700_000))
        self.assertEqual(hashlib.sha256(content).hexdigest(), bottle["sha256"])
        status, headers, content = fetch(store, method="HEAD")
        self.assertEqual((status, headers["Content-Length"], content), (200, "700000", b""))
        self.assertEqual(fetch(store.replace("signature=", "signature=0"))[0], 403)
        self.assertEqual(fetch(store.replace(bottle["sha256"], "0" * 64))[0], 403)

    def test_a_signed_url_expires(self):
        bottle = self._put(WGET, redirect_seconds=0)["wget-1.25.0.x86_64_linux.bottle.tar.gz"]
        self.assertEqual(fetch(self._store_url(bottle))[0], 403)

    def test_ranges_are_served_and_those_outside_are_not(self):
        bottle = self._put(WGET)["wget-1.25.0.arm64_sequoia.bottle.tar.gz"]
        store = self._store_url(bottle)
        whole = fetch(store)[2]
        for asked, start, end in (("bytes=262100-262200", 262100, 262201), ("bytes=600001-", 600001, 700_000)):
            status, headers, part = fetch(store, Range=asked)
            self.assertEqual((status, part), (206, whole[start:end]))
            self.assertEqual(headers["Content-Range"], f"bytes {start}-{end - 1}/700000")
        status, headers, _ = fetch(store, Range="bytes=700000-")
        self.assertEqual((status, headers["Content-Range"]), (416, "bytes */700000"))

    def test_bottles_differ_unless_they_are_said_to_have_the_same_content(self):
        other = {"name": "other", "version": "1.25.0", "content": "same", "tags": {"sonoma": 1000, "ventura": 1000}}
        bottles = self._put(WGET, other, {**BOOST, "tags": {"arm64_sequoia": 1000}})
        self.assertEqual(len({bottle["sha256"] for bottle in bottles.values() if bottle["size"] == 1000}), 3)

    def test_faults_strike_their_paths_as_often_as_asked(self):
        bottle = self._put(WGET)["wget-1.25.0.x86_64_linux.bottle.tar.gz"]
        self._control("POST", "faults", {"path": "*/blobs/*", "status": 429, "retry_after": "985.86µs", "times": 2})
        self._control("POST", "faults", {"path": "*/manifests/*", "status": 500, "every": 2})
        answers = [fetch(self._blob_url(bottle), **AUTHORIZED) for _ in range(3)]
        self.assertEqual([status for status, _, _ in answers], [429, 429, 307])
        self.assertEqual(answers[0][1]["Retry-After"].encode("latin-1").decode(), "985.86µs")
        url = f"{self.address}/v2/homebrew/core/wget/manifests/1.25.0"
        self.assertEqual([fetch(url, Accept=INDEX, **AUTHORIZED)[0] for _ in range(4)], [200, 500, 200, 500])
        self._control("DELETE", "faults")
        self.assertEqual([fetch(url, Accept=INDEX, **AUTHORIZED)[0] for _ in range(2)], [200, 200])

    def test_a_body_is_cut_corrupted_stalled_or_slow_when_asked(self):
        bottle = self._put(WGET)["wget-1.25.0.arm64_sequoia.bottle.tar.gz"]
        store = self._store_url(bottle)
        whole = fetch(store)[2]
        path = f"/store/{bottle['sha256']}"
        self._control("POST", "faults", {"path": path, "cut_after": 300_000, "times": 1})
        with self.assertRaises(http.client.IncompleteRead) as cut:
            fetch(store)
        self.assertEqual(cut.exception.partial, whole[:300_000])
        self._control("POST", "faults", {"path": path, "corrupt_at": 300_000, "times": 2})
        corrupted = fetch(store)[2]
        self.assertEqual([at for at in range(len(whole)) if whole[at] != corrupted[at]], [300_000])
        # By the place in the file, whatever range was asked for.
        self.assertNotEqual(fetch(store, Range="bytes=300000-300000")[2], whole[300_000:300_001])
        self._control("POST", "faults", {"path": path, "bytes_per_second": 1_400_000, "times": 1})
        started = time.monotonic()
        self.assertEqual(fetch(store)[2], whole)
        self.assertGreater(time.monotonic() - started, 0.3)
        self._control("POST", "faults", {"path": path, "stall_after": 1000, "stall_seconds": 5, "times": 1})
        with self.assertRaises(TimeoutError), socket.create_connection(("localhost", self._port())) as connection:
            connection.settimeout(1)
            target = store.split("/", 3)[3]
            connection.sendall(f"GET /{target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while connection.recv(65536):
                pass
        self.assertEqual(fetch(store)[2], whole)

    def _port(self):
        return urllib.parse.urlsplit(self.address).port

    def test_the_log_shows_what_was_asked_and_how_much_was_sent(self):
        bottle = self._put(WGET)["wget-1.25.0.arm64_sequoia.bottle.tar.gz"]
        store = self._store_url(bottle)
        fetch(store, Range="bytes=690000-")
        first, second = self._control("GET", "requests")
        self.assertEqual((first["path"], first["status"], first["authorization"]), (urllib.parse.urlsplit(self._blob_url(bottle)).path, 307, True))  # fmt: skip
        self.assertEqual((second["path"], second["range"], second["status"]), (f"/store/{bottle['sha256']}", "bytes=690000-", 206))  # fmt: skip
        self.assertEqual((second["sent"], second["authorization"]), (10_000, False))
        self._control("DELETE", "requests")
        self.assertEqual(self._control("GET", "requests"), [])

    def test_gigabytes_need_no_disk_and_little_time(self):
        size = 1_000_000_000
        bottle = self._put({"name": "large", "tags": {"sonoma": size}})["large-1.0.sonoma.bottle.tar.gz"]
        started, digest, read = time.monotonic(), hashlib.sha256(), 0
        with OPENER.open(self._store_url(bottle)) as response:
            while piece := response.read(1 << 20):
                read += len(piece)
                digest.update(piece)
        self.assertEqual((read, digest.hexdigest()), (size, bottle["sha256"]))
        self.assertLess(time.monotonic() - started, 20)

    def test_a_request_it_cannot_follow_is_refused_with_what_is_wrong(self):
        for what, value, words in (
            ("index", {"formulae": [{}]}, "name"),
            ("index", {"formulae": [{"name": "a", "tags": {"sonoma": 0}}]}, "sonoma"),
            ("index", {"formula": []}, "formula"),
            ("faults", {"status": 500}, "path"),
            ("faults", {"path": "*", "sttaus": 500}, "sttaus"),
        ):
            with self.subTest(str(value)):
                self.assertIn(words, self._control("POST", what, value, status=400)["error"])
        self._control("GET", "nothing", status=404)
