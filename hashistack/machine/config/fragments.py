"""JSON configuration fragments: numbered, merged in order on the machine into one file a product.

Placeholders are a closed list: ``{{name}}``, ``{{ip}}``, ``{{zone}}``, ``{{id}}``, ``{{bundle}}``,
``{{servers}}``, ``{{quorum}}``, ``{{expect}}`` (numbers) and ``{{secret.<key of the role document>}}``.
`node/boot/render` fills them; one that it does not know stops the boot.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
Fragments = dict[str, Json]
"""File name (``20-base.json``) to contents. A later fragment wins; lists are replaced, not appended."""

TLS = "/run/hashistack/{product}/tls/{kind}.pem"
"""Where `node/boot/render` puts a product's own ``ca``, ``cert`` and ``key``: each product runs as its own user."""
