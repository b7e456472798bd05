"""A Triton server over gRPC: the only module that knows tritonclient. Ring: adapter."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc

from workers.triton.errors import OverdueError, ServerAwayError, V2Error
from workers.triton.inference import Inference, Inferred, Parameters, Tensor
from workers.triton.plain import as_http

# A model's tensors are as large as they are, and the server may be another one in a moment.
CHANNEL: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.use_local_subchannel_pool", 1),  # no back-off of a server that had the port before
)
# As Triton's own HTTP server gives them.
STATUSES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNKNOWN: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
# What gRPC says of a connection, and Triton never of a model.
BROKEN: Final = ("connect", "Stream removed", "Socket closed", "recvmsg", "sendmsg", "Broken pipe")
# A Python model whose process has ended is READY for Triton, and says no more than this for ever.
# The whole message: within others Triton repeats what the caller wrote.
DEAD_MODEL: Final = re.compile(
    r"(?:in ensemble '[^']*', |Failed to process the request\(s\) for model instance '[^']*', "
    r"message: )*Stub process '[^']*' is not healthy\.?\s*"
)
PROBE_S: Final = 1.0


class ModelState(NamedTuple):
    """A model of the repository. `state` is READY, or why it is not is in `reason`."""

    name: str
    version: str
    state: str
    reason: str


def unready(states: list[ModelState]) -> str:
    """Say which model does not serve and why, in Triton's words; empty if all do."""
    if not states:
        return "the model repository has no model"
    for state in states:
        if state.state != "READY" and state.reason != "unloaded":
            said = f": {state.reason.strip()}" if state.reason else ""
            return f"model '{state.name}' version {state.version or '?'} is not ready{said}"
    return ""


class TritonClient:
    """A connection to one server. If it `is_ours`, a model in it that is dead ends it too."""

    def __init__(self, address: str, *, is_ours: bool) -> None:
        self.address = address
        self._is_ours = is_ours
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def __repr__(self) -> str:
        return f"<TritonClient {self.address}>"

    async def wait_live(self, timeout_s: float) -> None:
        """Wait until the server answers.

        Raises:
            ServerAwayError: it does not in this time.
        """
        try:
            await self._stub.ServerLive(
                pb.ServerLiveRequest(), wait_for_ready=True, timeout=timeout_s
            )
        except grpc.aio.AioRpcError as exc:
            raise ServerAwayError(
                f"the Triton server at {self.address} does not answer after {timeout_s:g} s: "
                f"{exc.details()}"
            ) from exc

    async def wait_away(self) -> None:
        """Wait until the connection, which has been used, is lost."""
        while (state := self._channel.get_state()) is grpc.ChannelConnectivity.READY:
            await self._channel.wait_for_state_change(state)

    async def models(self) -> list[ModelState]:
        """Return every model of the repository and how it is."""
        index = await self._call("RepositoryIndex", pb.RepositoryIndexRequest())
        return [ModelState(one.name, one.version, one.state, one.reason) for one in index.models]

    async def tell(self, method: str, timeout_s: float | None = None, **fields: Any) -> Any:
        """Ask one of the simple questions, and return the answer as Triton's HTTP server words it.

        Raises:
            V2Error: the server says no.
            ServerAwayError: it is not there.
            OverdueError: it did not answer in time.
        """
        message = getattr(pb, f"{method}Request")(**fields)
        return as_http(method, await self._call(method, message, timeout_s))

    async def infer(
        self, model: str, version: str, asked: Inference, timeout_s: float | None
    ) -> Inferred:
        """Run a model.

        Raises:
            V2Error: the server or the model says no.
            ServerAwayError: the server ended meanwhile, or is not there.
            OverdueError: it did not answer in time.
        """
        request = _infer_request(model, version, asked)
        said = await self._call("ModelInfer", request, timeout_s)
        raw = said.raw_output_contents
        if len(raw) != len(said.outputs):
            raise V2Error("the server answered without raw tensors", 500)
        outputs = [
            Tensor(
                name=output.name,
                datatype=output.datatype,
                shape=list(output.shape),
                raw=data,
                parameters=_plain(output.parameters) if output.parameters else {},
            )
            for output, data in zip(said.outputs, raw, strict=True)
        ]
        return Inferred(
            model_name=said.model_name,
            model_version=said.model_version,
            outputs=outputs,
            id=said.id,
            parameters=_plain(said.parameters) if said.parameters else {},
        )

    async def _call(self, method: str, message: Any, timeout_s: float | None = None) -> Any:
        try:
            return await getattr(self._stub, method)(message, timeout=timeout_s)
        except grpc.aio.AioRpcError as exc:
            error = exc
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise OverdueError from error
        if code is grpc.StatusCode.UNAVAILABLE and await self._is_away(text):
            raise ServerAwayError(text) from error
        if self._is_ours and DEAD_MODEL.fullmatch(text):
            raise ServerAwayError(text) from error
        raise V2Error(text, STATUSES.get(code, 500)) from error

    async def _is_away(self, text: str) -> bool:
        """Tell whether `text` is of the connection; Triton too says that things are unavailable."""
        if any(word in text for word in BROKEN):
            return True
        try:
            alive = await self._stub.ServerLive(pb.ServerLiveRequest(), timeout=PROBE_S)
        except grpc.aio.AioRpcError:
            return True
        return not alive.live

    async def close(self) -> None:
        """Close the connection; calls under way end."""
        await self._channel.close()


def _infer_request(model: str, version: str, asked: Inference) -> Any:
    request = pb.ModelInferRequest(
        model_name=model,
        model_version=version,
        id=asked.id,
        raw_input_contents=[tensor.raw for tensor in asked.inputs],
    )
    for tensor in asked.inputs:
        added = request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        _put(added.parameters, tensor.parameters)
    for wanted in asked.outputs:
        _put(request.outputs.add(name=wanted.name).parameters, wanted.parameters)
    _put(request.parameters, asked.parameters)
    return request


def _put(target: Any, parameters: Parameters) -> None:
    for key, value in parameters.items():
        if isinstance(value, bool):
            target[key].bool_param = value
        elif isinstance(value, int):
            target[key].int64_param = value
        elif isinstance(value, float):
            target[key].double_param = value
        else:
            target[key].string_param = value


def _plain(parameters: Any) -> Parameters:
    return {
        key: getattr(value, value.WhichOneof("parameter_choice"))
        for key, value in parameters.items()
    }
