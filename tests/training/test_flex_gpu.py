"""FlexAttention's kernel on a GPU gives what the dense mask gives, forward and backward."""

from __future__ import annotations

import pytest
import torch

from training.batching.tokenise import TokenGroup
from training.fit.scoring.backbone import Backbone
from training.fit.scoring.policy import PolicyScorer

from .tiny import causal_model, groups

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("architecture", ["llama", "qwen3", "gemma3_text"])
def test_flex_equals_dense(architecture: str) -> None:
    members: list[TokenGroup] = groups((2, 3, 9, 2))
    found = []
    for attention in ("dense", "flex"):
        # The kernel asks for heads of at least 16.
        model = causal_model(architecture, hidden_size=64, head_dim=16).cuda()
        logp = PolicyScorer(Backbone(model, attention=attention)).signals(members).logp
        assert logp is not None
        loss = (logp * torch.linspace(-1, 1, len(logp), device=logp.device)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        found.append((logp.detach(), gradients))
    (dense, first), (flex, second) = found
    assert torch.allclose(dense, flex, atol=1e-3)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.allclose(value, second[name], atol=1e-3, rtol=1e-2), name
