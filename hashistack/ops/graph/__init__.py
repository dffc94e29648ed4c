"""A cluster as a picture: what is declared or seen (`topology.py`), as Mermaid and as SVG. Pure."""
