"""What a use case makes its ids from, so that a second try at the same request makes the same ones."""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime

_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to change something, however often it is tried.

    A request without an `Idempotency-Key` is an attempt of its own. With one, each try at it is given the attempt of
    the first, so a try that comes after a crash repeats the same writes and finds its own. Two attempts have no id in
    common.

    `seed` is secret: who knows it knows the ids, those too that nobody shall guess. `first_seen` is the time of the
    first try, in UTC.
    """

    seed: bytes = field(repr=False)
    first_seen: datetime

    @classmethod
    def fresh(cls, now: datetime) -> "Attempt":
        """An attempt that has not been made before."""
        return cls(secrets.token_bytes(_SEED_BYTES), now)

    def derive(self, label: str, size: int) -> bytes:
        """Bytes that are the same at each try, and that nothing but the seed tells: HMAC-SHA-256 of the label.

        Parameters: label, what the bytes are for, of its own for each id of one attempt; size, in bytes, 1 to 32.
        """
        digest = hmac.digest(self.seed, label.encode(), "sha256")
        if not 0 < size <= len(digest):
            raise ValueError(f"{size} bytes cannot be derived, 1 to {len(digest)} can")
        return digest[:size]
