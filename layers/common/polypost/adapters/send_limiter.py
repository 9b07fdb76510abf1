"""The times at which the account may send, in one item that all workers share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, translated_errors
from polypost.adapters.dynamodb import from_item, only_if, to_item
from polypost.models.send_rate import FIRST_RATE, SendTimes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NOT_PAUSED = "(attribute_not_exists(pausedUntil) OR pausedUntil <= :now)"


class Moved(Exception):
    """The item is not as the caller knew it; `times` is how it stands."""

    def __init__(self, times: SendTimes) -> None:
        super().__init__("The times were changed by another worker")
        self.times = times


class SendLimiter:
    """Gives out the times. Each call is one conditional write, whatever the number of times or workers.

    Parameters: table_name, of the Logs table.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table = table_name

    def reserve(self, count: int, now: datetime, latest: datetime, known: SendTimes) -> SendTimes:
        """Take the next free times; how the item stands then. The times taken are the last ones before `free_from`.

        Parameters: count, how many times; latest, the moment that none of them may be after; known, how the item stood
        when the caller saw it last.

        Raises: Moved, when it does not stand so that all of this holds; Retryable.
        """
        span = count * known.interval
        values = {":now": _number(now), ":rate": _rate(known.rate)}
        if known.begin(now) > now:
            free_from, condition = "freeFrom + :span", "freeFrom BETWEEN :now AND :latest"
            values |= {":span": span // _MICROSECOND, ":latest": _number(latest - span + known.interval)}
        else:
            free_from, condition = ":next", "(attribute_not_exists(freeFrom) OR freeFrom <= :now)"
            values |= {":next": _number(now + span)}
        return self._update(f"freeFrom = {free_from}", f"{condition} AND perSecond = :rate AND {_NOT_PAUSED}", values)

    def ask(self, now: datetime, again_at: datetime) -> SendTimes:
        """Take it upon this worker to ask SES for the account's rate; of all workers that find it due one may.

        Parameters: again_at, when it is due again if this worker learns nothing.

        Raises: Moved, when it is not due; Retryable.
        """
        return self._update(
            "askAt = :again, perSecond = if_not_exists(perSecond, :rate)",
            "attribute_not_exists(askAt) OR askAt <= :now",
            {":now": _number(now), ":again": _number(again_at), ":rate": _rate(FIRST_RATE)},
        )

    def learn(self, rate: float, ask_at: datetime) -> SendTimes:
        """Note the account's rate, and when to ask for it again.

        Raises: Retryable.
        """
        return self._update("perSecond = :rate, askAt = :at", None, {":rate": _rate(rate), ":at": _number(ask_at)})

    def pause(self, now: datetime, until: datetime) -> SendTimes:
        """Let nobody send before a moment, at which SES is due to be asked again.

        Raises: Moved, when another worker has said so already; Retryable.
        """
        values = {":now": _number(now), ":until": _number(until), ":rate": _rate(FIRST_RATE)}
        rate = "perSecond = if_not_exists(perSecond, :rate)"
        return self._update(f"pausedUntil = :until, askAt = :until, {rate}", _NOT_PAUSED, values)

    def _update(self, changes: str, condition: str | None, values: dict[str, Any]) -> SendTimes:
        request: dict[str, Any] = {
            "TableName": self._table,
            "Key": to_item(keys.SEND_TIMES),
            "UpdateExpression": f"SET {changes}",
            "ExpressionAttributeValues": to_item(values),
            "ReturnValues": "ALL_NEW",
        }
        if condition is not None:
            request |= only_if(condition)
        try:
            with translated_errors("dynamodb.UpdateItem"):
                answer = self._client.update_item(**request)
        except ConditionFailed as refusal:
            raise Moved(_times(from_item(refusal.item))) from refusal
        return _times(from_item(answer["Attributes"]))


def _number(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _rate(rate: float) -> Decimal:
    return Decimal(str(rate))


def _times(item: dict[str, Any]) -> SendTimes:
    def moment(name: str) -> datetime | None:
        return _EPOCH + int(item[name]) * _MICROSECOND if name in item else None

    return SendTimes(
        float(item.get("perSecond", FIRST_RATE)), moment("freeFrom"), moment("askAt"), moment("pausedUntil")
    )
