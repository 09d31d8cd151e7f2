"""Keeps every signed request and its answer as they were on the wire, for `tests/judges`."""

import json
import threading

# Beyond that a body is a file or a package, which no model of an API describes.
LONGEST_BODY = 262_144
# What says who asked for what; no signature and no other header is kept.
_OF_REQUESTS = ("authorization", "content-type", "user-agent")
_OF_ANSWERS = ("content-type",)


def around(app, folder):
    """The same application. Each signed request and its answer become a line of `calls.jsonl` in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "calls.jsonl").open("a", encoding="utf-8")
    lock = threading.Lock()

    async def recorded(scope, receive, send):
        asked = _headers(scope.get("headers", ())) if scope["type"] == "http" else {}
        is_signed = "AWS4-HMAC-SHA256" in asked.get("authorization", "")
        if not is_signed and b"X-Amz-Signature=" not in scope.get("query_string", b""):
            await app(scope, receive, send)
            return
        body, answer_body, answer = [], [], {}

        async def receive_and_keep():
            message = await receive()
            body.append(message.get("body", b""))
            return message

        async def send_and_keep(message):
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=_headers(message.get("headers", ())))
            else:
                answer_body.append(message.get("body", b""))
            await send(message)

        await app(scope, receive_and_keep, send_and_keep)
        # The scope says which service is meant, and in which region; the signature itself is of no use.
        if is_signed:
            asked["authorization"] = asked["authorization"].split(",")[0]
        line = {
            "method": scope["method"],
            "path": scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
            "query": scope.get("query_string", b"").decode("latin-1"),
            "headers": {**_amz(asked), **{name: asked[name] for name in _OF_REQUESTS if name in asked}},
            "body": _text(body),
            "status": answer.get("status"),
            "answer_headers": {
                **_amz(answer.get("headers", {})),
                **{name: answer["headers"][name] for name in _OF_ANSWERS if name in answer.get("headers", {})},
            },
            "answer": _text(answer_body),
        }
        with lock:
            file.write(json.dumps(line) + "\n")
            file.flush()

    return recorded


def _headers(pairs):
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in pairs}


def _amz(headers):
    return {name: value for name, value in headers.items() if name.startswith("x-amz-") and "token" not in name}


def _text(parts):
    """`None` for what is not text, or too long."""
    body = b"".join(parts)
    if len(body) > LONGEST_BODY:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
