"""Sending an export to the Hub, or to a server that speaks its protocol."""

import re
from pathlib import Path

from django.conf import settings
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from core import artifacts
from core.exceptions import ApplicationError, InvalidInput, NotFound

from .exporters import files_of, folder_of
from .formats import HUGGING_FACE
from .models import Export

REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
# With a token of the request the request itself sends the files: it is stored nowhere.
MOST_AT_ONCE = 256 * 2**20


class Refused(ApplicationError):
    """The Hub did not take it; `message` says why, without the token."""

    status = 502
    code = "hub-refused"


def check_repo(repo: str) -> str:
    """The name of a data set on the Hub.

    Raises:
        InvalidInput: it is none.
    """
    if not REPO.fullmatch(repo) or ".." in repo:
        raise InvalidInput("Name the data set of the Hub as owner/name.")
    return repo


def push(*, row: Export, repo: str, private: bool = True, token: str = "") -> str:
    """Create the data set where it is not there, send the files in one commit; returns its address.

    Raises:
        InvalidInput: there is no token, the repo has no such name, or the export is in another
            format than the Hub's folder.
        NotFound: the export's files are gone.
        Refused: the Hub said no, or could not be reached.
    """
    check_repo(repo)
    if row.format != HUGGING_FACE:
        raise InvalidInput(f"Only an export in the format {HUGGING_FACE} can go to the Hub.")
    secret = token or settings.HUB_PUSH_TOKEN
    if not secret:
        raise InvalidInput("No token of the Hub is set: ask the operator, or give one of yours.")
    folder = artifacts.fetch(folder_of(row))
    names = [each["path"] for each in files_of(row)]
    if not all((folder / name).is_file() for name in names):
        raise NotFound("The files of this export are gone: make the export again.")
    return _send(folder, names, repo, secret, private=private)


def _send(folder: Path, names: list[str], repo: str, token: str, *, private: bool) -> str:
    api = HfApi(endpoint=settings.HF_ENDPOINT, token=token)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=names,
            commit_message="Add a data set exported from Tandem",
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        said = str(error).replace(token, "[token]").splitlines()
        raise Refused(f"The Hub did not take it: {(said or [''])[0][:300]}") from None
    return str(getattr(done, "repo_url", "") or f"{settings.HF_ENDPOINT}/datasets/{repo}")
