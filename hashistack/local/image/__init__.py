"""The machine image: from a registry's Alpine, or from Debian packages."""
