"""The client SDK: python client.py URL USER PASSWORD (over NATS), or URL KEY (over HTTP)."""

import asyncio
import sys

from mesh import Client, SyncClient
from mesh.errors import BackendError, ConflictError

FLOWER = {"data": [[5.1, 3.5, 1.4, 0.2]]}


async def main(url: str, access: dict[str, str]) -> None:
    async with await Client.connect(url, **access, retries=3) as client:
        # Now.
        answer = await client.invoke("iris", FLOWER, timeout_s=30)
        print("now:", answer.json()["species"], "from", answer.deployment)

        # Many, at most eight at once, in the order of the inputs; with a bar on a terminal.
        flowers = [{"data": [[5.0, 3.0, petal, petal / 4]]} for petal in range(1, 7)]
        answers = await client.map("iris", flowers, concurrency=8, progress=True)
        print("many:", " ".join(answer.json()["species"][0] for answer in answers))

        # An error where its answer would be.
        both = await client.map("iris", [FLOWER, {"data": "none"}], return_errors=True)
        print("both:", " ".join(type(one).__name__ for one in both))

        # Later: safe once it has an id, run when there is room.
        job = await client.submit("iris", FLOWER, priority="low", timeout_s=600)
        answer = await job
        print("later:", answer.json()["species"], (await job.status()).state)

        # The same request by its id, as another program would have it.
        try:
            await client.job("iris", job.id).cancel()
        except ConflictError as error:
            print("too late:", error.code)

        # What the model has against it.
        try:
            await client.invoke("iris", b"no JSON")
        except BackendError as error:
            print("error:", error.code, error.context["answer"].model_status)


def main_without_await(url: str, access: dict[str, str]) -> None:
    with SyncClient.connect(url, **access) as client:
        answer = client.submit("iris", FLOWER).result(wait_s=30)
        print("without await:", answer.json()["species"])


if __name__ == "__main__":
    where, *secrets = sys.argv[1:]
    names = ("key",) if len(secrets) == 1 else ("user", "password")
    who = dict(zip(names, secrets, strict=True))
    asyncio.run(main(where, who))
    main_without_await(where, who)
