"""JSON configuration fragments: numbered, merged in order on the machine into one file a product.

Placeholders are a closed list: ``{{name}}``, ``{{ip}}``, ``{{zone}}``, ``{{id}}``, ``{{bundle}}``,
``{{servers}}``, ``{{quorum}}``, ``{{expect}}`` (numbers) and ``{{secret.<key of the role document>}}``.
`node/boot/render` fills them; one that it does not know stops the boot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from typing import Any

Json = dict[str, Any]
Fragments = dict[str, Json]
"""File name (``20-base.json``) to contents. A later fragment wins; lists are replaced, not appended."""

TLS = "/run/hashistack/{product}/tls/{kind}.pem"
"""Where `node/boot/render` puts a product's own ``ca``, ``cert`` and ``key``: each product runs as its own user."""

_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")


def merged(fragments: Fragments) -> Json:
    """One configuration out of fragments, as `node/boot/render` merges them."""
    return reduce(_over, (fragments[name] for name in sorted(fragments)), {})


def filled(value: Any, known: Mapping[str, Any]) -> Any:
    """``value`` with its placeholders filled in, as `node/boot/render` does. Raises KeyError for an unknown one."""
    if isinstance(value, dict):
        return {key: filled(inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, known) for inner in value]
    if not isinstance(value, str):
        return value
    if whole := _PLACEHOLDER.fullmatch(value):
        return known[whole[1]]
    return _PLACEHOLDER.sub(lambda found: str(known[found[1]]), value)


def _over(under: Json, over: Json) -> Json:
    deep = {
        key: _over(under[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(under.get(key), dict)
    }
    return {**under, **over, **deep}
