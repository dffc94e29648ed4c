"""The package's version: one literal, so that reading it costs no metadata look-up."""

VERSION = "0.1.0"
