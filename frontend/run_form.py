"""The form for a new run: what was entered turned into options, and a run's options entered."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from accounts.models import Project
from frontend.run_fields import SIGNAL_BANDS, Field, fields_of
from training.objectives.presets import PRESETS, catalogue
from training.registry.models import ModelVersion
from training.runs.config import DEFAULT_PRESET
from training.runs.models import Run, RunKind
from training.runs.selectors import flat

PREFIX = "option."
STARTS = ("scratch", "production", "last")


@dataclass
class Entered:
    """What a form shows: text by field name, options to start with, and what is wrong by field."""

    kind: str
    values: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def preset(self) -> dict[str, Any]:
        """The chosen preset as the catalogue describes it."""
        presets = {each["name"]: each for each in catalogue(_kind(self.kind))}
        return presets.get(self.values["preset"]) or presets[DEFAULT_PRESET[self.kind]]

    def note(self, message: str) -> None:
        """Put a refusal beside the field that it names, or above the form."""
        found = re.search(r"`([\w.]+)`", message)
        name = found[1] if found else ""
        known = {*self.values, *(each.name for each in fields_of(self.kind))}
        option = PREFIX + name if self._is_option(name) else ""
        self.errors[name if name in known else option] = message

    def _is_option(self, name: str) -> bool:
        return name in {each["name"] for each in self.preset["options"]}


def _kind(name: str) -> Any:
    return name


def kind_of(raw: str) -> str:
    """The kind of run that was asked for; the reward model where it is no kind."""
    return raw if raw in RunKind.values else RunKind.REWARD.value


def blank(kind: str) -> Entered:
    """The form before anything was entered."""
    usual = {each.name: _text(each.usual) for each in fields_of(kind)}
    return Entered(kind, usual | {"preset": DEFAULT_PRESET[kind], "start": "scratch", "name": ""})


def entered(form: QueryDict) -> Entered:
    """What was posted, with its options; `errors` says what is none."""
    kind = kind_of(form.get("kind", ""))
    found = blank(kind)
    for each in fields_of(kind):
        sent = "on" if form.get(each.name) else ""
        found.values[each.name] = (
            sent if each.kind == "flag" else form.get(each.name, found.values[each.name]).strip()
        )
    for name in ("preset", "start", "name", "snapshot"):
        found.values[name] = form.get(name, found.values.get(name, ""))
    _read(found)
    _read_preset(found, form)
    _read_start(found)
    return found


def _read(found: Entered) -> None:
    """The options of the plain fields, nested by their dots; empty ones are left out."""
    for each in fields_of(found.kind):
        raw = found.values[each.name]
        if raw == "" or each.name.startswith("scratch."):
            continue
        try:
            _put(found.options, each.name, _value(each, raw))
        except ValueError as error:
            found.errors[each.name] = str(error)
    if "lora" in found.options and "r" not in found.options["lora"]:
        del found.options["lora"]
    filters = found.options.get("filters", {})
    for name in SIGNAL_BANDS:
        if name in filters:
            filters[name] = [filters[name].get("low"), filters[name].get("high")]
    if filters.keys() == {"unknown"}:
        del found.options["filters"]


def _put(options: dict[str, Any], name: str, value: Any) -> None:
    *outer, last = name.split(".")
    for part in outer:
        options = options.setdefault(part, {})
    options[last] = value


def _value(spec: Field, raw: str) -> Any:
    if spec.kind == "flag":
        return True
    if spec.kind == "names":
        return [part.strip() for part in raw.split(",") if part.strip()]
    if spec.kind == "text":
        return raw
    if spec.kind == "choice":
        if raw not in spec.choices:
            raise ValueError(_("Choose one of the list."))
        return raw
    return whole(raw) if spec.kind == "whole" else number(raw)


def whole(raw: str) -> int:
    """A whole number of at most nine digits. Raises ValueError with words."""
    if not re.fullmatch(r"\d{1,9}", raw, re.ASCII):
        raise ValueError(_("Give a whole number."))
    return int(raw)


def number(raw: str) -> float:
    """A number; a comma may stand for the point. Raises ValueError with words."""
    try:
        value = float(raw.replace(",", ".")) if raw.isascii() and len(raw) < 40 else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(_("Give a number."))
    return value


def _read_preset(found: Entered, form: QueryDict) -> None:
    """The preset and those of its options that are not as it has them."""
    if found.values["preset"] not in PRESETS or PRESETS[found.values["preset"]].kind != found.kind:
        found.errors["preset"] = _("Choose an objective of the list.")
        return
    found.options["preset"] = found.values["preset"]
    chosen: dict[str, Any] = {}
    for option in found.preset["options"]:
        key = PREFIX + option["name"]
        raw = form.get(key, "").strip()
        if raw == "" and not (
            option["kind"] == "flag" and form.get("options_of") == found.values["preset"]
        ):
            continue
        found.values[key] = raw
        try:
            value = _option(option, raw)
        except ValueError as error:
            found.errors[key] = str(error)
            continue
        if value != option["default"]:
            chosen[option["name"]] = value
    if chosen:
        found.options["preset_options"] = chosen


def _option(option: Mapping[str, Any], raw: str) -> Any:
    if option["kind"] == "flag":
        return raw == "on"
    if option["kind"] == "choice":
        if raw not in option["choices"]:
            raise ValueError(_("Choose one of the list."))
        return raw
    if option["kind"] == "numbers":
        return _numbers(raw)
    value = number(raw)
    return int(value) if isinstance(option["default"], int) and value.is_integer() else value


def _numbers(raw: str) -> dict[str, float]:
    """`people=0.1, judge=0.2` by name."""
    pairs = [part.partition("=") for part in raw.split(",") if part.strip()]
    if not all(name.strip() and sign for name, sign, _rest in pairs):
        raise ValueError(_("Write name=number, with commas between several."))
    return {name.strip(): number(rest.strip()) for name, _sign, rest in pairs}


def _read_start(found: Entered) -> None:
    """Where the weights come from."""
    start = found.values["start"]
    if start == "scratch":
        _read_scratch(found)
    elif start in STARTS:
        found.options["continue_from"] = start
    elif start.startswith("version:") and start[8:].isascii() and start[8:].isdigit():
        found.options["base"] = {"version": int(start[8:][:18])}
    elif start.startswith("path:"):
        found.options["base"] = {"path": start[5:]}
    else:
        found.errors["start"] = _("Choose where the run starts from.")


def _read_scratch(found: Entered) -> None:
    scratch: dict[str, Any] = {}
    for each in fields_of(found.kind):
        if each.name.startswith("scratch.") and found.values[each.name]:
            try:
                scratch[each.name[8:]] = _value(each, found.values[each.name])
            except ValueError as error:
                found.errors[each.name] = str(error)
    found.options["base"] = {"scratch": scratch}


def like(run: Run, project: Project) -> Entered:
    """The form filled with the settings of a run."""
    found = blank(run.kind)
    config = flat(run.config)
    config |= flat(run.config.get("notes", {}).get("data_options", {}))
    config |= {
        name.removeprefix("base."): value
        for name, value in config.items()
        if name.startswith("base.scratch.")
    }
    for name in list(found.values):
        if name in config:
            found.values[name] = _text(config[name])
        *_outer, end = name.split(".")
        band = config.get(name.rpartition(".")[0])
        if end in ("low", "high") and isinstance(band, list):
            found.values[name] = _text(band[end == "high"])
    for option in found.preset["options"]:
        value = run.config.get("preset_options", {}).get(option["name"])
        if value is not None:
            found.values[PREFIX + option["name"]] = _text(value)
    found.values |= {"snapshot": str(run.snapshot_id), "name": run.name}
    found.values["start"] = _start_of(run, project)
    return found


def _start_of(run: Run, project: Project) -> str:
    path = run.config.get("base", {}).get("path")
    if not path:
        return "scratch"
    for pk, folder in ModelVersion.objects.filter(project=project).values_list("pk", "folder"):
        if path.endswith(f"/{folder}"):
            return f"version:{pk}"
    return f"path:{path.rsplit('/', 1)[-1]}"


def _text(value: Any) -> str:
    """A setting as it stands in a field."""
    if value is None or value is False:
        return ""
    if value is True:
        return "on"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_text(inner)}" for name, inner in value.items())
    return format(value, "g") if isinstance(value, float) else str(value)
