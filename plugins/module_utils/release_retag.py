# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The names that services resolve to, led to the images of before or of after."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import release_images


def wanted_names(images: list[dict[str, Any]], side: str) -> list[tuple[str, str]]:
    """(image id, name) for each name that a service of the release resolves to.

    The id is "" for a name that is to be taken away: there was none before.
    """
    wanted = []
    for image in images:
        if image["replaced"]:
            wanted.append((image[side]["id"], image["name"]))
            alias_id = image["after"]["id"] if side == "after" else ""
            wanted += [(alias_id, alias) for alias in image["aliases"]]
    return wanted


def pruned_names(images: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(image id, name) for each name that only services dropped by the migration resolve to.

    The release does not move these names; a prune may have taken them with the image.
    """
    return [
        (image["before"]["id"], image["name"])
        for image in images
        if not image["replaced"] and image["before"]["id"]
    ]


def retag(images: list[dict[str, Any]], side: str, dry: bool) -> list[str]:
    """Let the services' names lead to the images of before or after; the names that changed.

    Raises:
        DockerError: an image is not on the host.
    """
    changed = []
    for image_id, name in wanted_names(images, side):
        if image_id or side == "after":  # "" after is an image that a dry run has not made
            done = release_images.tag(image_id, name, dry)
        else:
            done = release_images.untag(name, dry)
        if done:
            changed.append(name)
    for image_id, name in pruned_names(images) if side == "before" else []:
        if release_images.image_id(name) is None and release_images.tag(image_id, name, dry):
            changed.append(name)
    return changed
