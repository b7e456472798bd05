"""The client SDK: asking endpoints, over NATS or over HTTP, now or queued.

    async with await Client.connect("http://127.0.0.1:8080", key=KEY) as client:
        answer = await client.invoke("iris", {"data": [[5.1, 3.5, 1.4, 0.2]]})
        job = await client.submit("iris", {"data": [[5.1, 3.5, 1.4, 0.2]]})
        answer = await job.result(wait_s=60)

`SyncClient` is the same for code that does not await. Ring: adapter.
"""

from mesh.client.answer import Answer, Status
from mesh.client.client import Access, Client
from mesh.client.job import Job
from mesh.client.options import AskOptions, SubmitOptions
from mesh.client.sync import SyncClient, SyncJob

__all__ = [
    "Access",
    "Answer",
    "AskOptions",
    "Client",
    "Job",
    "Status",
    "SubmitOptions",
    "SyncClient",
    "SyncJob",
]
