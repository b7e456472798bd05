"""A producer with nats-py alone: one answer now, one result later."""

import asyncio
import json
from pathlib import Path

import nats

BODY = b'{"data": [[5.1, 3.5, 1.4, 0.2]]}'


async def main(who: dict[str, str]) -> None:
    client = await nats.connect(
        who["url"],
        user=who["name"],
        password=who["password"],
        inbox_prefix=who["inbox_prefix"].encode(),
    )

    # Now: a request, answered by the model.
    answer = await client.request("mesh.invoke.iris", BODY, timeout=30)
    print("now:", answer.headers["Mesh-Status"], answer.data.decode())

    # Later: acknowledged once it is safe, then run when there is room.
    stored = await client.request("mesh.enqueue.iris", BODY)
    request_id = f"ingress-{json.loads(stored.data)['seq']}"
    print("safe:", request_id)

    # Its result: listen first, then look, so that it cannot come in between unheard.
    subject = f"mesh.result.iris.{request_id}"
    told = await client.subscribe(subject)
    result = await client.request(f"$JS.API.DIRECT.GET.RESULTS.{subject}")
    if (result.headers or {}).get("Status") == "404":
        result = await told.next_msg(timeout=30)
    print("later:", result.headers["Mesh-Status"], result.data.decode())

    # For one deployment, whatever the split; its lane acknowledges. Less urgent than all else.
    mine = {"Mesh-Request-Id": "flower-1", "Nats-Msg-Id": "flower-1"}
    stored = await client.request("mesh.work.iris.blue.background", BODY, headers=mine)
    print("safe:", json.loads(stored.data)["stream"])

    # Cancelled by its id, unless it has ended.
    told = await client.request("mesh.withdraw.iris", headers={"Mesh-Request-Id": request_id})
    print("too late:", told.headers["Mesh-Status"], told.headers["Mesh-Error"])

    # Who waits for an answer no longer says so, by the reply subject.
    reply = client.new_inbox()
    await client.publish("mesh.invoke.iris", BODY, reply=reply)
    await client.publish("mesh.abandon.iris", reply.encode())

    # An error is in the headers.
    answer = await client.request("mesh.invoke.iris", b"no JSON", timeout=30)
    print("error:", answer.headers["Mesh-Status"], answer.headers["Mesh-Error"])
    await client.close()


asyncio.run(main(json.loads(Path("producer.json").read_text())))
