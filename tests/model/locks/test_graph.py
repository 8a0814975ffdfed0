from __future__ import annotations

from bundle.model.locks.graph import Graph
from tests.model.locks.graphs import PACKAGES, lock_of, package


def test_the_tree_tells_each_package_in_its_places_and_its_requirements_once() -> None:
    branches = [(one.depth, one.package.name, one.last, one.repeated) for one in Graph(lock_of(PACKAGES)).branches()]

    assert branches == [
        (0, "app", False, False),
        (1, "lib", True, False),
        (2, "core", True, False),
        (0, "tool", True, False),
        (1, "gpu", False, False),
        (1, "lib", True, True),
    ]


def test_packages_that_require_each_other_end_somewhere() -> None:
    graph = Graph(lock_of([package("tool", ""), package("a", "tool", "b"), package("b", "a")]))

    assert [one.package.name for one in graph.branches()] == ["tool", "a", "b", "a", "gpu"]
    assert graph.reasons("a") == [("tool", "a")]
    assert graph.reasons("b") == [("tool", "a", "b")]


def test_a_very_deep_lock_is_walked() -> None:
    deep = [package("p0", ""), package("tool", "")] + [package(f"p{n}", f"p{n - 1}") for n in range(1, 3000)]
    graph = Graph(lock_of(deep))

    assert max(one.depth for one in graph.branches()) == 2999
    assert len(graph.reasons("p2999")[0]) == 3000


def test_each_that_requires_a_package_is_a_reason_by_the_shortest_chain() -> None:
    graph = Graph(lock_of(PACKAGES))

    assert graph.reasons("core") == [("app", "lib", "core")]
    assert graph.reasons("lib") == [("app", "lib"), ("tool", "lib")]
    assert graph.reasons("app") == [("app",)]
    assert graph.reasons("gpu") == [("tool", "gpu")]
