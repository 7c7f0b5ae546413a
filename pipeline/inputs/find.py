"""Turn folders, globs, brace patterns and lists of URIs into the files that lie there."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from fsspec import AbstractFileSystem

from pipeline.images.formats import suffix_of
from pipeline.inputs.address import text_of
from pipeline.inputs.braces import expand_braces
from pipeline.inputs.file_names import name_below_roots
from pipeline.inputs.outputs import without_outputs
from pipeline.storage.errors import uri_of
from pipeline.storage.files import file_size, list_files, open_filesystem, path_of
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.job.storage import Storage

# Requests in flight for a long list of single files: 16 of 20 ms each check 800 files a second.
_THREADS = 16
_GLOB = "*?["
HIDDEN, OF_OUTPUT = "hidden", "output"  # what is passed over whatever its suffix


@dataclass(frozen=True)
class Found:
    """A file: its name, which is an image's id, its URI and size."""

    name: str
    uri: str
    size: int


@dataclass(frozen=True)
class FoundFiles:
    """The files in the order of their names, the URI of the folder that holds all, and the rest.

    passed_over counts the other files of the folders searched: by suffix ("" for none), as hidden,
    and as what an output of ours keeps for itself.
    """

    base: str
    files: tuple[Found, ...]
    passed_over: Mapping[str, int]


@dataclass(frozen=True)
class _Root:
    """What one URI names: the folder the names start from, and (path, size) of each file."""

    folder: str
    files: list[tuple[str, int]]
    passed_over: Counter[str] = field(default_factory=Counter)


def find_files(
    uris: str | Sequence[str], storage: Storage, wanted: Callable[[str], bool], suffixes: str
) -> FoundFiles:
    """Find the files that URIs name: each a file, a folder, a glob or a brace pattern.

    Of a folder, the files below it whose names are `wanted` (`suffixes`, for people); folders and
    globs pass over hidden names, as a shell does. Raises BadStorage where a URI names nothing,
    MissingFile where a listed or brace-expanded file is not there, BadInput for a file named twice
    and for two that no row could tell apart.
    """
    patterns = [uris] if isinstance(uris, str) else list(uris)
    schemes = {uri.partition("://")[0] if "://" in uri else "" for uri in patterns}
    if len(schemes) > 1:
        raise BadInput(
            "a list of files on different storages",
            patterns[0],
            ", ".join(sorted(scheme or "local paths" for scheme in schemes)),
            "one storage for one job's inputs",
        )
    fs, _ = open_filesystem(patterns[0], storage)

    def find(uri: str) -> _Root:
        return _find(fs, uri, wanted, suffixes)

    with ThreadPoolExecutor(_THREADS) as threads:
        roots = list(threads.map(find, patterns))
    sizes: dict[str, int] = {}
    for path, size in (entry for root in roots for entry in root.files):
        if path in sizes:
            raise BadInput(
                "a file that is named twice",
                text_of(uri_of(fs, path)),
                f"{len(patterns)} URIs of which two name it",
                "each file once",
            )
        sizes[path] = size
    named = name_below_roots([(root.folder, [path for path, _ in root.files]) for root in roots])
    files = [
        Found(text_of(name), text_of(uri_of(fs, path)), sizes[path]) for path, name in named.items()
    ]
    _check_told_apart(files)
    return FoundFiles(
        text_of(uri_of(fs, _common_folder([root.folder for root in roots]))),
        tuple(sorted(files, key=lambda file: file.name)),
        sum((root.passed_over for root in roots), Counter()),
    )


def _check_told_apart(files: Sequence[Found]) -> None:
    counts = Counter(file.uri for file in files)
    if alike := [uri for uri, count in counts.items() if count > 1]:
        raise BadInput(
            "two files whose names are written alike",
            alike[0],
            "a name that is no UTF-8, and one that is written as it would be",
            "another name for one of them",
        )


def _find(fs: AbstractFileSystem, uri: str, wanted: Callable[[str], bool], suffixes: str) -> _Root:
    """Return what one URI names."""
    path = path_of(fs, uri)
    try:
        # A name may hold brackets or braces itself: what is there under it comes first.
        size = file_size(fs, path)
    except MissingFile:
        if not any(character in path for character in _GLOB + "{"):
            raise MissingFile(
                "inputs that do not exist", uri, "nothing there", "a file, a folder or a pattern"
            ) from None
        return _find_pattern(fs, uri, path)
    if size is not None:
        return _Root(os.path.dirname(path), [(path, size)])
    below = list_files(fs, path)
    root = _Root(path, [])
    inputs = without_outputs(below)
    root.passed_over[OF_OUTPUT] += len(below) - len(inputs)
    for name, size in inputs.items():
        if _hidden(name):
            root.passed_over[HIDDEN] += 1
        elif wanted(name):
            root.files.append((f"{path.rstrip('/')}/{name}", size))
        else:
            root.passed_over[suffix_of(name)] += 1
    if not root.files:
        got = f"{len(below)} files, none of them usable"
        most = [f"{count} .{suffix}" for suffix, count in root.passed_over.most_common(5) if count]
        raise BadStorage(
            "a folder without input",
            uri,
            ": ".join([got, ", ".join(most)]) if most else got,
            f"files that end in {suffixes}",
        )
    return root


def _find_pattern(fs: AbstractFileSystem, uri: str, path: str) -> _Root:
    texts = expand_braces(path)
    # All texts of one folder are answered by one listing, narrowed to what they share.
    folders: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        folders[_static_folder(text, _GLOB)].append(text)
    with ThreadPoolExecutor(_THREADS) as threads:
        matched = list(threads.map(lambda folder: _match(fs, *folder), folders.items()))
    missing = [text for folder in matched for text in folder.missing]
    if missing:
        some = ", ".join(uri_of(fs, text) for text in missing[:3])
        raise MissingFile(
            "a pattern that names files which do not exist",
            uri,
            f"{len(missing)} of {len(texts)} without a file: {some}",
            "at least one file for each",
        )
    files = [entry for folder in matched for entry in folder.files]
    return _Root(_static_folder(path, _GLOB + "{"), files)


@dataclass(frozen=True)
class _Matched:
    """What patterns of one folder name: (path, size) of each file, and the patterns of none."""

    files: list[tuple[str, int]]
    missing: list[str]


def _match(fs: AbstractFileSystem, folder: str, texts: Sequence[str]) -> _Matched:
    rests = [text[len(folder) + 1 :] for text in texts]
    stem = _common_start([_static(rest, _GLOB) for rest in rests])
    deep = any("/" in rest or "**" in rest for rest in rests)
    listing = without_outputs(list_files(fs, folder, stem, deep=deep))
    matched = _Matched([], [])
    for rest in rests:
        names = _matching(listing, rest)
        matched.files.extend((f"{folder}/{name}", listing[name]) for name in names)
        if not names:
            matched.missing.append(f"{folder}/{rest}")
    return matched


def _matching(listing: dict[str, int], rest: str) -> list[str]:
    if not any(character in rest for character in _GLOB):
        return [rest] if rest in listing else []
    patterns = rest.split("/")
    # "." at the start of a name is matched only by one in the pattern.
    hidden = any(pattern.startswith(".") for pattern in patterns)
    return [
        name
        for name in listing
        if _matches(name.split("/"), patterns) and (hidden or not _hidden(name))
    ]


def _matches(names: list[str], patterns: list[str]) -> bool:
    """Match a path's parts; `**` stands for any number of them."""
    if not patterns:
        return not names
    if patterns[0] == "**":
        return _matches(names, patterns[1:]) or (bool(names) and _matches(names[1:], patterns))
    return bool(names) and fnmatchcase(names[0], patterns[0]) and _matches(names[1:], patterns[1:])


def _static(text: str, magic: str) -> str:
    """Return the text before its first magic character."""
    return text[: min((at for c in magic if (at := text.find(c)) >= 0), default=len(text))]


def _static_folder(text: str, magic: str) -> str:
    return _static(text, magic).rpartition("/")[0]


def _common_start(texts: Sequence[str]) -> str:
    # Sorted, what the first and the last share is shared by all.
    first, last = min(texts), max(texts)
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: min(len(first), len(last)) if same is None else same]


def _common_folder(folders: Sequence[str]) -> str:
    if len(set(folders)) == 1:
        return folders[0]
    # With a slash after each, the first characters they share end at a folder or within a name.
    return _common_start([f"{folder}/" for folder in folders]).rpartition("/")[0]


def _hidden(name: str) -> bool:
    return name.startswith(".") or "/." in name
