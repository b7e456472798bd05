"""KServe's SDK as its documentation starts it, but listening on this machine only, without gRPC."""

import sys

import kserve
import score
from kserve.protocol.rest.server import RESTServer


class Iris(kserve.Model):
    """The model in KServe's form."""

    def __init__(self, name):
        super().__init__(name)
        score.init()
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """Score rows that KServe has decoded."""
        return score.predict(payload)


async def start_here_only(self):
    """Start the REST server; its host is otherwise fixed to every interface."""
    self.config.host = "127.0.0.1"
    await start_everywhere(self)


start_everywhere, RESTServer.start = RESTServer.start, start_here_only
kserve.ModelServer(http_port=int(sys.argv.pop()), enable_grpc=False).start([Iris("iris")])
