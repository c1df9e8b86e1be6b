"""Tokenizers: loaded from a folder, or a byte-level BPE trained on the data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from training.batching.rows import Row
from training.batching.tokenise import CHAT_TEMPLATE
from training.errors import RefusalError
from training.fit.config import FitConfig
from training.fit.files import replace_folder
from training.fit.models.hub import base_folder

PAD, END, UNKNOWN = "<|pad|>", "<|end|>", "<|unknown|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
SMALLEST_VOCABULARY = 256 + 6


def tokenizer_for(config: FitConfig, rows: Iterable[Row], workdir: Path) -> Any:
    """The run's tokenizer; it is kept in the work folder, so a resumed run has the same one."""
    kept = workdir / "tokenizer"
    if kept.is_dir():
        return load_tokenizer(kept)
    tokenizer = _chosen(config, rows)
    replace_folder(kept, tokenizer.save_pretrained)
    return load_tokenizer(kept)


def _chosen(config: FitConfig, rows: Iterable[Row]) -> Any:
    if config.tokenizer.train_on_data:
        size = config.base.scratch.vocab_size if config.base.scratch else SMALLEST_VOCABULARY
        return train_tokenizer(_texts(rows), size)
    path = config.tokenizer.path or base_folder(config.base)
    assert path is not None
    tokenizer = load_tokenizer(Path(path))
    if config.kind == "reward":
        give_own_pad(tokenizer)
    return tokenizer


def load_tokenizer(path: Path) -> Any:
    """A fast tokenizer from a folder, with our plain chat template where it has none.

    Raises:
        RefusalError: no folder, or no tokenizer in it.
    """
    from transformers import AutoTokenizer

    if not path.is_dir():
        raise RefusalError(f"There is no folder {path.name} with a tokenizer.", "Check the path.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # the library raises what it likes over files that are none
        raise RefusalError(
            f"{path.name} holds no tokenizer that can be loaded: {str(error)[:300]}",
            "Set `tokenizer.path` to a folder with tokenizer.json.",
        ) from error
    if not tokenizer.chat_template:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def give_own_pad(tokenizer: Any) -> None:
    """Add a padding token of its own where padding is missing or ends sequences as well.

    A saved reward model is pooled by transformers at the last token that is not padding, which
    is the wrong token when sequences end in the padding token.
    """
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        tokenizer.add_special_tokens({"pad_token": PAD})


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Any:
    """A byte-level BPE over `texts` with end, padding and role tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    if vocab_size < SMALLEST_VOCABULARY:
        raise RefusalError(
            f"`base.scratch.vocab_size` is {vocab_size}.",
            f"A byte-level vocabulary needs at least {SMALLEST_VOCABULARY}.",
        )
    model = Tokenizer(models.BPE(unk_token=UNKNOWN))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END, UNKNOWN, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token=PAD,
        eos_token=END,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _texts(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        yield from (message["content"] for message in row.prompt)
        yield from row.completions
