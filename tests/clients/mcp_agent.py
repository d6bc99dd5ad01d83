"""An agent: the official client of the Model Context Protocol (PyPI: mcp) against /mcp.

URL, TOKEN (the agent's) and PERSON (the token of whom it asks), TO (their address) are in the environment. It says
"answered" when a question was asked, answered and awaited.
"""

import asyncio
import json
import os
import urllib.request

import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

URL, TO = os.environ["URL"], os.environ["TO"]


def api(token, method, path, body=None):
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + token, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


async def person(promise, value):
    """Answers once the question has arrived."""
    for _ in range(200):
        status, said = await asyncio.to_thread(
            api, os.environ["PERSON"], "POST", f"/v1/promises/{promise}/answer", {"value": value}
        )
        if status == 200:
            return said
        await asyncio.sleep(0.05)
    raise AssertionError(said)


async def main():
    headers = {"Authorization": "Bearer " + os.environ["TOKEN"]}
    # With the handshake of the revisions until 2025, and without, as since 2026.
    for begin, revision in ((ClientSession.discover, "2026-07-28"), (ClientSession.initialize, "2025-11-25")):
        async with httpx2.AsyncClient(headers=headers, timeout=90) as http:
            async with streamable_http_client(f"{URL}/mcp", http_client=http) as streams:
                async with ClientSession(*streams[:2]) as session:
                    await begin(session)
                    assert session.protocol_version == revision, session.protocol_version
                    assert session.server_info.name == "restante", session.server_info
                    await work(session)
    print("answered")


async def work(session):
    tools = {tool.name for tool in (await session.list_tools()).tools}
    expected = {"send_message", "ask_human", "await_answer", "check_inbox", "read_thread", "search"}
    assert tools == expected, tools

    async def call(name, **arguments):
        result = await session.call_tool(name, arguments)
        return result.is_error, result.structured_content

    wrong, asked = await call(
        "ask_human", to=[TO], question="Deploy 4821?", options=["approve", "reject"], context={"build": 4821}
    )
    assert not wrong and asked["state"] == "pending", asked
    promise = asked["promise_id"]
    wrong, still = await call("await_answer", promise_id=promise, wait=0)
    assert not wrong and still["state"] == "pending", still
    # Whoever asks does not answer, whatever the token may do.
    status, refused = api(os.environ["TOKEN"], "POST", f"/v1/promises/{promise}/answer", {"value": "approve"})
    assert status in (403, 422), refused
    answering = asyncio.create_task(person(promise, "approve"))
    wrong, settled = await call("await_answer", promise_id=promise, wait=50)
    await answering
    assert not wrong and settled["state"] == "fulfilled", settled
    assert settled["value"]["choice"] == "approve" and settled["context"] == {"build": 4821}, settled

    wrong, sent = await call("send_message", to=[TO], subject="Done", text="4821 is out.")
    assert not wrong and sent["state"] == "accepted", sent
    wrong, bad = await call("send_message", to=["nobody"], text="x")
    assert wrong and bad["fix"], bad
    api(os.environ["PERSON"], "POST", "/v1/messages", {
        "to": [api(os.environ["TOKEN"], "GET", "/v1/me")[1]["address"]],
        "subject": "Thank you", "text": "The quokka is happy.", "in_reply_to": None,
    })
    wrong, inbox = await call("check_inbox", unseen=True, wait=30)
    assert not wrong and inbox["messages"][0]["subject"] == "Thank you", inbox
    assert (await call("check_inbox", unseen=True))[1] == inbox, "looking changes nothing"
    thread = inbox["messages"][0]["thread_id"]
    wrong, read = await call("read_thread", thread_id=thread)
    assert not wrong and read["messages"][0]["text"].strip() == "The quokka is happy.", read
    wrong, found = await call("search", query="quokka")
    assert not wrong and thread in [one["thread_id"] for one in found["messages"]], found
    everything = {"query": {"mailbox": "inbox"}, "set": {"seen": True}}
    api(os.environ["TOKEN"], "PATCH", "/v1/messages", everything)


asyncio.run(main())
