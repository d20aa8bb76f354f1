"""What a face is called: the votes of several look-ups, so that names do not flicker."""

from __future__ import annotations

AHEAD = 1.0
"""The lead that a name needs to be given, or to replace another: one look-up of a perfect face."""
SETTLED = 2.0
"""The lead from which there is nothing more to find out."""
_MEMORY = 3.0
"""What all votes weigh together at most: beyond, older ones fade, so that any name can change."""
_PATIENCE = 10
"""Look-ups after which a vote is settled that has no clear winner."""


class Ballot:
    """The vote on one face. A name is what is shown, 'unknown' as much as any other."""

    def __init__(self) -> None:
        self.name: str | None = None
        """What the face is called; None: not known yet."""
        self._votes: dict[str, float] = {}
        self._patience = _PATIENCE

    def add(self, name: str, weight: float) -> None:
        """Count one look-up, which found `name` on a face of quality `weight`, in (0, 1].

        A doubt about a settled name can open the vote again.
        """
        if self.settled and name != self.name:
            self._patience = _PATIENCE
        self._patience -= 1
        self._votes[name] = self._votes.get(name, 0.0) + weight
        fading = min(1.0, _MEMORY / sum(self._votes.values()))
        self._votes = {voted: fading * weight for voted, weight in self._votes.items()}
        if self._lead() >= AHEAD or (self.name is None and self._patience <= 0):
            self.name = self._leader()

    @property
    def settled(self) -> bool:
        """Whether further look-ups are not worth their cost."""
        clear = self.name == self._leader() and self._lead() >= SETTLED
        return clear or self._patience <= 0

    def close(self) -> None:
        """There will be no more votes: a face without a name gets the leading one, if any."""
        self.name = self.name or self._leader()

    def _leader(self) -> str | None:
        return max(self._votes, key=self._votes.__getitem__, default=None)

    def _lead(self) -> float:
        first, second, *_ = *sorted(self._votes.values(), reverse=True), 0.0, 0.0
        return first - second
