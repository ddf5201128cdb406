# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The names that services resolve to, led to the images of before or of after."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import release_images


def wanted_names(images: list[dict[str, Any]], side: str) -> list[tuple[str, str]]:
    """(image id, name) for each name that a service resolves to; "" for a name to take away."""
    wanted = []
    for image in images:
        if not image["replaced"]:
            continue
        wanted.append((image[side]["id"], image["name"]))
        alias_id = image["after"]["id"] if side == "after" else ""
        wanted += [(alias_id, alias) for alias in image["aliases"]]
    return wanted


def retag(images: list[dict[str, Any]], side: str, dry: bool) -> list[str]:
    """Let the services' names lead to the images of before or after; the names that changed."""
    changed = []
    for image_id, name in wanted_names(images, side):
        done = (
            release_images.tag(image_id, name, dry) if image_id else release_images.untag(name, dry)
        )
        if done:
            changed.append(name)
    return changed
