"""Data files of a data set on the Hugging Face hub. Code of a data set is neither read nor run.

The hub is asked for the names and sizes of a data set's files. Which of them belong to a
configuration and a split is read from the data set's card where it says so, and from folders and
names where not: `data/train-00000-of-00002.parquet`, `harmless-base/test.jsonl.gz`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from huggingface_hub import HfApi, hf_hub_url

# `HTTPError` is that of its HTTP client, whichever that is.
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.exceptions import InvalidInput, NotFound

from .fetching import NotFetched, Wish, check_address, import_reach
from .keeping import DATA, PACKED, plain_name

SECONDS = 20.0
NOT_THERE = 404
MOST_FILES = 500
# The same rows in several formats are read once, from the first of these.
PREFERRED = (".parquet", ".jsonl", ".json", ".csv", ".tsv")
# Files that describe a data set; they hold none of its rows.
ABOUT = frozenset(
    {"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "package.json"}
)
SPLIT = re.compile(r"(?:^|[-_./])(train|validation|valid|val|dev|test|eval)(?=$|[-_./\d])", re.I)
SPLIT_NAMES = {"valid": "validation", "val": "validation", "dev": "validation", "eval": "test"}
# Folders that hold files of no configuration in particular.
PLAIN_FOLDERS = frozenset({"", "data"})
REVISION = re.compile(r"[\w][\w./-]{0,199}")


@dataclass(frozen=True)
class DataFile:
    """One file of a data set; `size` in bytes where the hub tells it."""

    path: str
    config: str
    split: str
    size: int = 0

    @property
    def format(self) -> str:
        return format_of(self.path)


@dataclass(frozen=True)
class DataSet:
    """A data set at one commit, and all the data files in it."""

    name: str
    commit: str
    files: list[DataFile]
    licence: str = ""

    def configs(self) -> list[str]:
        return sorted({each.config for each in self.files})

    def splits(self, config: str) -> list[str]:
        return sorted({each.split for each in self.files if each.config == config})


def look_up(name: str, revision: str = "") -> DataSet:
    """Ask the hub which data files a data set has.

    Raises:
        InvalidInput: no name or revision of a data set, or it has no data files.
        NotFound: the hub does not show it.
        NotFetched: the hub did not answer as one.
    """
    if revision and not REVISION.fullmatch(revision):
        raise InvalidInput(_("A revision is a branch, a tag or a commit."))
    info = _asked(name.strip(), revision or None)
    named = [(each.rfilename, each.size or 0) for each in info.siblings or []]
    card = info.card_data.to_dict() if info.card_data else {}
    files = files_of(named, card)
    if not files:
        raise InvalidInput(
            _("%(name)s has no data files (%(formats)s): code of a data set is not run.")
            % {"name": name, "formats": ", ".join(DATA)}
        )
    licence = card.get("license")
    return DataSet(info.id, info.sha or "main", files, licence if isinstance(licence, str) else "")


def chosen(found: DataSet, config: str = "", split: str = "") -> list[DataFile]:
    """The files of a configuration and a split, in the order of their names.

    Without a split, those of all splits; the configuration may be left out where there is one, or
    one is called default.

    Raises:
        InvalidInput: there is no such one, it has to be chosen, or they are too many or too large.
    """
    configs = found.configs()
    if not config and len(configs) > 1 and "default" not in configs:
        raise InvalidInput(
            _("Choose a configuration of %(name)s: %(choices)s.")
            % {"name": found.name, "choices": _some(configs)},
            configs=configs[:100],
        )
    config = config or ("default" if "default" in configs else configs[0])
    if config not in configs:
        raise InvalidInput(
            _("%(name)s has no configuration %(config)s, but %(choices)s.")
            % {"name": found.name, "config": config[:80], "choices": _some(configs)}
        )
    splits = found.splits(config)
    if split and split not in splits:
        raise InvalidInput(
            _("%(name)s has no split %(split)s, but %(choices)s.")
            % {"name": found.name, "split": split[:80], "choices": _some(splits)}
        )
    files = [each for each in found.files if each.config == config and split in ("", each.split)]
    return _bearable(_of_one_format(files))


def wish_for(found: DataSet, file: DataFile) -> Wish:
    """How to fetch a file: from the operator's hub, with the operator's key for imports."""
    url = hf_hub_url(
        found.name,
        file.path,
        repo_type="dataset",
        revision=found.commit,
        endpoint=settings.HF_ENDPOINT,
    )
    token = settings.IMPORT_HUB_TOKEN
    reach = import_reach().with_url(settings.HF_ENDPOINT)
    check_address(url, reach)
    return Wish(url, {"Authorization": f"Bearer {token}"} if token else {}, reach=reach)


def files_of(named: Iterable[tuple[str, int]], card: Mapping[str, Any]) -> list[DataFile]:
    """The data files among all files (path, bytes) of a data set, each with where it belongs.

    >>> files_of([("data/train-0.parquet", 5), ("setup.py", 1)], {})
    [DataFile(path='data/train-0.parquet', config='default', split='train', size=5)]
    """
    data = sorted((path, size) for path, size in named if _is_data(path))
    patterns = list(_patterns(card))
    if not patterns:
        return [DataFile(path, _config_of(path), _split_of(path), size) for path, size in data]
    return [
        DataFile(path, config, split, size)
        for config, split, pattern in patterns
        for path, size in data
        if fnmatchcase(path, pattern)
    ]


def format_of(path: str) -> str:
    """The ending that says what is in a file, packed or not; empty for no data file."""
    name = path.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return next((each for each in DATA if name.endswith(each)), "")


def name_of(file: DataFile) -> str:
    """What a file is called on pages and in reports."""
    return plain_name(file.path)


def _asked(name: str, revision: str | None) -> Any:
    api = HfApi(endpoint=settings.HF_ENDPOINT, token=settings.IMPORT_HUB_TOKEN or False)
    try:
        return api.dataset_info(name, revision=revision, timeout=SECONDS, files_metadata=True)
    except GatedRepoError as error:
        raise NotFound(_("%s is closed: its owner decides who may read it.") % name) from error
    except RevisionNotFoundError as error:
        raise NotFound(_("%s has no such revision.") % name) from error
    except RepositoryNotFoundError as error:
        raise NotFound(_("The hub shows no data set %s.") % name[:200]) from error
    except HFValidationError as error:
        raise InvalidInput(_("A data set is named owner/name.")) from error
    except HfHubHTTPError as error:
        if error.response.status_code == NOT_THERE:
            raise NotFound(_("The hub shows no data set %s.") % name[:200]) from error
        raise NotFetched(_("The hub does not answer as it should.")) from error
    except (HTTPError, OSError) as error:
        raise NotFetched(_("The hub cannot be reached now.")) from error
    except (KeyError, TypeError, ValueError) as error:
        raise NotFetched(_("The hub's answer is not that of a hub.")) from error


def _is_data(path: str) -> bool:
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith((".", "_")) for part in parts) or ".." in parts
    return bool(format_of(path)) and not hidden and parts[-1] not in ABOUT


def _patterns(card: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Configuration, split and pattern of every line of a card about data files."""
    configs = card.get("configs")
    for config in configs if isinstance(configs, list) else []:
        if not isinstance(config, dict):
            continue
        name = str(config.get("config_name", "default"))
        folder = str(config.get("data_dir", "")).strip("/")
        for split, path in _data_files(config.get("data_files")):
            pattern = (f"{folder}/{path}" if folder else path).removeprefix("./")
            yield name, split, pattern


def _data_files(given: Any) -> Iterable[tuple[str, str]]:
    """A card writes one path, several, paths by split, or objects of split and path."""
    if isinstance(given, dict):
        given = [{"split": split, "path": path} for split, path in given.items()]
    for each in given if isinstance(given, list) else [given]:
        split = str(each.get("split", "train")) if isinstance(each, dict) else "train"
        paths = each.get("path") if isinstance(each, dict) else each
        for path in paths if isinstance(paths, list) else [paths]:
            if isinstance(path, str):
                yield split, path


def _config_of(path: str) -> str:
    folder = PurePosixPath(path).parent.as_posix().removeprefix(".").removeprefix("data/")
    first = folder.partition("/")[0]
    plain = folder in PLAIN_FOLDERS or SPLIT.fullmatch(first)
    return "default" if plain else first


def _split_of(path: str) -> str:
    found = SPLIT.findall(path)
    if not found:
        return "train"
    word = str(found[-1]).lower()
    return SPLIT_NAMES.get(word, word)


def _of_one_format(files: list[DataFile]) -> list[DataFile]:
    best = min((each.format for each in files), key=PREFERRED.index)
    return [each for each in files if each.format == best]


def _bearable(files: list[DataFile]) -> list[DataFile]:
    most = settings.IMPORT_MAX_BYTES
    size = sum(each.size for each in files)
    if len(files) > MOST_FILES or size > most:
        raise InvalidInput(
            _("These are %(count)d files of %(size)d MB together; %(most)d MB may be imported.")
            % {"count": len(files), "size": size // 2**20, "most": most // 2**20}
        )
    return files


def _some(names: list[str]) -> str:
    return ", ".join(each[:80] for each in names[:20]) + (" …" if len(names) > 20 else "")
