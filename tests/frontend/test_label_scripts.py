"""What the scripts of the labelling page share with the server: names of acts and sentences."""

import json
import re
from pathlib import Path

from frontend.keys import ACTS

FRONTEND = Path(__file__).parents[2] / "frontend"
SCRIPTS = FRONTEND / "static" / "js"
# Acts of the tools beside the form, which listen for themselves.
TOOLS = {"diff", "sync", "guideline", "flag"}


def test_the_scripts_know_the_keys_of_the_server() -> None:
    source = (SCRIPTS / "keys.js").read_text()
    block = re.search(r"DEFAULTS = \{(.*?)\n\};", source, re.DOTALL)
    assert block
    found = re.findall(r'^  (?:"([^"]+)"|(\w+)): ("[^"]*"),$', block[1], re.MULTILINE)
    defaults = {quoted or plain: json.loads(key) for quoted, plain, key in found}
    assert defaults == {act.name: act.key for act in ACTS if act.name not in TOOLS}


def test_every_sentence_of_the_scripts_is_translated_by_the_server() -> None:
    page = (FRONTEND / "templates" / "label" / "_words.html").read_text()
    offered = set(re.findall(r"data-([a-z-]+)=", page))
    texts = [path.read_text() for path in SCRIPTS.glob("*.js")]
    scripts = "\n".join(text for text in texts if "words.js" in text)
    used = {_attribute(name) for name in re.findall(r'\bword\(\s*"(\w+)"', scripts)}
    chosen = {
        _attribute(name) for two in re.findall(r'\? "(\w+)" : "(\w+)"', scripts) for name in two
    }
    assert used <= offered
    assert offered <= used | chosen


def _attribute(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
