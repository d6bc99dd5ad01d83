"""The OpenAPI document against the server that it tells of, by schemathesis (PyPI): whatever the document allows gets an answer
that it names, of the form that it says; and nothing gets a 5xx.

URL, PERSON (the token of an administrator's account) and TO (its address) are in the environment; LONG=1 asks for much more. It says
"conforms" when there was nothing to complain of.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

URL, TOKEN, TO = os.environ["URL"], os.environ["PERSON"], os.environ["TO"]
LONG = os.environ.get("LONG") == "1"


def api(method, path, body=None):
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def find(path, within=30):
    """The first of a list, once there is one."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        items = api("GET", path)["items"]
        if items:
            return items[0]
        time.sleep(0.05)
    raise AssertionError(path)


# Something of everything, so that what is read has all its parts.
choice = {"kind": "choice", "options": [{"name": "yes", "title": "Yes", "comment": "optional"}], "deadline": "P1D", "context": {"n": 1}}
attached = [{"filename": "a.txt", "content_type": "text/plain", "content": "aGVsbG8="}]
asked = api("POST", "/v1/messages", {"to": [TO, "nobody@example.org"], "subject": "A", "text": "b", "attachments": attached, "ask": choice})
message = find("/v1/messages?mailbox=inbox&subject=A")
draft = api("POST", "/v1/drafts", {"to": [TO], "subject": "A draft", "text": "x"})
webhook = api("POST", "/v1/webhooks", {"url": "http://127.0.0.1:99/", "types": ["message.received"]})
api("POST", f"/v1/webhooks/{webhook['id']}/test", {})
suppressed = api("POST", "/v1/admin/suppressions", {"address": "gone@example.com", "reason": "manual"})
api("POST", "/v1/mutes", {"sender": "loud@example.com"})
api("POST", "/v1/mailboxes", {"name": "Projects"})
api("POST", "/v1/tokens", {"name": "another"})
owed = find("/v1/admin/queue")

ids = {
    "GET /v1/messages/{id}": message["id"],
    "GET /v1/messages/{id}/raw": message["id"],
    "GET /v1/messages/{id}/deliveries": asked["id"],
    "GET /v1/messages/{id}/timeline": asked["id"],
    "PATCH /v1/messages/{id}": message["id"],
    "GET /v1/messages/{id}/attachments/{n}": message["id"],
    "GET /v1/threads/{id}": message["thread_id"],
    "GET /v1/drafts/{id}": draft["id"],
    "GET /v1/promises/{id}": asked["promises"]["answer"]["id"],
    "GET /v1/webhooks/{id}": webhook["id"],
    "GET /v1/webhooks/{id}/deliveries": webhook["id"],
    "GET /v1/admin/suppressions/{id}": suppressed["id"],
    "GET /v1/admin/queue/{id}": owed["id"],
}
# A stream has no end; the clock is the sandbox's; who signs out or stops sending spoils it for the others.
left_out = ["GET /v1/events/stream", "POST /v1/admin/clock", "DELETE /v1/session", "PATCH /v1/admin/sending", "POST /v1/me/password"]
config = ['[parameters]', '"query.wait" = 0', '"body.wait" = 0']
for name, value in ids.items():
    config += ["", "[[operations]]", f'include-name = "{name}"', f'parameters = {{ "path.id" = "{value}" }}']
for name in left_out:
    config += ["", "[[operations]]", f'include-name = "{name}"', "enabled = false"]

# An empty parameter is as good as none, whatever its type: a form sends it so.
HOOKS = """
import schemathesis

def empty(value):
    # An object goes out as its names, a list as its items.
    return all(part == "" for part in (value if isinstance(value, (dict, list)) else [value]))

@schemathesis.hook
def filter_query(context, query):
    return query is None or not any(empty(value) for value in query.values())
"""

with tempfile.TemporaryDirectory() as at:
    with open(f"{at}/hooks.py", "w") as file:
        file.write(HOOKS)
    with open(f"{at}/schemathesis.toml", "w") as file:
        file.write("\n".join(config) + "\n")
    # What is refused for its sense rather than its form (an address, a moment gone by) is no fault of the document.
    checks = [
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
        "response_schema_conformance", "negative_data_rejection", "unsupported_method", "ignored_auth",
    ]
    # Python 3.11's parser, which the long form's rules are compiled with, cannot be used by two threads at once.
    workers = "1" if LONG else "2"
    phases, more = ("examples,coverage,fuzzing", ["-n", "60"]) if LONG else ("fuzzing", ["-n", "1", "--seed", "1", "--no-shrink"])
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", f"{at}/schemathesis.toml", "run", f"{URL}/openapi.json",
        "-H", f"Authorization: Bearer {TOKEN}", "--checks", ",".join(checks), "--phases", phases, "--workers", workers,
        "--continue-on-failure", "--request-timeout", "65", "--warnings", "off", *more,
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": at}
    done = subprocess.run(command, cwd=at, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout[-20000:], done.stderr[-5000:], file=sys.stderr)
        sys.exit(1)
print("conforms")
