"""One word for every answer, in SQL: what distributions count and what lists are filtered by."""

from django.db.models import Case, CharField, F, Q, Value, When

FIRST, SECOND, RANKED, SCORED = "first", "second", "ranked", "scored"

# Of an annotation: a tie kind, `first` or `second` of a pair, `ranked` for longer rankings,
# `scored` for ratings and thumbs.
WORD = Case(
    When(~Q(tie_kind=""), then=F("tie_kind")),
    When(Q(ranking__len=2, ranking__0__lt=F("ranking__1")), then=Value(FIRST)),
    When(Q(ranking__len=2, ranking__0__gt=F("ranking__1")), then=Value(SECOND)),
    When(Q(ranking__len=2), then=Value("tie")),
    When(Q(ranking__len__gt=2), then=Value(RANKED)),
    default=Value(SCORED),
    output_field=CharField(),
)
