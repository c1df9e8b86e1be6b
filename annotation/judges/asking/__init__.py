"""What judges are asked, and what their replies say.

`Asker(judge, criterion)` is made once for a run; `asker_of` finds the one of a judge in memory.
"""

from .asker import Asker, asker_of

__all__ = ["Asker", "asker_of"]
