"""The Idempotency table: responses to give again, and the attempts that they came of.

The only module that names Powertools' idempotency. `runtime` imports it for a request that has the header, since a
request without one shall not pay for loading it.
"""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from polypost.adapters import keys
from polypost.adapters.clients import ConditionFailed, translated_errors
from polypost.adapters.dynamodb import from_item, to_item
from polypost.errors import Conflict, RequestError, RequestInProgress, Retryable
from polypost.models.attempts import Attempt

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

logger = Logger()

_RESPONSE_LIFE = timedelta(hours=24)

#: An attempt ends before the response that it led to, by more than the clocks of two hosts can differ. If it outlived
#: the response, a key that is used again on the next day would be given the ids of the day before, and its mail would
#: be dropped as sent already.
_ATTEMPT_LIFE = _RESPONSE_LIFE - timedelta(minutes=1)

Effect = Callable[[Attempt], dict[str, Any]]


class IdempotencyTable:
    """Lets a request take effect once for each key, and stores what it was answered.

    Two items for each key. The response is Powertools' item: it is the lock while the request is being worked on, and
    ends with the function's time-out if no response is ever put there. The attempt is ours: a run that takes over from
    one that was cut off needs that one's seed and time, which Powertools' item does not keep.
    """

    def __init__(self, client: "DynamoDBClient", table_name: str) -> None:
        self._client = client
        self._table = table_name
        self._responses = DynamoDBPersistenceLayer(table_name, key_attr="PK", boto3_client=client)

    def once(self, effect: Effect, *, space: str, endpoint: str, key: str, digest: str, context: Any) -> dict[str, Any]:
        """The response to a request: the stored one, or else what the effect returns, which is stored then.

        What the effect came to stands, whether or not it could be recorded: a later try finds the same attempt.

        Parameters: effect, given the attempt at this very request; key, the client's, one of the space and endpoint;
        digest, of what is asked; context, Lambda's.

        Raises: Conflict, if the key was used with another digest; RequestInProgress; Retryable, if the table did not
        answer before the effect; and whatever the effect raises, with no response stored.
        """
        outcome: Future[dict[str, Any]] = Future()

        def run(*, asked: dict[str, str]) -> dict[str, Any]:
            try:
                outcome.set_result(self._attempt(effect, keys.attempt(space, endpoint, key, digest)))
            except Exception as error:
                outcome.set_exception(error)
            return outcome.result()

        run_once = idempotent_function(
            run,
            data_keyword_argument="asked",
            persistence_store=self._responses,
            config=IdempotencyConfig(
                event_key_jmespath="key",
                payload_validation_jmespath="digest",
                raise_on_no_idempotency_key=True,
                expires_after_seconds=int(_RESPONSE_LIFE.total_seconds()),
                use_local_cache=False,
                hash_function="sha256",
                lambda_context=context,
            ),
            key_prefix=keys.RESPONSES,
        )
        try:
            response: dict[str, Any] = run_once(asked={"key": keys.response(space, endpoint, key), "digest": digest})
        except IdempotencyValidationError as error:
            raise Conflict("Another request was sent with this Idempotency-Key") from error
        except IdempotencyAlreadyInProgressError as error:
            raise RequestInProgress from error
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError) as error:
            if not outcome.done():
                raise Retryable(f"idempotency: {error}") from error
            logger.warning("What came of a request could not be stored under its key", exc_info=True)
            return outcome.result()
        return response

    def _attempt(self, effect: Effect, key: keys.Key) -> dict[str, Any]:
        fresh = Attempt.fresh(datetime.now(UTC))
        attempt = self._first(key, fresh)
        try:
            return effect(attempt)
        except RequestError:
            # Nothing was changed, so the next try is a first one, with its own time. Not so where an earlier run was
            # cut off: nobody knows what that one has changed.
            if attempt == fresh:
                self._forget(key)
            raise

    def _first(self, key: keys.Key, fresh: Attempt) -> Attempt:
        """The attempt that a try belongs to: the one of an earlier try, or else this fresh one, which is stored."""
        item = key | {
            "seed": fresh.seed.hex(),
            "firstSeen": fresh.first_seen.isoformat(),
            "expiration": int((fresh.first_seen + _ATTEMPT_LIFE).timestamp()),
        }
        try:
            with translated_errors("dynamodb.PutItem"):
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(item),
                    # TTL deletes an item up to days after its time.
                    ConditionExpression="attribute_not_exists(PK) OR expiration <= :now",
                    ExpressionAttributeValues=to_item({":now": int(fresh.first_seen.timestamp())}),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ConditionFailed as refusal:
            standing = from_item(refusal.item)
            return Attempt(bytes.fromhex(standing["seed"]), datetime.fromisoformat(standing["firstSeen"]))
        return fresh

    def _forget(self, key: keys.Key) -> None:
        try:
            with translated_errors("dynamodb.DeleteItem"):
                self._client.delete_item(TableName=self._table, Key=to_item(key))
        except Retryable:
            logger.warning("The next try under the key of a refused request will have its time", exc_info=True)
