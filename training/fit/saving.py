"""Writing what a fit has trained: a plain model, or adapters for peft."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from training.fit.config import FitConfig
from training.fit.heads.files import save_head, save_plain
from training.fit.heads.modules import attached
from training.fit.models.loading import head_of
from training.fit.models.lora import merged


def save_model(model: Any, wrapped: Any, config: FitConfig, folder: Path) -> None:
    """Write a model that plain `from_pretrained` loads, or its adapters for peft.

    With adapters, `lora.merge` decides: merged weights with the adapters beside them in
    `adapter/`, or the adapters alone. Merging changes the model, so nothing is trained after it.
    """
    if wrapped is None or config.lora is None:
        save_plain(model, folder)
    elif config.lora.merge:
        _save_adapters(wrapped, config, folder / "adapter")
        save_plain(merged(wrapped), folder)
    else:
        _save_adapters(wrapped, config, folder)
        save_head(attached(model), folder)


def _save_adapters(wrapped: Any, config: FitConfig, folder: Path) -> None:
    """Adapters as `PeftModel.from_pretrained` reads them; a reward model's with its head."""
    wrapped.save_pretrained(folder)
    settings = json.loads((folder / "adapter_config.json").read_text())
    base = config.base
    # The base by its name: a folder of adapters travels to machines where it lies elsewhere.
    settings["base_model_name_or_path"] = base.hub or Path(str(base.path)).name
    settings["revision"] = base.revision
    if config.kind == "reward":
        name, head = _named_head(wrapped.base_model.model)
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        for key, tensor in head.state_dict().items():
            tensors[f"base_model.model.{name}.{key}"] = tensor.detach().cpu().contiguous()
        save_file(tensors, file, {"format": "pt"})
        settings |= {"task_type": "SEQ_CLS", "modules_to_save": [name]}
    (folder / "adapter_config.json").write_text(json.dumps(settings, indent=1))
    (folder / "README.md").unlink(missing_ok=True)  # peft's template; our card says more


def _named_head(model: Any) -> tuple[str, Any]:
    head = head_of(model)
    return next((name, module) for name, module in model.named_modules() if module is head)
