"""Interactions under many clients at once, and under runs that stop at any of their AWS calls, on both engines."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.dynamodb import from_item
from polypost.adapters.interactions import Interactions, interaction_of
from polypost.models.access import Space
from polypost.models.attempts import Attempt
from polypost.models.campaigns import Campaign
from polypost.models.interactions import Interaction, NewInteraction, Visitor
from polypost.usecases.create_interaction import create_interaction
from polypost.usecases.visit_interaction import visit_interaction
from support.dynamodb import DynamodbEngine
from support.parallel import in_parallel
from support.stops import every_stop

CLIENTS = 64
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SPACE = Space(id="acme", created_at=NOW)
ACCOUNT, CONTACT = UUID(int=1), UUID(int=2)
LANDING_PAGE = "https://shop.example/"


def new(name: str = "Spring", account_id: UUID = ACCOUNT) -> NewInteraction:
    return NewInteraction("visit-1", name, account_id, CONTACT)


@dataclass
class Stack:
    """The use cases on an engine, as a function that has just started has them."""

    engine: DynamodbEngine
    access: AccessTable = field(init=False)
    interactions: Interactions = field(init=False)
    contacts: ContactsTable = field(init=False)

    def __post_init__(self) -> None:
        client, tables = self.engine.client, self.engine.tables
        self.access = AccessTable(client, tables["AccessTable"])
        self.interactions = Interactions(client, tables["LogsTable"], self.access.address_key)
        self.contacts = ContactsTable(client, tables["ContactsTable"], self.access.address_key)

    def create(self, asked: NewInteraction) -> Interaction:
        return create_interaction(
            asked,
            SPACE.id,
            "https://acme.example.com/i/",
            Attempt.fresh(NOW),
            access=self.access,
            interactions=self.interactions,
        )

    def visit(self, token: str) -> str | None:
        return visit_interaction(
            token,
            None,
            Visitor("203.0.113.1", "Firefox"),
            Attempt.fresh(NOW),
            counts=True,
            access=self.access,
            contacts=self.contacts,
            interactions=self.interactions,
        )

    def stored(self) -> list[Interaction]:
        return [interaction_of(item) for item in self._items("INTERACTION")]

    def visits(self) -> int:
        return len(self._items("VISIT"))

    def _items(self, kind: str) -> list[dict[str, Any]]:
        pages = self.engine.client.get_paginator("scan").paginate(TableName=self.engine.tables["LogsTable"])
        items = (from_item(item) for page in pages for item in page["Items"])
        return [item for item in items if item["SK"].startswith(kind)]


def test_of_many_at_once_one_stands_and_all_get_it(dynamodb_engine: DynamodbEngine) -> None:
    stack = Stack(dynamodb_engine)
    stack.access.create_space(SPACE)
    asked = [new(f"Campaign {number % 4}") for number in range(CLIENTS)]
    interactions = [each.result() for each in in_parallel([partial(stack.create, each) for each in asked])]
    assert set(interactions) == set(stack.stored())
    assert len(set(interactions)) == 1
    names = [campaign.name for campaign in stack.access.campaigns(SPACE.id)]
    assert names == [interactions[0].asked.name]


def test_the_same_answer_comes_wherever_a_creation_stops(dynamodb_engine: DynamodbEngine) -> None:
    Stack(dynamodb_engine).access.create_space(SPACE)
    for stop in every_stop(dynamodb_engine.client):
        # Neither what stands nor what is remembered may shorten the next run.
        name, account = f"Campaign {uuid4()}", uuid4()
        with stop:
            Stack(dynamodb_engine).create(new(name, account))
        stack = Stack(dynamodb_engine)
        before = [each for each in stack.stored() if each.asked.account_id == account]
        first = stack.create(new(name, account))
        assert before in ([], [first]), stop
        assert stack.create(new("Another", account)) == first, stop
        assert [each for each in stack.stored() if each.asked.account_id == account] == [first]
        # A name that was never used makes no campaign, one that was has its own.
        names = [campaign.name for campaign in stack.access.campaigns(SPACE.id)]
        assert names.count(name) == 1, stop
        assert "Another" not in names


def test_a_visit_counts_once_at_most_wherever_it_stops(dynamodb_engine: DynamodbEngine) -> None:
    stack = Stack(dynamodb_engine)
    stack.access.create_space(SPACE)
    token = stack.create(new()).token
    key = stack.access.campaign_key(SPACE.id, "Spring")
    stack.access.put_campaign(SPACE.id, Campaign(key, "Spring", LANDING_PAGE))
    for stop in every_stop(dynamodb_engine.client):
        before = stack.visits()
        with stop:
            Stack(dynamodb_engine).visit(token)
        after = stack.visits()
        assert after - before in (0, 1), stop
        assert stop.died or after - before == 1
        assert Stack(dynamodb_engine).visit(token) == LANDING_PAGE
        assert stack.visits() == after + 1


def test_visits_at_one_moment_all_count(dynamodb_engine: DynamodbEngine) -> None:
    stack = Stack(dynamodb_engine)
    stack.access.create_space(SPACE)
    token = stack.create(new()).token
    assert [each.result() for each in in_parallel([partial(stack.visit, token)] * CLIENTS)] == [None] * CLIENTS
    assert stack.visits() == CLIENTS
