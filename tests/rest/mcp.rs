//! The door for agents: what it says, whom it lets in, and that a question outlives whoever waits for it. That a client of
//! others understands it is tested in `tests/clients`.

use serde_json::{Value, json};

use super::{Door, first, id};
use crate::support::client::{Client, text};
use crate::support::within;

/// One request; its result.
async fn ask(client: &Client, method: &str, params: Value) -> Value {
    let answer =
        client.post("/mcp", json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })).await;
    let answer = answer.expect(200);
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    if answer.get("error").is_some() { answer } else { answer["result"].clone() }
}

/// A tool's result, if all went well.
async fn call(client: &Client, tool: &str, arguments: Value) -> Value {
    let result = ask(client, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], false, "{tool}: {result}");
    let said: Value = serde_json::from_str(text(&result["content"][0], "text")).unwrap();
    assert_eq!(said, result["structuredContent"]);
    said
}

async fn refused(client: &Client, tool: &str, arguments: Value) -> Value {
    let result = ask(client, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], true, "{tool}: {result}");
    result["structuredContent"].clone()
}

both!(an_agent_asks_and_a_person_answers, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, by_bo) = door.two().await;
    let agent = door.app.service("agent").await;
    let by_agent = door.client(&agent);
    let question = json!({ "to": [bo.address], "question": "Deploy?", "details": "4821, now.",
        "options": ["yes", { "name": "no", "title": "Not now", "comment": "required" }], "deadline": "PT4H", "context": [1] });
    let asked = call(&by_agent, "ask_human", question).await;
    assert_eq!(asked["state"], "pending");
    door.app.settle().await;
    let promise = text(&asked, "promise_id").to_owned();
    let awaited = json!({ "promise_id": promise, "wait": 0 });
    assert_eq!(call(&by_agent, "await_answer", awaited.clone()).await["state"], "pending");
    // Nobody else waits for it, and the agent does not answer itself, even with a token that may answer.
    refused(&by_ana, "await_answer", awaited.clone()).await;
    let own = door.anybody().token(&door.app.token(agent.id, "promises:answer messages:read", None).await);
    let answer = format!("/v1/promises/{promise}/answer");
    own.post(&answer, json!({ "value": "yes" })).await.problem(422, "not_asked");

    let waiting = {
        let (by_agent, promise) = (by_agent.clone(), promise.clone());
        tokio::spawn(async move {
            call(&by_agent, "await_answer", json!({ "promise_id": promise, "wait": 50 })).await
        })
    };
    by_bo.post(&answer, json!({ "value": "no", "comment": "Friday" })).await.expect(200);
    let settled = within("the agent", waiting).await.unwrap();
    assert_eq!((&settled["state"], &settled["value"]["comment"]), (&json!("fulfilled"), &json!("Friday")));
    assert_eq!(settled["context"], json!([1]));

    // A client that knows tasks asks for one; the task is the promise.
    let question = json!({ "name": "ask_human", "arguments": { "to": [bo.address], "question": "When?" }, "task": { "ttl": 1000 } });
    let task = ask(&by_agent, "tools/call", question).await["task"].clone();
    door.app.settle().await;
    assert_eq!((&task["status"], &task["ttl"]), (&json!("working"), &json!(null)));
    let one = json!({ "taskId": task["taskId"] });
    assert_eq!(ask(&by_agent, "tasks/get", one.clone()).await["status"], "working");
    assert!(ask(&by_bo, "tasks/cancel", one.clone()).await.get("error").is_some());
    let waiting = {
        let (by_agent, one) = (by_agent.clone(), one.clone());
        tokio::spawn(async move { ask(&by_agent, "tasks/result", one).await })
    };
    let answer = format!("/v1/promises/{}/answer", text(&task, "taskId"));
    by_bo.post(&answer, json!({ "value": "At noon." })).await.expect(200);
    let result = within("the task", waiting).await.unwrap();
    assert_eq!(
        (&result["isError"], &result["structuredContent"]["value"]),
        (&json!(false), &json!("At noon."))
    );
    assert_eq!(ask(&by_agent, "tasks/get", one.clone()).await["status"], "completed");
    assert!(ask(&by_agent, "tasks/cancel", one).await.get("error").is_some());
    let form = json!({ "to": [bo.address], "question": "How many?", "schema": { "type": "object", "properties": { "n": { "type": "integer" } } } });
    let params = json!({ "name": "ask_human", "arguments": form, "task": {} });
    let task = ask(&by_agent, "tools/call", params).await["task"].clone();
    let gone = ask(&by_agent, "tasks/cancel", json!({ "taskId": task["taskId"] })).await;
    assert_eq!(gone["status"], "cancelled");
    door.app.settle().await;
});

both!(an_agent_reads_and_changes_nothing, |engine| async move {
    let door = Door::open(engine).await;
    let (ana, by_ana, bo, by_bo) = door.two().await;
    let letter = json!({ "to": [bo.address], "subject": "Animals", "text": "The quokka is happy." });
    let sent = by_ana.post("/v1/messages", letter).await.expect(202);
    door.app.settle().await;
    let inbox = call(&by_bo, "check_inbox", json!({ "unseen": true })).await;
    assert_eq!((&inbox["messages"][0]["subject"], &inbox["more"]), (&json!("Animals"), &json!(false)));
    let thread = json!({ "thread_id": inbox["messages"][0]["thread_id"] });
    let read = call(&by_bo, "read_thread", thread.clone()).await;
    assert_eq!(text(&read["messages"][0], "text").trim(), "The quokka is happy.");
    assert_eq!(
        call(&by_bo, "search", json!({ "query": "quokka from:ana" })).await["messages"][0]["id"],
        inbox["messages"][0]["id"]
    );
    assert_eq!(call(&by_bo, "search", json!({ "query": "wombat" })).await["messages"], json!([]));
    assert_eq!(first(&by_bo, "/v1/messages").await["seen"], false, "nothing was marked");
    refused(&door.client(&door.app.person("Cy").await), "read_thread", thread).await;
    let answer =
        json!({ "to": [ana.address], "text": "So am I.", "in_reply_to": inbox["messages"][0]["id"] });
    let replied = call(&by_bo, "send_message", answer).await;
    door.app.settle().await;
    assert_eq!(first(&by_ana, "/v1/messages").await["thread_id"], sent["thread_id"]);
    assert_eq!(replied["state"], "accepted");

    // What is wrong is said so that a model can put it right.
    let wrong = refused(&by_bo, "send_message", json!({ "to": ["nobody"], "text": "x" })).await;
    assert!(wrong["fix"].is_string() && wrong["errors"][0]["pointer"].is_string(), "{wrong}");
    refused(&by_bo, "send_message", json!({ "to": [ana.address], "text": "x", "bcc": [] })).await;
    refused(&by_bo, "search", json!({ "query": "\"" })).await;
    let reader = door.anybody().token(&door.app.token(bo.id, "messages:read", None).await);
    let no = refused(&reader, "send_message", json!({ "to": [ana.address], "text": "x" })).await;
    assert_eq!(no["code"], "insufficient_scope");
    let blind = door.anybody().token(&door.app.token(bo.id, "messages:send", None).await);
    for (tool, arguments) in [
        ("check_inbox", json!({})),
        ("search", json!({ "query": "x" })),
        ("await_answer", json!({ "promise_id": id(&sent["promises"]["delivery"]) })),
    ] {
        assert_eq!(refused(&blind, tool, arguments).await["code"], "insufficient_scope", "{tool}");
    }
});

both!(the_protocol_is_kept, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, ..) = door.two().await;
    door.anybody().post("/mcp", json!({})).await.problem(401, "unauthenticated");
    by_ana.get("/mcp").await.problem(405, "method_not_allowed");
    let hello =
        ask(&by_ana, "initialize", json!({ "protocolVersion": "2025-06-18", "capabilities": {} })).await;
    assert_eq!(
        (&hello["protocolVersion"], &hello["serverInfo"]["name"]),
        (&json!("2025-06-18"), &json!("restante"))
    );
    let newer = ask(&by_ana, "initialize", json!({ "protocolVersion": "2099-01-01" })).await;
    assert_eq!(newer["protocolVersion"], "2025-11-25");
    assert_eq!(ask(&by_ana, "ping", json!({})).await, json!({}));
    let tools = ask(&by_ana, "tools/list", json!({})).await["tools"].clone();
    assert_eq!(tools.as_array().unwrap().len(), 6);
    for tool in tools.as_array().unwrap() {
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
        for name in tool["inputSchema"]["required"].as_array().unwrap() {
            assert!(tool["inputSchema"]["properties"].get(name.as_str().unwrap()).is_some(), "{tool}");
        }
        // The schema is the truth: every argument it names is known, and no other.
        let code = async |arguments: Value| {
            let call = json!({ "name": tool["name"], "arguments": arguments });
            ask(&by_ana, "tools/call", call).await["structuredContent"]["code"].clone()
        };
        for name in tool["inputSchema"]["properties"].as_object().unwrap().keys() {
            assert_ne!(code(json!({ (name): null })).await, "unknown_field", "{tool} {name}");
        }
        assert_eq!(code(json!({ "colour": "red" })).await, "unknown_field", "{tool}");
    }
    for (method, params, code) in [
        ("resources/list", json!({}), -32601),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({ "name": "delete_everything" }), -32602),
        ("tools/call", json!({ "name": "search", "arguments": { "query": "x" }, "task": {} }), -32601),
        ("tasks/get", json!({ "taskId": "no such task" }), -32602),
        ("tasks/result", json!({}), -32602),
    ] {
        assert_eq!(ask(&by_ana, method, params).await["error"]["code"], code, "{method}");
    }
    let told = by_ana.post("/mcp", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    assert_eq!((told.status, told.bytes.len()), (202, 0));
    for bad in [
        json!([]),
        json!({ "id": 1, "method": "ping" }),
        json!({ "jsonrpc": "2.0", "id": {}, "method": "ping" }),
    ] {
        assert_eq!(by_ana.post("/mcp", bad).await.expect(400)["error"]["code"], -32600);
    }
    let other = by_ana.header("mcp-protocol-version", "2031-01-01");
    let said = other
        .post("/mcp", json!({ "jsonrpc": "2.0", "id": "a", "method": "server/discover" }))
        .await
        .expect(400);
    assert_eq!((&said["id"], &said["error"]["code"]), (&json!("a"), &json!(-32022)));
});

both!(a_request_may_stand_alone, |engine| async move {
    let door = Door::open(engine).await;
    let (_, by_ana, bo, _) = door.two().await;
    let revision = "2026-07-28";
    let said = async |method: &str, name: &str, mut params: Value| {
        params["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} });
        let mut client = by_ana.header("mcp-protocol-version", revision).header("mcp-method", method);
        if !name.is_empty() {
            client = client.header("mcp-name", name);
        }
        client.post("/mcp", json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await
    };
    let hello = said("server/discover", "", json!({})).await.expect(200)["result"].clone();
    assert!(hello["supportedVersions"].as_array().unwrap().contains(&json!(revision)), "{hello}");
    assert_eq!((&hello["resultType"], &hello["cacheScope"]), (&json!("complete"), &json!("public")));
    let tools = said("tools/list", "", json!({})).await.expect(200);
    assert!(tools["result"]["ttlMs"].is_u64() && tools["result"]["tools"].as_array().unwrap().len() == 6);
    let send = json!({ "name": "send_message", "arguments": { "to": [bo.address], "text": "Hello" } });
    let sent = said("tools/call", "send_message", send.clone()).await.expect(200)["result"].clone();
    assert_eq!((&sent["isError"], &sent["resultType"]), (&json!(false), &json!("complete")));
    door.app.settle().await;
    // What the headers say must be what the body says; and there is nothing to begin with.
    for (method, name, params, status, code) in [
        ("tools/call", "search", send.clone(), 400, -32020),
        ("tools/call", "", send, 400, -32020),
        ("initialize", "", json!({}), 404, -32601),
        ("tasks/get", "", json!({ "taskId": "x" }), 404, -32601),
        ("tools/call", "fly", json!({ "name": "fly" }), 400, -32602),
    ] {
        let answer = said(method, name, params).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (status, &json!(code)),
            "{method} {name}"
        );
    }
    let bare = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = by_ana.header("mcp-protocol-version", revision).post("/mcp", bare).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32602)));
});
