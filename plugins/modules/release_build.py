#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Makes the new release's images beside those that run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_build
short_description: Makes the new release's images beside those that run
version_added: 0.1.0
description:
  - Finds the application's images from Compose's reading of the project, records which of them
    run, and builds the new release's from its tree under candidate tags, or pulls them.
  - The tags that the running services resolve to are never touched.
  - The Compose file that builds is left in O(dir) as C(build.json), the output as C(build.log).
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  dir:
    description: The run's folder.
    type: path
    required: true
  run_id:
    description: The run's id, part of the candidates' tags.
    type: str
    required: true
  root:
    description: The top folder of the deployment's files, see M(cutover.django_q.release_tree).
    type: path
    required: true
  tree:
    description: The new release's files, which correspond to O(root). Empty for O(pull).
    type: path
  pull:
    description: >-
      The images of the new release by the name that Compose resolves now; the key V(*) stands for
      the one image of the application. Nothing is built then.
    type: dict
    default: {}
  web:
    description: The service that answers web requests.
    type: str
    required: true
  producers:
    description: Further services that enqueue.
    type: list
    elements: str
    default: []
  workers:
    description: Celery's workers.
    type: list
    elements: str
    default: []
  dropped:
    description: The further services that go away with Celery; their images are only kept.
    type: list
    elements: str
    default: []
  qclusters:
    description: The services that run qcluster afterwards, there already or not.
    type: list
    elements: str
    default: []
  build_args:
    description: Further build arguments. No secrets, since an image shows its arguments.
    type: dict
    default: {}
  build_files:
    description: >-
      Files of the deployment that Git does not track and the build needs, relative to O(root).
    type: list
    elements: str
    default: []
  recorded:
    description: RV(images) of an earlier call of this run. What ran before is taken from it.
    type: list
    elements: dict
    default: []
  timeout:
    description: Seconds that the build, or one pull, may take.
    type: int
    default: 1800
attributes:
  check_mode:
    description: Nothing is built or pulled; the images that would be are returned without ids.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Build the new release beside the running one
  cutover.django_q.release_build:
    project_dir: /srv/air_risk
    project_name: air_risk
    dir: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b
    run_id: 20260101T020000Z-1a2b
    root: /srv/air_risk
    tree: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/tree
    web: web
    workers: [celery_worker]
    dropped: [celery_beat]
    qclusters: [qcluster]
"""

RETURN = r"""
images:
  description: >-
    Each image of the application: its name, aliases, services, whether it is replaced, and id and
    tag before and after.
  type: list
  elements: dict
  returned: success
  sample:
    - name: air_risk:local
      aliases: []
      services: [web, celery_worker, celery_beat, qcluster]
      replaced: true
      before: {id: "sha256:0c1f…", tag: "cutover/air_risk/air-risk-local-1c2d3e:r1-before"}
      after: {id: "sha256:77aa…", tag: "cutover/air_risk/air-risk-local-1c2d3e:r1-after"}
code_mounted:
  description: Whether the application's code is mounted from the host over that of its image.
  type: bool
  returned: success
code_mounts:
  description: These mounts, each with service, source and target.
  type: list
  elements: dict
  returned: success
"""

import json
import os
import shutil
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import (
    atomic_file,
    release_images,
)
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    ComposeProject,
    DockerError,
    describe_container,
    project_of,
    run,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_model import (
    ModelError,
    Places,
    Roster,
    build_document,
    code_mounts,
    find_build,
    moved_build,
    plan_images,
    pull_plan,
    repository,
    running_ids,
)


class Release:
    """The making of one release's images."""

    def __init__(self, params: dict[str, Any], dry: bool) -> None:
        self.params = params
        self.dry = dry
        self.project = project_of(params)
        self.roster = Roster(
            params["web"],
            params["producers"],
            params["workers"],
            params["dropped"],
            params["qclusters"],
        )
        self.warnings: list[str] = []
        self.changed = False

    def images(self) -> list[dict[str, Any]]:
        """The application's images with what runs now; of a resumed run what ran before it."""
        if self.params["recorded"]:
            return [dict(image) for image in self.params["recorded"]]
        current = self.project.config()
        planned = plan_images(current, self.project.name, self.roster)
        containers = [describe_container(item) for item in self.project.containers()]
        run_id = self.params["run_id"]
        for image in planned:
            place = repository(self.project.name, image["name"])
            running = running_ids(image, containers) or release_images.image_id(image["name"])
            image["before"] = {"id": running or "", "tag": f"{place}:{run_id}-before"}
            tag = f"{place}:{run_id}-after" if image["replaced"] else ""
            image["after"] = {"id": "", "tag": tag}
        return planned

    def target(self) -> dict[str, Any]:
        """Compose's reading of the new release's own files, {} when it has none that can be read.

        The project's folder stays the deployment's, where `.env` stands.
        """
        tree = self.project_tree()
        files = [os.path.join(tree, name) for name in self.project.files]
        if not all(os.path.isfile(path) for path in files):
            return {}
        project = ComposeProject(
            self.project.directory, self.project.name, files, self.project.env_files
        )
        try:
            return project.config()
        except DockerError as error:
            self.warnings.append(
                f"The new release's Compose files cannot be read, so its images are built as the "
                f"present ones say: {error}"
            )
            return {}

    def project_tree(self) -> str:
        """The new release's counterpart of the project's folder."""
        places = Places(self.params["root"], self.params["tree"])
        return places.moved(self.project.directory) or self.params["tree"]

    def build(self, images: list[dict[str, Any]]) -> None:
        """Build every image that the release replaces, under its candidate tag."""
        document = self.document(images)
        path = os.path.join(self.params["dir"], "build.json")
        wanted = (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()
        try:
            with open(path, "rb") as stream:
                same = stream.read() == wanted
        except OSError:
            same = False
        tags = [image["after"]["tag"] for image in images if image["replaced"]]
        if same and all(release_images.image_id(tag) for tag in tags):
            return
        self.changed = True
        if self.dry:
            return
        for tag in tags:
            release_images.untag(tag)
        atomic_file.replace(path, wanted)
        release_images.build(path, self.project.name, self.params["timeout"])

    def document(self, images: list[dict[str, Any]]) -> dict[str, Any]:
        """The Compose file that builds the candidates."""
        current, target = self.project.config(), self.target()
        places = Places(self.params["root"], self.params["tree"])
        parts: dict[str, dict[str, Any]] = {}
        for image in images:
            if not image["replaced"]:
                continue
            found = find_build(image, target, current, self.roster.web)
            if found is None:
                raise ModelError(
                    f"None of the services that take the image {image['name']} "
                    f"({', '.join(image['services'])}) has a `build` section, so that it cannot be "
                    "built from the release. Use release_strategy image."
                )
            name, build, model = found
            moved, outside = moved_build(build, places)
            for folder in outside:
                self.warnings.append(
                    f"The build of {image['name']} takes {folder}, which is no part of the "
                    "release: it is used as it stands on the host."
                )
            context = moved.get("context") or ""
            if context.startswith("/") and not os.path.isdir(context):
                raise ModelError(
                    f"The build of {image['name']} (service {name}) needs the folder "
                    f"{build.get('context')}, which the new release does not have."
                )
            platform = model["services"][name].get("platform")
            parts[name] = {"image": image["after"]["tag"], "build": moved, "platform": platform}
        return build_document(parts, self.params["build_args"], [current, target])

    def add_files(self) -> None:
        """Copy the files that the build needs and the release does not bring into the tree."""
        for name in self.params["build_files"]:
            source = os.path.join(self.params["root"], name)
            there = os.path.join(self.params["tree"], name)
            if os.path.isabs(name) or ".." in name.split("/") or not os.path.isfile(source):
                raise ModelError(
                    f"release_build_files: {name!r} is no file below {self.params['root']}."
                )
            os.makedirs(os.path.dirname(there), exist_ok=True)
            shutil.copy2(source, there)

    def pull(self, images: list[dict[str, Any]]) -> None:
        """Pull every image that the release replaces and give it its candidate tag."""
        for image, source in pull_plan(images, self.params["pull"]):
            tag = image["after"]["tag"]
            known = release_images.image_id(tag)
            if known and known == (image["after"]["id"] or release_images.image_id(source)):
                continue
            self.changed = True
            if self.dry:
                continue
            had = release_images.image_id(source)
            try:
                run(["docker", "image", "pull", "--quiet", source], timeout=self.params["timeout"])
            except DockerError as error:
                raise ModelError(
                    f"release_image: {source} cannot be pulled; nothing was changed. Check the "
                    f"name, the network and the host's `docker login`. {error}"
                ) from None
            release_images.tag(release_images.image_id(source) or "", tag)
            if had is None:  # the candidate's tag is enough, and is taken away with the run
                release_images.untag(source)

    def run(self) -> dict[str, Any]:
        """Make the images; the module's result."""
        images = self.images()
        if self.params["pull"]:
            self.pull(images)
        elif self.params["tree"] and os.path.isdir(self.params["tree"]):
            if not self.dry:
                self.add_files()
            self.build(images)
        elif not self.dry:
            raise ModelError(
                f"The new release's files are not at {self.params['tree']}: run tasks_from fetch "
                "first."
            )
        else:
            self.changed = True
        for image in images:
            if image["replaced"]:
                found = release_images.image_id(image["after"]["tag"])
                image["after"] = {**image["after"], "id": found or image["after"]["id"]}
        services = sorted(
            {name for image in images if image["replaced"] for name in image["services"]}
        )
        looked = self.params["tree"] if not self.params["pull"] else self.params["root"]
        mounts = code_mounts(self.project.config(), services, self.params["root"], looked or "")
        if mounts:
            shown = ", ".join(f"{m['source']} at {m['target']} in {m['service']}" for m in mounts)
            if self.params["pull"]:
                raise ModelError(
                    f"The application's code is mounted into its containers ({shown}): it would "
                    "hide that of a new image. Use release_strategy git or archive, or take the "
                    "mounts out of the Compose file."
                )
            self.warnings.append(
                f"The application's code is mounted into its containers ({shown}): a checkout "
                "changes it under running workers. Celery is therefore drained and stopped before "
                "the checkout, and no task is worked on in between."
            )
        return {
            "changed": self.changed,
            "images": images,
            "code_mounted": bool(mounts),
            "code_mounts": mounts,
        }


def main() -> None:
    """Make the images and say which they are."""
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "dir": {"type": "path", "required": True},
            "run_id": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "tree": {"type": "path"},
            "pull": {"type": "dict", "default": {}},
            "web": {"type": "str", "required": True},
            "producers": {"type": "list", "elements": "str", "default": []},
            "workers": {"type": "list", "elements": "str", "default": []},
            "dropped": {"type": "list", "elements": "str", "default": []},
            "qclusters": {"type": "list", "elements": "str", "default": []},
            "build_args": {"type": "dict", "default": {}},
            "build_files": {"type": "list", "elements": "str", "default": []},
            "recorded": {"type": "list", "elements": "dict", "default": []},
            "timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    release = Release(module.params, module.check_mode)
    try:
        result = release.run()
    except (DockerError, ModelError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The new release cannot be built: {error}.")
    for warning in release.warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
