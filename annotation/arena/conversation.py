"""What each side has been told and has said."""

from .models import Battle, Reply
from .sources import Messages


def conversation(battle: Battle, position: int) -> Messages:
    """One side's messages so far, without its answer to the last prompt. Two queries."""
    replies = Reply.objects.filter(turn__battle=battle, position=position)
    said = dict(replies.values_list("turn__number", "text"))
    turns = list(battle.turns.values_list("number", "prompt"))
    messages: Messages = []
    for number, prompt in turns:
        messages.append({"role": "user", "content": prompt})
        if number != turns[-1][0]:
            messages.append({"role": "assistant", "content": said[number]})
    return messages
