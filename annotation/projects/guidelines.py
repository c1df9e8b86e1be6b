"""The guideline each template starts with: short Markdown that a project makes its own."""

_COMMON = """
- Judge what is written, not who might have written it or how long it is.
- Say **cannot judge** when you lack the knowledge; guessing helps nobody.
- Flag what is broken, unsafe or shows personal data instead of labelling it.
"""

_WRAPPED = {
    "multipref": f"""Compare the two completions on four criteria, **one at a time**. They may
point in different
directions.

- **Helpfulness**: does it do what was asked, completely and at the right length?
- **Truthfulness**: is what it says true? Look up what you can check in a minute.
- **Harmlessness**: could it hurt somebody, insult, or leak private data?
- **Overall**: all in all, which one would you rather have got?

*Slightly* means you see a difference, *clearly* that anybody would. Tie only where you see none.
{_COMMON}""",
    "arena": f"""Read the prompt and both completions. Vote for the one you would rather have got.

Take **tie** where they are equally good, **both bad** where neither is any use.
{_COMMON}""",
    "safety": f"""Answer the two questions **apart**. A harmful completion can be the more
helpful one, and a refusal can be the
harmless one.

- **Helpfulness**: harm left aside, which does more of what was asked?
- **Harmlessness**: help left aside, which could do less damage to anybody?
- **Safe**: for each completion alone: could it be shown to anybody without harm?

You may see upsetting text. Skip what you do not want to read, whenever you like.
{_COMMON}""",
    "summarisation": f"""Read the whole text before the summaries.

- **Coverage**: what a reader needs from the text is there.
- **Faithfulness**: nothing is said that the text does not say. A true fact from elsewhere
counts as unfaithful.
- **Conciseness**: no word could go without a loss.
- **Overall**: the summary you would rather have.
{_COMMON}""",
    "forced": f"""Choose one of the two, also where it is close: *slightly better* says that it
was close. There is no tie.
{_COMMON}""",
    "post-edit": f"""First choose the better completion. Then edit it until you would be glad to
get it: correct what is wrong, add
what is missing, cut what is idle. Keep what is good. If nothing needs to change, leave it as it
is.
{_COMMON}""",
    "joint": f"""The two sides have **different prompts**. Ask of each side how well the
completion answers its own prompt, and
choose the side that does better. Do not judge which prompt is more interesting.
{_COMMON}""",
    "steps": f"""Read both chains step by step.

- Mark the **first** step that is wrong. What follows from a wrong step is not marked again. A
clumsy step is not wrong.
- Then say which chain is better. A right result by wrong steps is worse than an honest slip at
the end.
{_COMMON}""",
    "principles": f"""A principle or rubric stands beside the prompt. **It decides**, also where
you would prefer otherwise. Read it
anew every time: it changes from instance to instance, and the same two completions may be
ranked the other way round.
{_COMMON}""",
    "citations": f"""Open the documents that a completion cites and look for the claim.

- **Support**: the cited document says it. A true claim without a source counts as unsupported.
- **Completeness**: every part of the question is answered.
- **Overall**: the answer you would rather rely on. Many citations are no merit in themselves.
{_COMMON}""",
    "triplet": f"""The prompt holds a reference. Say which of A and B is **more like it** in
what matters here, not which is
better.
{_COMMON}""",
    "ranking": f"""Rank the completions on four criteria, **one at a time**: 1 is best.

- Completions that are equally good share a rank.
- Leave unranked what you cannot tell apart; rank at least the best.
- **Helpfulness**: does what was asked. **Truthfulness**: says nothing false. **Harmlessness**:
hurts nobody. **Overall**: all in all.
{_COMMON}""",
    "best-worst": f"""You see small groups of completions. In each choose the **best** and the
**worst**; the rest need no order. The
same completion comes up more than once: judge it against its group each time.
{_COMMON}""",
    "rating-ranking": f"""Rank the completions first: 1 is best, equals share a rank. Then give
each a **quality** by itself:

1 useless · 2 very poor · 3 poor · 4 fair · 5 good · 6 very good · 7 could not be better
{_COMMON}""",
    "attributes": f"""Rate every completion on each attribute from 0 to 4, **by itself**, not
against the other one.

- **Helpfulness**: does what was asked. **Correctness**: facts right, nothing needed left out.
**Coherence**: consistent and clear.
- **Complexity** and **verbosity** are descriptions, not merits: a short simple text can be the
best.
{_COMMON}""",
    "thumbs": f"""Thumb up: you would be glad to get this. Thumb down: you would not. Each
completion counts by itself.
{_COMMON}""",
    "images": f"""Look at both images at full size.

- **Alignment**: objects, counts, colours, places and text that the prompt names.
- **Aesthetics**: light, composition, style; the prompt left aside.
- **Fidelity**: no broken hands, melted shapes or garbled letters.
- **Safe**: for each image: could it be shown to anybody?
{_COMMON}""",
    "clips": f"""Watch both clips to the end before you answer. Choose the one that comes nearer
to the goal in the prompt; the smoother
one where both reach it. Say **cannot judge** where a clip does not show enough.
{_COMMON}""",
    "video": f"""Watch both videos to the end, twice where it is close.

- **Alignment**: what the prompt says. **Appearance**: single frames. **Motion**: speed and
physics. **Consistency**: faces, objects and light stay the same.
{_COMMON}""",
    "music": f"""Use headphones and listen to at least half of both pieces.

- **Overall**: the one you would rather hear again. **Alignment**: genre, mood, instruments of
the prompt. **Sound**: no noise, clipping or breaks.
{_COMMON}""",
    "speech": f"""Use headphones and listen to both recordings to the end.

- **Naturalness**: rhythm, breath and melody of a person. **Intelligibility**: every word is
easy to understand.
{_COMMON}""",
}


def _unwrapped(text: str) -> str:
    """A paragraph or a point of a list on one line, as people write in a field."""
    lines: list[str] = []
    for line in text.splitlines():
        if lines and lines[-1] and line and not line.startswith("- "):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return "\n".join(lines)


GUIDELINES = {key: _unwrapped(text) for key, text in _WRAPPED.items()}
