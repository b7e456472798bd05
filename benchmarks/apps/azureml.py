"""azureml-inference-server-http as its command starts it, but listening on this machine only."""

from azureml_inference_server_http import amlserver

amlserver.DEFAULT_HOST = "127.0.0.1"
amlserver.run()
