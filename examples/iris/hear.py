"""Hears of the end of one queued request, and leaves. `WEBHOOK_SECRET` is the endpoint's."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = os.environ["WEBHOOK_SECRET"]


class Ear(BaseHTTPRequestHandler):
    """Takes a call if its signature is that of the endpoint, and not of long ago."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            told = Webhook(SECRET).verify(body, dict(self.headers))
        except WebhookVerificationError as wrong:
            self.send_error(401, str(wrong))
            return
        data = told["data"]
        print(told["type"], data["status"], data["result"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing else."""


with HTTPServer(("127.0.0.1", 0), Ear) as server:
    server.timeout = 60
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.handle_request()
