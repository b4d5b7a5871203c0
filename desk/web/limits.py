"""What keeps floods off the form, without a question to people: proof of work, and how much is taken in an hour.

All of it is in memory, and knows nobody: no address of a client is looked at.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable

import altcha

_HOUR = 3600.0
_ALGORITHM, _COST = "PBKDF2/SHA-256", 5000
_VALID_SECONDS = 600
_MOST_USED = 100_000
_HARDER = 4


class HourlyLimit:
    """So many in any hour, and a number more that is drawn anew each hour: who fills it up cannot tell how many others there were."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic, *, exact: bool = False) -> None:
        self._least, self._spread = most, 0 if exact else most
        self._drawn: tuple[int, int] = (-1, 0)
        self._clock = clock
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def count(self) -> int:
        """How many were taken in the last hour."""
        with self._lock:
            self._forget()
            return len(self._times)

    def take(self) -> bool:
        """Take one more; False when that is too many."""
        with self._lock:
            self._forget()
            if len(self._times) >= self._most():
                return False
            self._times.append(self._clock())
            return True

    def give_back(self) -> None:
        """What was taken last came to nothing."""
        with self._lock:
            if self._times:
                self._times.pop()

    def _most(self) -> int:
        hour = int(self._clock() // _HOUR)
        if self._drawn[0] != hour:
            self._drawn = hour, self._least + secrets.randbelow(self._spread + 1)
        return self._drawn[1]

    def _forget(self) -> None:
        while self._times and self._clock() - self._times[0] >= _HOUR:
            self._times.popleft()


class ProofOfWork:
    """Challenges (ALTCHA) that a browser solves in a moment. Each counts once, and only from this process."""

    def __init__(self, steps: int) -> None:
        """`steps` of about two milliseconds are needed on average."""
        self._steps = steps
        self._secret, self._key_secret = secrets.token_hex(32), secrets.token_hex(32)
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()

    def challenge(self, *, harder: bool = False) -> dict[str, object]:
        """A new challenge, as JSON; four times as much work when there are many."""
        steps = self._steps * (_HARDER if harder else 1)
        made = altcha.create_challenge(
            _ALGORITHM, _COST, counter=steps // 2 + secrets.randbelow(steps + 1), hmac_secret=self._secret,
            hmac_key_secret=self._key_secret, expires_at=int(time.time()) + _VALID_SECONDS,
        )  # fmt: skip
        return dict(made.to_dict())

    def accepts(self, payload: str) -> bool:
        """Whether a challenge was solved, in time and for the first time."""
        try:
            solved = altcha.verify_solution(payload, self._secret, hmac_key_secret=self._key_secret)
            signature = altcha.Payload.from_base64(payload).challenge.signature if solved.verified else None
        except Exception:  # whatever somebody made of it, it is no solution
            return False
        return signature is not None and self._first(str(signature))

    def _first(self, signature: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if len(self._used) >= _MOST_USED:
                self._used = {key: until for key, until in self._used.items() if until > now}
            if signature in self._used or len(self._used) >= _MOST_USED:
                return False
            self._used[signature] = now + _VALID_SECONDS
            return True
