"""A program with the Python client: it asks, waits, looks into the inbox and replies, over a network that loses an answer.

URL, TOKEN (its own), PERSON (the token of whom it asks) and TO (their address) are in the environment. It says "answered".
"""

import http.server
import os
import threading
import urllib.error
import urllib.request

from restante import Problem, Restante

URL, TO = os.environ["URL"], os.environ["TO"]
lost = []


class Lossy(http.server.BaseHTTPRequestHandler):
    """Passes everything on, and loses the first answer to a POST."""

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "content-length")}
        request = urllib.request.Request(URL + self.path, data=body or None, headers=headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request, timeout=90)
        except urllib.error.HTTPError as error:
            answer = error
        said = answer.read()
        if self.command == "POST" and not lost:
            lost.append(self.headers["Idempotency-Key"])
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PATCH = pass_on

    def log_message(self, *_):
        pass


network = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lossy)
threading.Thread(target=network.serve_forever, daemon=True).start()

bot = Restante(f"http://127.0.0.1:{network.server_port}", os.environ["TOKEN"])
ana = Restante(URL, os.environ["PERSON"])

promise = bot.ask([TO], "Deploy 4821?", options=["approve", "reject"], details="All green.", context={"build": 4821})
assert lost and lost[0], "the first answer was lost"
assert bot.wait(promise, timeout=0)["state"] == "pending"
question = ana.inbox(unseen=True, wait=30)
assert [one["subject"] for one in question] == ["Deploy 4821?"], question
threading.Timer(0.2, ana.answer, (promise, "approve")).start()
settled = bot.wait(promise, timeout=60)
assert settled["state"] == "fulfilled" and settled["value"]["choice"] == "approve", settled
assert settled["context"] == {"build": 4821}, settled
ana.reply(question[0]["id"], "Good luck.")
ana.seen(question[0]["id"])
assert ana.inbox(unseen=True) == []
assert bot.inbox(unseen=True, wait=30)[0]["preview"] == "Good luck."
for wrong, code in ((lambda: bot.send(["nobody"], "x"), "invalid_address"), (lambda: ana.answer(promise, "reject"), "already_answered")):
    try:
        wrong()
        raise AssertionError(code)
    except Problem as problem:
        assert problem.code == code and problem.fix, problem
print("answered")
