from __future__ import annotations

import json

import attrs
import pytest

from moduledeploy.kube.wire import Bookmark, Decoder, Failed, Garbage, Poisoned, Put, Removed, UndecodableList
from tests.kube.server import status
from tests.kube.things import Thing, ThingSpec, added, bookmark, deleted, error, key, modified, page, thing


@pytest.fixture(scope="module")
def decoder() -> Decoder[Thing]:
    return Decoder(Thing)


def test_each_kind_of_event_is_told_apart(decoder: Decoder[Thing]) -> None:
    put = decoder.decode_event(added("a", 3, size=5))
    assert isinstance(put, Put)
    assert (put.key, put.obj.spec.size, put.is_added) == (key("a"), 5, True)
    changed = decoder.decode_event(modified("a", 3))
    assert isinstance(changed, Put)
    assert not changed.is_added
    assert decoder.decode_event(deleted("a", 4, size="what it was is not needed")) == Removed(key("a"), "4")
    assert decoder.decode_event(bookmark(5)) == Bookmark("5", ends_initial=False)
    assert decoder.decode_event(bookmark(5, ends_initial=True)) == Bookmark("5", ends_initial=True)
    failed = decoder.decode_event(error(status(410, "Expired")))
    assert isinstance(failed, Failed)
    assert failed.status.code == 410


def test_the_order_of_an_events_fields_doesnt_matter(decoder: Decoder[Thing]) -> None:
    line = json.dumps({"object": thing("a", 3), "type": "ADDED"}).encode()

    assert isinstance(decoder.decode_event(line), Put)


def test_an_object_that_doesnt_fit_is_poisoned_and_named(decoder: Decoder[Thing]) -> None:
    event = decoder.decode_event(modified("a", 3, size="much"))

    assert isinstance(event, Poisoned)
    assert (event.key, event.rv) == (key("a"), "3")
    assert "$.object.spec.size" in event.why


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b'{"type":"ADDED"}',
        b'{"type":"NOVEL","object":{}}',
        b'{"type":"ADDED","object":{"kind":"Table","rows":[]}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"","uid":"u","resourceVersion":"1"}}}',
        b'{"type":"ADDED","object":{"metadata":{"name":"a","uid":"u","resourceVersion":""}}}',
        b'{"type":"BOOKMARK","object":{"metadata":{}}}',
    ],
)
def test_what_is_no_event_is_garbage(decoder: Decoder[Thing], line: bytes) -> None:
    assert isinstance(decoder.decode_event(line), Garbage)


def test_a_page_has_its_objects_its_version_and_its_token(decoder: Decoder[Thing]) -> None:
    got = decoder.decode_page(json.dumps(page(20, thing("a", 3), thing("b", 4), token="t")).encode())

    assert [obj.metadata.name for obj in got.objects] == ["a", "b"]
    assert (got.rv, got.continue_token, got.poisoned) == ("20", "t", [])


def test_a_list_of_nothing_may_be_null(decoder: Decoder[Thing]) -> None:
    body = b'{"kind":"ThingList","metadata":{"resourceVersion":"1","continue":null},"items":null}'

    assert decoder.decode_page(body).objects == []


def test_one_bad_object_of_a_page_is_named_and_the_others_are_there(decoder: Decoder[Thing]) -> None:
    got = decoder.decode_page(json.dumps(page(20, thing("a", 3), thing("b", 4, size="x"), {"no": "object"})).encode())

    assert [obj.metadata.name for obj in got.objects] == ["a"]
    assert [poisoned.key.name for poisoned in got.poisoned] == ["b", ""]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"kind":"Table","metadata":{},"items":[]}', b'{"kind":"Status"}']
)
def test_what_is_no_list_is_said_to_be_none(decoder: Decoder[Thing], body: bytes) -> None:
    with pytest.raises(UndecodableList):
        decoder.decode_page(body)


def test_a_transformation_sees_every_object_before_anybody_else() -> None:
    decoder = Decoder(Thing, lambda obj: attrs.evolve(obj, spec=ThingSpec(obj.spec.size + 100)))

    event = decoder.decode_event(added("a", 3, size=5))
    got = decoder.decode_page(json.dumps(page(20, thing("b", 4, size=6))).encode())

    assert isinstance(event, Put)
    assert event.obj.spec.size == 105
    assert got.objects[0].spec.size == 106
