"""`python -m hashistack.provider`: the plugin, as the engine starts it."""

from hashistack.provider.plugin import main

main()
