import pytest

from tiffin.gateway.paths import Paths, decode_percent
from tiffin.gateway.routes import ROUTES
from tiffin.primitives.errors import Refusal


@pytest.fixture
def paths() -> Paths[str]:
    paths: Paths[str] = Paths()
    for route in ROUTES:
        paths.add(route.method, route.path, f"{route.method} {route.path}")
    return paths


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_found_with_its_values(paths: Paths[str], route: object) -> None:
    template: str = route.path  # type: ignore[attr-defined]
    segments = template.split("/")
    filled = [f"v{n}" if part.startswith("{") else part for n, part in enumerate(segments)]
    leaf, values = paths.find("/".join(filled).encode())
    assert leaf.template == template
    assert leaf.handler(route.method) == f"{route.method} {template}"  # type: ignore[attr-defined]
    assert list(values) == [part for part, was in zip(filled, segments, strict=True) if was.startswith("{")]


def test_an_encoded_slash_is_part_of_a_value(paths: Paths[str]) -> None:
    leaf, values = paths.find(b"/v1/restaurants/a%2Fb%20%C3%A9")
    assert (leaf.template, list(values)) == ("/v1/restaurants/{restaurant_id}", ["a/b é"])


@pytest.mark.parametrize(
    "path", [b"", b"/", b"/v1", b"/v1/orders/", b"/v1//accept", b"/v1/orders/1/accept/2"]
)
def test_nothing_is_found_where_nothing_is(paths: Paths[str], path: bytes) -> None:
    with pytest.raises(Refusal, match="no_such_endpoint"):
        paths.find(path)


@pytest.mark.parametrize("text", ["%", "%4", "%4g", "%ff", "%C3", "%ED%A0%80"])
def test_broken_escapes_are_refused(text: str) -> None:
    with pytest.raises(Refusal, match="invalid_encoding"):
        decode_percent(text)


def test_a_path_has_one_handler_a_method(paths: Paths[str]) -> None:
    with pytest.raises(ValueError, match="two handlers"):
        paths.add("GET", "/v1/orders/{order_id}", "another")
