#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Tags, untags, saves and loads the images of a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_images
short_description: Tags, untags, saves and loads the images of a release
version_added: 0.1.0
description:
  - Works on the images that M(cutover.django_q.release_build) returned. No registry is asked.
options:
  images:
    description: RV(cutover.django_q.release_build#module:images), as recorded in the manifest.
    type: list
    elements: dict
    default: []
  state:
    description:
      - V(archived) tags the images of before and after and saves both into O(path). An archive of
        the same images that is whole is left alone.
      - V(loaded) sees to it that all of them are on the host, by loading O(path) if one is not.
      - V(before) gives the images of before the names that the services resolve to, V(after) those
        of after. Containers are not touched.
      - V(absent) takes the tags of a run away, recorded or not; the names that the services resolve
        to stay.
    type: str
    choices: [archived, loaded, before, after, absent]
    required: true
  project_name:
    description: Compose's project name, for O(state=absent).
    type: str
  run_id:
    description: The run's id, for O(state=absent).
    type: str
  path:
    description:
      - For O(state=archived) the archive without its ending, which the packer decides.
      - For O(state=loaded) the recorded archive.
    type: path
  sha256:
    description: The recorded SHA-256 of the archive, for O(state=loaded).
    type: str
  room_ratio:
    description: Room that the archive must find, as a share of the images' size, before it is made.
    type: float
    default: 0.4
attributes:
  check_mode:
    description: Nothing is tagged, saved or loaded.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
requirements:
  - Docker Engine on the host; zstd, or gzip where it is missing
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Keep both images
  cutover.django_q.release_images:
    images: "{{ run_record_manifest.release.images }}"
    state: archived
    path: "{{ run_record_dir }}/images.tar"

- name: Give the images of before their names back
  cutover.django_q.release_images:
    images: "{{ run_record_manifest.release.images }}"
    state: before
"""

RETURN = r"""
archive:
  description: The archive's path, size in bytes and SHA-256; empty in check mode before it is made.
  type: dict
  returned: when O(state=archived)
names:
  description: The names that changed.
  type: list
  elements: str
  returned: success
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import release_images
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import DockerError
from ansible_collections.cutover.django_q.plugins.module_utils.release_retag import retag


def kept(images: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Id and tag of every image to keep: those of before and of after that there are."""
    sides = [side for image in images for side in (image["before"], image["after"])]
    return [{"id": side["id"], "tag": side["tag"]} for side in sides if side["id"]]


def archive(images: list[dict[str, Any]], path: str, ratio: float, dry: bool) -> dict[str, Any]:
    """Tag both sides and save them; the module's result."""
    sides = kept(images)
    names = [side["tag"] for side in sides if release_images.tag(side["id"], side["tag"], dry)]
    path += release_images.packer()[1]
    known = release_images.saved(sides, path)
    if known is None and not dry:
        sizes = {side["id"]: release_images.inspect(side["id"]) for side in sides}
        total = sum(found["Size"] for found in sizes.values() if found)
        release_images.require_room(
            os.path.dirname(path), int(total * ratio), "the archive of the images"
        )
        known, names = release_images.save(sides, path), [*names, path]
    return {"changed": bool(names) or known is None, "names": names, "archive": known or {}}


def load(images: list[dict[str, Any]], path: str, sha256: str, dry: bool) -> dict[str, Any]:
    """Load what is missing and tag it; the module's result."""
    sides = kept(images)
    missing = [side for side in sides if release_images.image_id(side["id"]) is None]
    if missing and not dry:
        if not path:
            raise DockerError(
                f"The image {missing[0]['tag']} is not on the host, and the run has no archive "
                "of it."
            )
        release_images.load(path, sha256)
    names = [side["tag"] for side in missing]
    for side in sides:
        if not (dry and side in missing) and release_images.tag(side["id"], side["tag"], dry):
            names.append(side["tag"])
    return {"changed": bool(names), "names": sorted(set(names))}


def main() -> None:
    """Bring the images into the wanted state."""
    states = ["archived", "loaded", "before", "after", "absent"]
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "default": []},
            "state": {"type": "str", "choices": states, "required": True},
            "project_name": {"type": "str"},
            "run_id": {"type": "str"},
            "path": {"type": "path"},
            "sha256": {"type": "str"},
            "room_ratio": {"type": "float", "default": 0.4},
        },
        required_if=[
            ("state", "archived", ["path"]),
            ("state", "absent", ["project_name", "run_id"]),
        ],
        supports_check_mode=True,
    )
    params, dry = module.params, module.check_mode
    images, state = params["images"], params["state"]
    try:
        if state == "archived":
            result = archive(images, params["path"], params["room_ratio"], dry)
        elif state == "loaded":
            result = load(images, params["path"] or "", params["sha256"] or "", dry)
        elif state in ("before", "after"):
            names = retag(images, state, dry)
            result = {"changed": bool(names), "names": names}
        else:
            tags = release_images.of_run(params["project_name"], params["run_id"])
            names = [tag for tag in tags if release_images.untag(tag, dry)]
            result = {"changed": bool(names), "names": names}
    except DockerError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"The archive of the images, {params['path']}, cannot be written: {error}. "
            "Make room there, or point deployment_state_dir to a larger disk."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
