"""A program that is told by a webhook, and verifies what comes with the standard's own library (PyPI: standardwebhooks).

URL and TOKEN of a server are in the environment. It says "verified" when everything was.
"""

import http.server
import json
import os
import queue
import threading
import urllib.request

from standardwebhooks import Webhook, WebhookVerificationError

calls: queue.Queue = queue.Queue()


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        calls.put((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def api(method, path, body=None):
    request = urllib.request.Request(
        os.environ["URL"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + os.environ["TOKEN"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


server = http.server.HTTPServer(("127.0.0.1", 0), Hook)
threading.Thread(target=server.serve_forever, daemon=True).start()
made = api("POST", "/v1/webhooks", {"url": f"http://127.0.0.1:{server.server_port}/in", "types": ["message.received"]})
api("POST", f"/v1/webhooks/{made['id']}/test", {})
headers, body = calls.get(timeout=30)
told = Webhook(made["secret"]).verify(body, headers)
assert told["type"] == "webhook.test" and told["data"]["webhook_id"] == made["id"], told

# Both keys are good for a day; a changed body or another key never.
renewed = api("POST", f"/v1/webhooks/{made['id']}/rotate", {})
api("POST", "/v1/messages", {"to": [api("GET", "/v1/me")["address"]], "subject": "To myself", "text": "Hello"})
headers, body = calls.get(timeout=30)
for key in (made, renewed):
    told = Webhook(key["secret"]).verify(body, headers)
    assert told["type"] == "message.received", told
for secret, changed in ((made["secret"], body + b" "), ("whsec_" + "A" * 43 + "=", body)):
    try:
        Webhook(secret).verify(changed, headers)
    except WebhookVerificationError:
        continue
    raise AssertionError("what is forged was taken for genuine")
print("verified")
