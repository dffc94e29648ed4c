"""`hashistack schema`: the forms of what is written and read, for editors and programs."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    connection: Annotated[bool, typer.Option("--connection", help="of a stack's output `connection` instead")] = False,
) -> None:
    """Print the JSON Schema of a cluster's specification."""
    from hashistack.ops.api.connection import schema as form
    from hashistack.spec.schema import text

    typer.echo(form() if connection else text(), nl=False)
