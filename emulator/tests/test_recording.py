"""What is kept of requests and answers."""

import asyncio
import json
import tempfile
import unittest
from pathlib import Path

import recording

_SIGNED = b"AWS4-HMAC-SHA256 Credential=AKIA/20261129/eu-west-1/ecs/aws4_request, SignedHeaders=host, Signature=abc"


async def _application(_scope, receive, send):
    asked = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"so: " + asked["body"]})


def _kept(headers=(), query=b"", body=b"hello"):
    """The lines that a request leaves, and what it was answered."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/a b", "raw_path": b"/a%20b", "query_string": query}
    with tempfile.TemporaryDirectory() as folder:
        answering = recording.around(_application, Path(folder) / "recording")
        asyncio.run(answering({**scope, "headers": list(headers)}, receive, send))
        lines = (Path(folder) / "recording/calls.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], sent[-1]["body"]


class Recording(unittest.TestCase):
    def test_a_signed_request_is_kept_with_its_answer_and_without_its_signature(self):
        (line,), answer = _kept([(b"Authorization", _SIGNED), (b"X-Amz-Security-Token", b"secret"), (b"Host", b"h")])
        self.assertEqual(answer, b"so: hello")
        self.assertEqual((line["method"], line["path"], line["body"]), ("POST", "/a%20b", "hello"))
        self.assertEqual(line["headers"], {"authorization": _SIGNED.decode().split(",")[0]})
        self.assertEqual((line["status"], line["answer"]), (200, "so: hello"))
        self.assertEqual(line["answer_headers"], {"content-type": "text/plain"})

    def test_an_address_that_was_signed_is_kept_and_what_is_not_signed_is_not(self):
        (line,), _ = _kept(query=b"X-Amz-Credential=c&X-Amz-Signature=s")
        self.assertEqual(line["query"], "X-Amz-Credential=c&X-Amz-Signature=s")
        lines, answer = _kept()
        self.assertEqual((lines, answer), ([], b"so: hello"))

    def test_what_is_not_a_text_or_too_long_is_left_out(self):
        for body in (b"\xff\xfe", b"x" * (recording.LONGEST_BODY + 1)):
            (line,), _ = _kept([(b"authorization", _SIGNED)], body=body)
            self.assertIsNone(line["body"])


if __name__ == "__main__":
    unittest.main()
