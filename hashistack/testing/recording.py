"""Runs a Pulumi program against mocks, and records what it declares: resources, invokes and components' outputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.stack import run_pulumi_func


class Cloud:
    """What a provider would say. This one knows our own look before an `up` alone; other invokes raise LookupError."""

    def outputs(self, type: str, name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """A resource's outputs beside its inputs; may be `pulumi.Output.secret`. `id`: the id that it gets."""
        return {}

    def answer(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an invoke returns."""
        if token == "hashistack:index:preflight":  # noqa: S105 - of our own plugin: nothing stands against the cluster
            return {"findings": "[]"}
        raise LookupError(f"no answer for {token} {args}")


@dataclass(frozen=True)
class Registered:
    """One resource as it was declared; inputs are named as the engine's protocol names them (``cidrBlock``)."""

    type: str
    name: str
    urn: str
    parent: str
    """The parent's URN; the stack's has the type ``pulumi:pulumi:Stack``."""
    inputs: dict[str, Any]
    secret_inputs: frozenset[str]
    """Names of inputs that are, or hold, a secret."""
    custom: bool
    """False: a component."""
    provider: str
    """The explicit provider, as ``<urn>::<id>``; "" stands for the default one."""
    depends_on: tuple[str, ...]
    """URNs of everything that must be there first, by an option or by an input."""
    ignore_changes: tuple[str, ...]
    protect: bool
    retain_on_delete: bool


@dataclass(frozen=True)
class Call:
    """One invoke: its token, arguments and explicit provider ("": the default one)."""

    token: str
    args: dict[str, Any]
    provider: str


@dataclass
class Recording:
    """What a program declared, in the order in which the engine learned of it."""

    resources: list[Registered] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What each component registered as its outputs, by URN; a component without an entry never did."""
    exports: dict[str, Any] = field(default_factory=dict)
    """What the program exported."""
    result: Any = None
    """What the program returned, with outputs resolved (an unknown one is None)."""

    def of(self, type: str) -> list[Registered]:
        """The resources of one type, by name."""
        return sorted((each for each in self.resources if each.type == type), key=lambda each: each.name)

    def named(self, name: str, type: str | None = None) -> Registered:
        """The one resource of this name, and type where several share it. Raises LookupError."""
        found = [each for each in self.resources if each.name == name and type in (None, each.type)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources are called {name!r}: {[each.type for each in found]}")
        return found[0]


def record(
    program: Callable[[], Any],
    cloud: Cloud | None = None,
    *,
    preview: bool = False,
    project: str = "project",
    stack: str = "stack",
    disable_default_providers: Collection[str] = (),
) -> Recording:
    """Run ``program`` to its end against ``cloud``, every output resolved. Raises what the program raises.

    Each resource gets the id ``<name>-id``, its inputs as outputs, and what the cloud says otherwise.
    disable_default_providers: packages (``aws``) of which a resource or an invoke without an explicit provider raises,
    as the engine does under ``pulumi:disable-default-providers``.
    """
    recording = Recording()
    monitor = _Monitor(recording, _Mocks(cloud or Cloud()), frozenset(disable_default_providers))

    async def run() -> None:
        # The first error is raised; whatever waited for the same output would repeat it when it is collected.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        settings.SETTINGS.outputs.clear()  # of a recording that failed
        settings.SETTINGS.rpc_manager.clear()
        mocks.set_mocks(monitor.mocks, project, stack, preview, monitor=monitor)

        async def body() -> None:
            recording.result = await pulumi.Output.from_input(program()).future()

        await run_pulumi_func(body)
        exports: dict[str, Any] = getattr(settings.get_root_resource(), "outputs", {})
        recording.exports = await pulumi.Output.from_input(exports).future() or {}

    # The SDK keeps its state in context variables, and loops a thread: nothing of it outlives the recording.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(Context().run, asyncio.run, run()).result()
    return recording


class _Mocks(mocks.Mocks):
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        # An input that is secret stays so as an output: the SDK sees to that.
        said = dict(self._cloud.outputs(args.typ, args.name, _plain(args.inputs)))
        id_ = said.pop("id", f"{args.name}-id")
        return (id_ if args.custom else None), {**args.inputs, **said}

    def call(self, args: mocks.MockCallArgs) -> Any:  # a dict alone says that nothing failed
        return dict(self._cloud.answer(args.token, args.args))


def _plain(value: Any) -> Any:
    """A value of the protocol without the wrapping of secrets."""
    if rpc.is_rpc_secret(value):
        return _plain(rpc.unwrap_rpc_secret(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _has_secret(value: Any) -> bool:
    if rpc.is_rpc_secret(value):
        return True
    if isinstance(value, Mapping):
        return any(map(_has_secret, value.values()))
    return isinstance(value, list) and any(map(_has_secret, value))


@contextmanager
def _loop() -> Iterator[None]:
    """A loop for the worker thread that serves a call: the SDK would make one and never close it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class _Monitor(mocks.MockMonitor):
    """The SDK's stand-in for the engine, which also keeps what the mocks are not told."""

    def __init__(self, recording: Recording, mock: _Mocks, explicit: frozenset[str]) -> None:
        super().__init__(mock)
        self._recording, self._explicit = recording, explicit

    def RegisterResource(self, request: Any) -> Any:
        if request.type == "pulumi:pulumi:Stack":
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.custom:
            self._refuse_default(request.type, request.provider)
        with _loop():
            inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
            self._recording.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    urn=self.make_urn(request.parent, request.type, request.name),
                    parent=request.parent,
                    inputs=_plain(inputs),
                    secret_inputs=frozenset(name for name, value in inputs.items() if _has_secret(value)),
                    custom=request.custom,
                    provider=request.provider,
                    depends_on=tuple(request.dependencies),
                    ignore_changes=tuple(request.ignoreChanges),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                )
            )
            return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:
        with _loop():
            found = _plain(rpc.deserialize_properties(request.outputs, keep_unknowns=True))
        if "::pulumi:pulumi:Stack::" not in request.urn:  # registered before the program runs
            self._recording.outputs[request.urn] = found
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]

    def ReadResource(self, request: Any) -> Any:
        self._refuse_default(request.type, request.provider)
        with _loop():
            return super().ReadResource(request)  # type: ignore[no-untyped-call]

    def Invoke(self, request: Any) -> Any:
        self._refuse_default(request.tok, request.provider)
        with _loop():
            self._recording.calls.append(Call(request.tok, rpc.deserialize_properties(request.args), request.provider))
            return super().Invoke(request)  # type: ignore[no-untyped-call]

    def _refuse_default(self, token: str, provider: str) -> None:
        package = token.partition(":")[0]
        if package in self._explicit and not provider:
            raise RuntimeError(f"default provider for {package!r} disabled: {token} must use an explicit provider")
