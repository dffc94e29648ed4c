"""The documentation as a site: the pages are docs/ and the texts beside README, the references come from the code."""
