# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Which images a deployment consists of and how those of the new release are built beside them."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from typing import Any

# Where the candidates and the kept images of all deployments are tagged.
NAMESPACE = "cutover"
# Says of a candidate which one it is.
LABEL = "cutover.release"


class ModelError(Exception):
    """The deployment cannot be released this way; the text is a sentence for the operator."""


@dataclass
class Roster:
    """Which service of the deployment does what.

    Attributes:
        web: the service that answers web requests.
        producers: further services that enqueue.
        workers: Celery's workers.
        dropped: beat and what else goes away with Celery.
        qclusters: the services that run qcluster afterwards, there already or not.
    """

    web: str
    producers: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    qclusters: list[str] = field(default_factory=list)


def image_name(project: str, name: str, service: dict[str, Any]) -> str:
    """The image that Compose takes for a service: the one it names, else its own name for it."""
    return service.get("image") or f"{project}-{name}"


def folder_of(project: str) -> str:
    """The part that the repositories of all a project's kept images begin with."""
    return f"{NAMESPACE}/{re.sub(r'[^a-z0-9_-]', '', project.lower()).strip('_-')}"


def repository(project: str, name: str) -> str:
    """Where an image's candidate and its predecessor are tagged, without the tag.

    Two image names that differ only in characters which a repository cannot have stay apart.
    """
    clean = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if clean != name:
        clean = f"{clean}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return f"{folder_of(project)}/{clean}"


def plan_images(model: dict[str, Any], project: str, roster: Roster) -> list[dict[str, Any]]:
    """The images of the application, each once, in the order of the services that need them.

    Args:
        model: Compose's reading of the files that run now.
        project: Compose's project name.
        roster: which service does what.

    Returns:
        For each image: name (as Compose resolves it), aliases (names that services added by the
        migration resolve to), services (those that take it now) and replaced (whether the new
        release has one in its place; False for images that only the dropped services need).

    Raises:
        ModelError: a service is not in the files.
    """
    services = model.get("services") or {}
    named = {
        "deployment_web_service": [roster.web],
        "release_producers": roster.producers,
        "deployment_worker_services": roster.workers,
    }
    for variable, names in named.items():
        for name in names:
            if name not in services:
                raise ModelError(
                    f"{variable}: the Compose files have no service {name!r}; they have "
                    f"{', '.join(sorted(services))}. Correct the variable."
                )
    running = [roster.web, *roster.producers, *roster.workers]
    running += [name for name in roster.qclusters if name in services]
    by_name: dict[str, dict[str, Any]] = {}
    for group, replaced in ((running, True), (roster.dropped, False)):
        for name in group:
            if name not in services:
                continue
            image = image_name(project, name, services[name])
            entry = by_name.setdefault(
                image, {"name": image, "aliases": [], "services": [], "replaced": replaced}
            )
            entry["replaced"] = entry["replaced"] or replaced
    for name, service in services.items():
        entry = by_name.get(image_name(project, name, service))
        if entry is not None:
            entry["services"].append(name)
    # A qcluster modelled after a worker that names no image resolves to a name of its own.
    model_of = next((name for name in roster.workers), roster.web)
    if not services[model_of].get("image"):
        source = by_name[image_name(project, model_of, services[model_of])]
        source["aliases"] = [f"{project}-{q}" for q in roster.qclusters if q not in services]
    return list(by_name.values())


def running_ids(entry: dict[str, Any], containers: list[dict[str, Any]]) -> str | None:
    """The id of the image that an entry's containers run, None when there is no container.

    Args:
        entry: an item of `plan_images`.
        containers: `docker_cli.describe_container` of the project's containers.

    Raises:
        ModelError: they run different ones, so that no tag can bring all of them back.
    """
    ids: dict[str, list[str]] = {}
    for container in containers:
        if container["service"] in entry["services"]:
            ids.setdefault(container["image_id"], []).append(container["service"])
    if len(ids) > 1:
        found = "; ".join(
            f"{', '.join(sorted(set(names)))} run {image[:19]}" for image, names in ids.items()
        )
        raise ModelError(
            f"The containers of the image {entry['name']} do not run the same one: {found}. A "
            "rollback could not bring both back. Run `docker compose up -d` for them first."
        )
    return next(iter(ids), None)


@dataclass
class Places:
    """Where the deployment's files stand and where the release's stand in their place.

    Attributes:
        root: the top folder of the deployment's files.
        tree: the folder of the release's files that corresponds to it.
    """

    root: str
    tree: str

    def moved(self, path: str) -> str | None:
        """The release's counterpart of a path of the deployment, None when it has none."""
        real, root = os.path.realpath(path), os.path.realpath(self.root)
        if real == root:
            return self.tree
        if real.startswith(root + os.sep):
            return os.path.join(self.tree, real[len(root) + 1 :])
        return None


def moved_build(build: dict[str, Any], places: Places) -> tuple[dict[str, Any], list[str]]:
    """A service's build section with its folders in the release's tree.

    Its further tags are left out: one of them could be the one that runs.

    Returns:
        The section, and the local paths in it that stand outside the deployment and stayed.
    """
    result = {key: value for key, value in build.items() if key != "tags"}
    outside = []
    contexts = {None: build.get("context"), **(build.get("additional_contexts") or {})}
    for key, path in contexts.items():
        if not isinstance(path, str) or not path.startswith("/"):
            continue
        moved = places.moved(path)
        if moved is None:
            outside.append(path)
        elif key is None:
            result["context"] = moved
        else:
            result["additional_contexts"] = {**result["additional_contexts"], key: moved}
    dockerfile = build.get("dockerfile") or ""
    if dockerfile.startswith("/"):
        result["dockerfile"] = places.moved(dockerfile) or dockerfile
    return result, outside


def find_build(
    entry: dict[str, Any], target: dict[str, Any], current: dict[str, Any], first: str
) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
    """How an image is built: the new release's files say it, else those that run now.

    Args:
        entry: an item of `plan_images`.
        target: Compose's reading of the new release's files ({} when there is none).
        current: Compose's reading of the files that run now.
        first: the service to ask first, if it takes this image.

    Returns:
        The service's name, its build section and the model that has it; None when none is built.
    """
    names = sorted(entry["services"], key=lambda name: name != first)
    for model in (target, current):
        services = model.get("services") or {}
        for name in names:
            build = (services.get(name) or {}).get("build")
            if build:
                return name, build, model
    return None


def pull_plan(
    images: list[dict[str, Any]], sources: dict[str, str]
) -> list[tuple[dict[str, Any], str]]:
    """What to pull for each image that the release replaces.

    Args:
        images: items of `plan_images`.
        sources: what to pull by the image's name; `*` is the only one.

    Raises:
        ModelError: an image has no source, or `*` stands for more than one.
    """
    replaced = [image for image in images if image["replaced"]]
    names = [image["name"] for image in replaced]
    if "*" in sources and len(replaced) > 1:
        raise ModelError(
            f"release_image: the application has the images {', '.join(names)}; expected a "
            "dictionary that names the new one of each."
        )
    missing = [name for name in names if name not in sources and "*" not in sources]
    if missing:
        raise ModelError(
            f"release_image: no image is named for {', '.join(missing)}; expected one for each of "
            f"{', '.join(names)}."
        )
    return [(image, sources.get(image["name"]) or sources["*"]) for image in replaced]


def build_document(
    parts: dict[str, dict[str, Any]], arguments: dict[str, str], models: list[dict[str, Any]]
) -> dict[str, Any]:
    """The Compose file that builds the candidates and does nothing else.

    Each candidate gets a label that no other image has. Where a release changes nothing in its
    image (the code is mounted, the requirements are the same) it would be the image that runs, and
    what runs could not be told from what is to run.

    Args:
        parts: by service: image (the candidate's tag), build (see `moved_build`), platform.
        arguments: further build arguments, for every image.
        models: Compose's readings, for the secrets that builds name.
    """
    services: dict[str, Any] = {}
    wanted: set[str] = set()
    for name, part in parts.items():
        build = dict(part["build"])
        given = build.get("args") or {}
        if isinstance(given, list):
            given = dict(item.partition("=")[::2] for item in given)
        escaped = {key: str(value).replace("$", "$$") for key, value in arguments.items()}
        if given or escaped:
            build["args"] = {**given, **escaped}
        labels = build.get("labels") or {}
        if isinstance(labels, list):
            labels = dict(item.partition("=")[::2] for item in labels)
        build["labels"] = {**labels, LABEL: part["image"]}
        services[name] = {"image": part["image"], "build": build}
        if part.get("platform"):
            services[name]["platform"] = part["platform"]
        for secret in build.get("secrets") or []:
            wanted.add(secret if isinstance(secret, str) else secret["source"])
    document: dict[str, Any] = {"services": services}
    known: dict[str, Any] = {}
    for model in models:
        known.update(model.get("secrets") or {})
    secrets = {name: known[name] for name in sorted(wanted) if name in known}
    if secrets:
        document["secrets"] = secrets
    return document


def code_mounts(
    model: dict[str, Any], services: list[str], root: str, tree: str
) -> list[dict[str, str]]:
    """Folders with the application's Python code that are mounted over it in containers.

    Args:
        model: Compose's reading of the files.
        services: the application's services.
        root: the top folder of the deployment's files.
        tree: the folder in which to look for code at the same place.

    Returns:
        service, source and target of each such mount.
    """
    places = Places(root, tree)
    found = []
    for name in services:
        for volume in (model.get("services") or {}).get(name, {}).get("volumes") or []:
            if volume.get("type") != "bind":
                continue
            source = volume["source"]
            looked = places.moved(source)
            if looked is None and os.path.realpath(root).startswith(
                os.path.realpath(source).rstrip("/") + os.sep
            ):
                looked = tree  # the mount holds the whole deployment and more
            if looked and has_code(looked):
                found.append({"service": name, "source": source, "target": volume["target"]})
    return found


def has_code(folder: str, limit: int = 20000) -> bool:
    """Whether Python files stand in a folder or below it (or it is such a file itself).

    Args:
        limit: how many entries to look at before it is taken for data.
    """
    if os.path.isfile(folder):
        return folder.endswith(".py")
    seen = 0
    for _place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", "node_modules", ".venv")]
        if any(name.endswith(".py") for name in files):
            return True
        seen += len(files) + len(folders)
        if seen > limit:
            return False
    return False
