"""Several outputs as one."""

from __future__ import annotations

import json
from typing import Any

import pulumi


def together(*outputs: pulumi.Output[Any]) -> pulumi.Output[list[Any]]:
    """The values of `outputs`, which are JSON's, in their order; secret where one of them is.

    `Output.all` makes outputs of everything inside the values too, a few hundred for a connection, and the program
    stands still meanwhile. It does not look into text.
    """
    texts = pulumi.Output.all(*(output.apply(json.dumps) for output in outputs))
    return texts.apply(lambda texts: [json.loads(text) for text in texts])
