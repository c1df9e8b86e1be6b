"""What people write for a winner, a tie and thumbs up."""

BAD = {"both bad", "both_bad", "bothbad", "tie (bothbad)", "neither", "none"}
TIES = {"tie", "tied", "draw", "equal", "same", "both", "both good", "both_good", "no preference"}
SIDES = {"left": 0, "right": 1, "first": 0, "second": 1}
UP = {"true", "yes", "1", "1.0", "up", "good", "thumbs up", "positive", "👍"}
DOWN = {"false", "no", "0", "0.0", "down", "bad", "thumbs down", "negative", "-1", "👎"}


def winner(word: str, count: int, counted_from: int = 1) -> int | None:
    """The place that a side, a letter or a number means, also as in `model_a` or `response 1`."""
    word = word.strip().lower()
    last = word.replace("_", " ").replace("-", " ").split(" ")[-1]
    if word in SIDES:
        place = SIDES[word]
    elif len(last) == 1 and "a" <= last <= "z":
        place = ord(last) - ord("a")
    else:
        place = int(last) - counted_from if last.isdecimal() and len(last) < 4 else -1
    return place if 0 <= place < count else None


def thumb(word: str) -> int | None:
    """1 for thumbs up, 0 for thumbs down; None for another word."""
    word = word.strip().lower()
    return int(word in UP) if word in UP | DOWN else None
