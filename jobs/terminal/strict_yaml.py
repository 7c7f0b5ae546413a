"""Turn YAML into plain values, or into one YAMLError: no tags that build, no bombs, no doubles."""

from collections.abc import Iterator

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

# A list of 100,000 URIs is some 10 MB, which PyYAML reads in a minute.
MAX_BYTES = 64 * 2**20
# An alias that repeats a reference or a section stands for some dozens of values; one that
# repeats aliases of aliases, for billions.
_MAX_REPEATED = 100_000


def load_yaml(text: str, name: str = "the text") -> object:
    """Return the values of a YAML document. Raises yaml.YAMLError, and nothing else, on bad text.

    name is what an error calls it.

    Refused beyond what safe loading refuses: a key that stands twice, aliases that repeat more
    than 100,000 values or contain themselves, and what PyYAML's own constructors stumble over.
    """
    loader = yaml.SafeLoader(text)
    loader.name = name
    try:
        document = loader.get_single_node()
        if document is None:
            return None
        sizes: dict[int, int] = {}
        repeated = _expanded(document, sizes) - len(sizes)
        if repeated > _MAX_REPEATED:
            raise yaml.YAMLError(f"aliases that repeat {repeated} values; {_MAX_REPEATED} at most")
        return loader.construct_document(document)
    except RecursionError as error:
        raise yaml.YAMLError("values nested too deeply") from error
    except (ValueError, IndexError, AttributeError, TypeError, OverflowError) as error:
        # PyYAML's constructors, on 2001-13-40, !!int '' or 0x_.
        raise yaml.YAMLError(f"a value that is not what its form says: {error}") from error
    finally:
        loader.dispose()


def _expanded(node: Node, sizes: dict[int, int]) -> int:
    """Return how many nodes a node stands for with its aliases spelled out; `sizes` holds 1 a node.

    Raises yaml.YAMLError for a key that stands twice, and for a node that contains itself.
    """
    if known := sizes.get(id(node)):
        return known
    if id(node) in sizes:
        raise yaml.YAMLError(f"an alias that contains itself{_place(node)}")
    sizes[id(node)] = 0
    if isinstance(node, MappingNode):
        _refuse_doubles(node)
    total = 1 + sum(_expanded(child, sizes) for child in _children(node))
    sizes[id(node)] = total
    return total


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for pair in node.value:
            yield from pair
    elif not isinstance(node, ScalarNode):
        yield from node.value


def _refuse_doubles(node: MappingNode) -> None:
    seen: set[tuple[str, str]] = set()
    for key, _ in node.value:
        if isinstance(key, ScalarNode):
            if (key.tag, key.value) in seen:
                raise yaml.YAMLError(f"the key {key.value!r} stands twice{_place(key)}")
            seen.add((key.tag, key.value))


def _place(node: Node) -> str:
    mark = node.start_mark
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
