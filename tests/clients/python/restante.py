"""Restante from Python: send, ask, wait, look into the inbox, reply. One file, nothing but the standard library.

    bot = Restante("http://127.0.0.1:8080", token)
    promise = bot.ask(["ana@localhost"], "Deploy 4821?", options=["approve", "reject"])
    answer = bot.wait(promise, timeout=3600)
    if answer["state"] == "fulfilled" and answer["value"]["choice"] == "approve": ...

A promise is a text: keep it anywhere, and wait for it again tomorrow, from another process. What is sent is sent once, however
often the network fails meanwhile: each call has a key of its own, and is repeated with it.
"""

from __future__ import annotations

import http.client
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, Literal, Optional, Sequence, TypedDict, Union

# The longest that the server holds one request, in seconds.
_LONGEST = 50
# The gaps between attempts, in seconds; the last one goes on.
_GAPS = (0.2, 0.5, 1.0, 2.0, 5.0)


class Reason(TypedDict):
    code: str
    detail: Optional[str]


class Promise(TypedDict):
    id: str
    kind: str
    state: Literal["pending", "fulfilled", "rejected"]
    value: Any
    reason: Optional[Reason]
    context: Any


class Handle(TypedDict):
    id: str
    state: str


class Handles(TypedDict):
    delivery: Optional[Handle]
    answer: Optional[Handle]


class Sent(TypedDict):
    id: str
    thread_id: str
    state: str
    promises: Handles


# "from" is a keyword, so that this one is written as a call.
Sender = TypedDict("Sender", {"address": str, "name": Optional[str]})
Message = TypedDict(
    "Message",
    {"id": str, "thread_id": str, "subject": str, "from": Optional[Sender], "preview": str, "seen": bool, "received_at": str},
)


class Problem(Exception):
    """What the server refused (RFC 9457). Look at `code`; `fix` says what to do."""

    def __init__(self, status: int, said: dict[str, Any]) -> None:
        self.status = status
        self.code = str(said.get("code", "unknown"))
        self.detail = str(said.get("detail", ""))
        self.fix = str(said.get("fix", ""))
        self.retryable = bool(said.get("retryable", status >= 500))
        self.request_id = str(said.get("request_id", ""))
        super().__init__(f"{status} {self.code}: {self.detail} {self.fix}".rstrip())


class Restante:
    """One account, by its token. Safe to share between threads."""

    def __init__(self, url: str, token: str, *, attempts: int = 8) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._attempts = attempts

    def send(self, to: Sequence[str], text: str, *, subject: str = "", **fields: Any) -> Sent:
        """Sends a message. It is safe once this returns; `fields` are those of POST /v1/messages."""
        sent: Sent = self.call("POST", "/v1/messages", {"to": list(to), "subject": subject, "text": text, **fields})
        return sent

    def ask(
        self,
        to: Sequence[str],
        question: str,
        *,
        details: str = "",
        options: Optional[Sequence[Union[str, dict[str, Any]]]] = None,
        schema: Optional[dict[str, Any]] = None,
        **ask: Any,
    ) -> str:
        """Asks people, and returns the promise of the answer at once: a choice with `options`, a form with `schema`, else a
        text. `ask` may hold deadline, reminders, settle, escalate, on_expiry, context and callback_url."""
        if options is not None:
            named = [{"name": one, "title": one} if isinstance(one, str) else one for one in options]
            ask.update(kind="choice", options=named)
        elif schema is not None:
            ask.update(kind="form", schema=schema)
        else:
            ask.update(kind="text")
        promises = self.send(to, details, subject=question, ask=ask)["promises"]
        assert promises["answer"] is not None
        return promises["answer"]["id"]

    def wait(self, promise: str, timeout: Optional[float] = None) -> Promise:
        """Waits until a promise is settled, or `timeout` seconds are over: then its state is still "pending"."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _LONGEST if end is None else max(0, min(_LONGEST, round(end - time.monotonic())))
            now: Promise = self.call("GET", f"/v1/promises/{_quoted(promise)}?wait={left}")
            if now["state"] != "pending" or (end is not None and time.monotonic() >= end):
                return now

    def answer(self, promise: str, value: Any, *, comment: Optional[str] = None) -> Promise:
        """Answers a question that this account was asked."""
        body = {"value": value} if comment is None else {"value": value, "comment": comment}
        settled: Promise = self.call("POST", f"/v1/promises/{_quoted(promise)}/answer", body)
        return settled

    def inbox(self, *, unseen: bool = False, wait: int = 0, limit: int = 50) -> list[Message]:
        """What is in the inbox, newest first; reading changes nothing. With `wait`, holds up to so many seconds (60 at most)
        until there is something."""
        query: dict[str, Any] = {"mailbox": "inbox", "limit": limit, "wait": wait}
        if unseen:
            query["seen"] = "false"
        items: list[Message] = self.call("GET", "/v1/messages?" + urllib.parse.urlencode(query))["items"]
        return items

    def reply(self, message: str, text: str) -> Sent:
        """Replies to a message, by its id."""
        sent: Sent = self.call("POST", f"/v1/messages/{_quoted(message)}/reply", {"text": text})
        return sent

    def seen(self, message: str) -> None:
        """Marks a message as seen."""
        self.call("PATCH", f"/v1/messages/{_quoted(message)}", {"seen": True})

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Any other call of the API; see /docs of the server."""
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        for attempt in range(self._attempts):
            last = attempt == self._attempts - 1
            asked = 0.0
            try:
                request = urllib.request.Request(self._url + path, data=data, headers=headers, method=method)
                with urllib.request.urlopen(request, timeout=_LONGEST + 15) as answer:
                    said = answer.read()
                    return json.loads(said) if said else None
            except urllib.error.HTTPError as error:
                with error:
                    problem = Problem(error.code, _problem(error.read()))
                    asked = _seconds(error.headers.get("Retry-After"))
                if last or not problem.retryable:
                    raise problem from None
            except (urllib.error.URLError, http.client.HTTPException, OSError):
                if last:
                    raise
            gap = _GAPS[min(attempt, len(_GAPS) - 1)]
            time.sleep(max(asked, gap * random.uniform(0.7, 1.3)))
        raise AssertionError("the last attempt returns or raises")


def _quoted(part: str) -> str:
    return urllib.parse.quote(part, safe="")


def _problem(said: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(said)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _seconds(text: Optional[str]) -> float:
    try:
        return min(float(text or 0), 300.0)
    except ValueError:
        return 0.0
