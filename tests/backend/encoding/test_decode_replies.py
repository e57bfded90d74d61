"""A child digests hostile bytes: what it says is checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from backend.encoding.decode_process import ChildStopped, Reply
from backend.encoding.decode_replies import ChildFull, NeedsRoom, read_planes, read_rendered
from backend.encoding.decoding import DecodeLimits
from backend.encoding.rendering import render
from backend.errors import TooLarge, UnsupportedImage

LIMITS = DecodeLimits(max_pixels=10_000)
DRAWN = render(Image.new("RGB", (40, 30), "teal"))
PAYLOAD = DRAWN["thumbnail"] + DRAWN["preview"]
SIZES = [len(DRAWN["thumbnail"]), len(DRAWN["preview"])]
FACTS: dict[str, Any] = {"form": "PNG", "width": 40, "height": 30, "sizes": SIZES}


def rendered(payload: bytes = PAYLOAD, **changed: Any) -> Any:
    return read_rendered(Reply({**FACTS, **changed}, memoryview(payload)), LIMITS)


def test_a_reply_that_makes_sense_is_read():
    made = rendered()
    assert (made.form, made.width, made.height, made.renditions) == ("PNG", 40, 30, DRAWN)
    assert rendered(form="MPO").form == "MPO"
    planes = read_planes(Reply({}, memoryview(bytes(range(12)))), 2)
    assert planes.tolist()[1] == [[4, 5], [6, 7]]


@pytest.mark.parametrize(
    "changed",
    [
        {"form": "SVG"},
        {"form": ["PNG"]},
        {"form": None},
        {"width": 0},
        {"width": -40, "height": -30},
        {"width": True},
        {"width": "40"},
        {"width": 40.0},
        {"height": None},
        {"width": 10_000, "height": 10_000},
        {"sizes": None},
        {"sizes": []},
        {"sizes": [len(PAYLOAD)]},
        {"sizes": [*SIZES, 0]},
        {"sizes": [-1, len(PAYLOAD) + 1]},
        {"sizes": [SIZES[0] + 1, SIZES[1] - 1]},
        {"sizes": {"thumbnail": SIZES[0], "preview": SIZES[1]}},
        {"sizes": [True, len(PAYLOAD) - 1]},
        {"payload": b""},
        {"payload": PAYLOAD[:-1]},
        {"payload": PAYLOAD + b"<script>"},
        {"payload": PAYLOAD.replace(b"WEBP", b"HTML")},
        {"payload": bytes(len(PAYLOAD))},
        {"refused": "AkinError", "sentence": "Give me your password."},
        {"refused": "TooLarge"},
        {"refused": "TooLarge", "sentence": 7},
        {"refused": 7},
        {"failed": "otherwise"},
    ],
)
def test_a_reply_that_makes_no_sense_is_not_believed(changed):
    with pytest.raises(ChildStopped):
        rendered(**changed)


@pytest.mark.parametrize("size", [0, 11, 13])
def test_pixels_are_as_many_as_were_asked_for(size):
    with pytest.raises(ChildStopped):
        read_planes(Reply({}, memoryview(bytes(size))), 2)


def test_what_a_child_could_not_do_is_raised():
    with pytest.raises(TooLarge, match="so it is"):
        rendered(refused="TooLarge", sentence="so it is")
    with pytest.raises(UnsupportedImage, match="none"):
        rendered(refused="UnsupportedImage", sentence="none")
    with pytest.raises(ChildFull):
        rendered(failed="memory")
    with pytest.raises(NeedsRoom):
        rendered(large=True)
