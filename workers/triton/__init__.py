"""The runtime of Triton model repositories: a tritonserver, started or already running.

Only `workers.triton.client` imports tritonclient and gRPC.
"""

import os

# gRPC reads it when it is imported. A process that is started execs at once: there is nothing of
# gRPC's for it to repair, and nothing to warn of.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
