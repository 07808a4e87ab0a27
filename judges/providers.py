"""The client of a judge: by its transport, and for a jury by the model that a request names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data.errors import ProviderError
from judges.judge import Judge, Transport
from judges.jury import Jury
from judges.pricing import tariff_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from data.records import Reply
    from judges.batch import BatchClient
    from judges.client import Client, Request
    from judges.task import AnyJudge

Address = tuple[str, str | None]


def client_for(judge: AnyJudge) -> Client | None:
    """The client that asks for a judge; None where nobody is asked.

    Raises ProviderError and PriceError as the clients do.
    """
    return asking_client(judge) if isinstance(judge, Judge | Jury) else None


def asking_client(judge: Judge | Jury) -> Client:
    """The client of a judge that has a model, or several."""
    if isinstance(judge, Jury):
        return Switch({(m.model, m.api_base): _client(m) for m in judge.members})
    return _client(judge)


def _client(judge: Judge) -> Client:
    if judge.transport is Transport.DIRECT:
        from judges.direct_client import DirectClient

        return DirectClient(judge)
    from judges.litellm_client import LiteLLMClient

    return LiteLLMClient(judge)


def batch_clients_for(judge: AnyJudge) -> dict[Address, BatchClient]:
    """The batch client of each model of a judge. Raises ProviderError where one has none."""
    members = judge.members if isinstance(judge, Jury) else (judge,)
    models = [member for member in members if isinstance(member, Judge)]
    if not models:
        raise ProviderError(f"{judge.name} asks nobody", "Leave out --batch.")
    return {(model.model, model.api_base): _batch_client(model) for model in models}


def _batch_client(judge: Judge) -> BatchClient:
    tariff = tariff_of(judge)
    cost = tariff.price.cost_usd
    if judge.model.startswith("openai/"):
        from judges.openai_batch import OpenAIBatchClient

        return OpenAIBatchClient(judge, cost, price_version=tariff.version)
    if judge.model.startswith("anthropic/"):
        from judges.anthropic_batch import AnthropicBatchClient

        return AnthropicBatchClient(judge, cost, price_version=tariff.version)
    raise ProviderError(
        f"{judge.model} has no batch API that Concord knows",
        "Leave out --batch; openai/ and anthropic/ models have one.",
    )


class Switch:
    """One client for several models: each request goes to that of its model and address."""

    def __init__(self, clients: Mapping[Address, Client]) -> None:
        self._clients = clients

    async def complete(self, request: Request) -> Reply:
        """By the client of the request's model."""
        return await self._clients[request.model, request.api_base].complete(request)

    async def close(self) -> None:
        """All of them."""
        for client in self._clients.values():
            await client.close()
