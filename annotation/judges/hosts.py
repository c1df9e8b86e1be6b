"""Hosts of models that people connect to, so that an address need not be looked up. Pure."""

from dataclasses import dataclass

from .models import Provider


@dataclass(frozen=True)
class Host:
    """`needs_key`: it refuses calls without one. `constrain`: how a judge there can hold replies
    to the labels. `private`: the operator has to allow the address."""

    name: str
    provider: Provider
    base_url: str
    needs_key: bool = True
    logprobs: bool = True
    batches: bool = False
    batch_price_percent: int = 100
    constrain: str = ""
    private: bool = False


HOSTS = (
    Host(
        "OpenAI", Provider.OPENAI, "https://api.openai.com/v1", batches=True, batch_price_percent=50
    ),
    Host(
        "Anthropic",
        Provider.ANTHROPIC,
        "https://api.anthropic.com/v1",
        logprobs=False,
        batches=True,
        batch_price_percent=50,
        constrain="tool",
    ),
    Host("Together", Provider.OPENAI, "https://api.together.xyz/v1"),
    Host("OpenRouter", Provider.OPENAI, "https://openrouter.ai/api/v1"),
    Host(
        "vLLM",
        Provider.OPENAI,
        "http://localhost:8000/v1",
        needs_key=False,
        constrain="structured_outputs",
        private=True,
    ),
    Host(
        "Ollama",
        Provider.OPENAI,
        "http://localhost:11434/v1",
        needs_key=False,
        constrain="response_format",
        private=True,
    ),
)
