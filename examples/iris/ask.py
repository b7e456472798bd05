"""The client SDK, over NATS or over HTTP: python ask.py URL [USER PASSWORD | KEY]."""

import asyncio
import sys

from mesh import Client
from mesh.errors import BackendError

DATA = {"data": [[5.1, 3.5, 1.4, 0.2]]}


async def main(url: str, *secrets: str) -> None:
    if url.startswith("nats://"):
        client = await Client.connect(url, user=secrets[0], password=secrets[1])
    else:
        client = await Client.connect(url, key=secrets[0])
    async with client:
        answer = await client.invoke("iris", DATA, timeout_s=30)
        print("now:", answer.json()["species"])

        job = await client.submit("iris", DATA)
        answer = await job.result(wait_s=30)
        print("later:", answer.json()["species"], "from", answer.deployment)

        try:
            await client.invoke("iris", b"no JSON")
        except BackendError as error:
            print("error:", error.code, error.context["answer"].model_status)


asyncio.run(main(*sys.argv[1:]))
