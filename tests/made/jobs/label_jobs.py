"""A labeling job as a user writes it."""

from typing import Any


def job(**changes: Any) -> dict[str, Any]:
    """A job of two references, nano networks and random weights."""
    random = {"type": "nano", "weights": "random"}
    return {
        "targets": {"type": "images", "uris": "photos/"},
        "references": [
            {"category": "cat", "image": "a.jpg", "annotation": {"type": "mask", "uri": "a.png"}},
            {
                "category": "cow",
                "image": "a.jpg",
                "annotation": {"type": "box", "xyxy": [1, 2, 30, 40]},
            },
        ],
        "method": {"type": "vrp", "weights": "random", "sam": random, "backbone": random},
        "output": {"uri": "s3://bucket/labels"},
        "allow_random_weights": True,
        **changes,
    }
